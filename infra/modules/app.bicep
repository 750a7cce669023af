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
@description('Whether instances stand in several zones, at least two of each kind.')
param zoneRedundant bool
@description('Resource id of the subnet through which the app reaches all else; empty: none.')
param integrationSubnet string
@description('open: everybody may ask, and must sign in; eventGrid: Event Grid alone from outside, all others through the private endpoint; closed: nobody from outside.')
@allowed(['open', 'eventGrid', 'closed'])
param access string

// Event Grid delivers from the internet, and through no private endpoint.
var fromEventGrid = {
  name: 'EventGrid'
  tag: 'ServiceTag'
  ipAddress: 'AzureEventGrid'
  action: 'Allow'
  priority: 100
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
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
    virtualNetworkSubnetId: empty(integrationSubnet) ? null : integrationSubnet
    publicNetworkAccess: access == 'closed' ? 'Disabled' : 'Enabled'
    siteConfig: {
      minTlsVersion: '1.3'
      ftpsState: 'Disabled'
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: access == 'open' ? 'Allow' : 'Deny'
      ipSecurityRestrictions: access == 'eventGrid' ? [fromEventGrid] : []
      scmIpSecurityRestrictionsDefaultAction: access == 'open' ? 'Allow' : 'Deny'
    }
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 4096
        maximumInstanceCount: maximumInstances
        // HTTP and durable functions run on instances of their own: without these a change of a plan waits for both to start.
        alwaysReady: map(['http', 'durable'], each => { name: each, instanceCount: zoneRedundant ? 2 : 1 })
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
output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
