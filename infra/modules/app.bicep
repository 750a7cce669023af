param name string
param location string
param tags object
@description('Resource id of the user-assigned identity.')
param identityId string
@description('Address of the blob container that holds the package.')
param packageContainer string
param settings object
@description('Application (client) id of the app registration that people and pipelines sign in to; empty: no sign-in, function keys only.')
param authClientId string
param maximumInstances int

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  // azd finds the app by this tag.
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    keyVaultReferenceIdentity: identityId
    httpsOnly: true
    siteConfig: { minTlsVersion: '1.3', ftpsState: 'Disabled' }
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 4096
        maximumInstanceCount: maximumInstances
        // HTTP and durable functions run on instances of their own: without these a change of a plan waits for both to start.
        alwaysReady: [{ name: 'http', instanceCount: 1 }, { name: 'durable', instanceCount: 1 }]
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainer
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: settings
  }

  resource noFtp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource noBasic 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource auth 'config' = if (!empty(authClientId)) {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: true }
      globalValidation: {
        requireAuthentication: true
        unauthenticatedClientAction: 'Return401'
        // Event Grid and the host come with keys of their own. Nobody needs the engine's webhooks: there a key alone opens nothing.
        // The page has to load before anybody can sign in: each of its files by name, so that no other path begins like one.
        excludedPaths: [
          '/runtime/webhooks/EventGrid'
          '/runtime/webhooks/eventgrid'
          '/admin/*'
          '/api/ui'
          '/api/ui/app.css'
          '/api/ui/app.js'
          '/api/ui/door.json'
          '/api/ui/graph.js'
          '/api/ui/icon.svg'
          '/api/ui/licences.txt'
        ]
      }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            clientId: authClientId
            openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          }
          validation: { allowedAudiences: [authClientId, 'api://${authClientId}'] }
        }
      }
      login: { tokenStore: { enabled: false } }
    }
  }
}

output id string = app.id
output url string = 'https://${app.properties.defaultHostName}'
