metadata description = 'HCI Site Recovery: the app, what it keeps, and how it is watched. The rights on vaults, clusters and targets are granted apart.'

@description('Short name of the environment, part of every name.')
@minLength(1)
@maxLength(20)
param environmentName string
@description('Region: one that has Flex Consumption and zones, and that is not the one that would be lost.')
param location string = resourceGroup().location
@description('Client id of the app registration with the roles Dr.Read, Dr.Drill, Dr.Operate, Dr.Approve and Dr.Admin; empty: function keys only, and nobody can approve.')
param authClientId string = ''
@description('Days for which evidence can neither be changed nor deleted.')
@minValue(1)
@maxValue(36500)
param evidenceDays int = 2555
@description('How long the engine keeps operations that have ended.')
@minValue(1)
@maxValue(3650)
param runRetentionDays int = 90
@description('App roles of callers who come with a function key, separated by commas; of no effect with authClientId.')
param keyRoles string = 'Dr.Read'
@description('ARM ids, separated by commas, of all that the app may work in; empty: wherever its identity may.')
param allowedScopes string = ''
@description('NCRONTAB expression of the timer, in UTC.')
param reconcileSchedule string = '0 */5 * * * *'
@description('Endpoint of an Event Grid topic for CloudEvents that is there already; empty: one is made. The app needs EventGrid Data Sender on it.')
param existingTopicEndpoint string = ''
@description('Whether to subscribe to failed extensions of Arc machines. Azure refuses it until the code is there: false at first, true once the package is deployed.')
param subscribeToFailures bool = false
@description('Name of a system topic of this subscription in this resource group; empty: one is made. Azure allows one for each subscription.')
param existingSystemTopic string = ''
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

var token = toLower(uniqueString(subscription().id, resourceGroup().id, environmentName))
var tags = { 'azd-env-name': environmentName }
var name = 'hci-site-recovery-${token}'
var packages = 'packages'
var evidence = 'evidence'
var role = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  tableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}'
  location: location
  tags: tags
}

module hostStorage 'modules/storage.bicep' = {
  name: 'host-storage'
  params: {
    name: 'sthost${token}'
    location: location
    containers: [packages]
    principalId: identity.properties.principalId
    roleIds: [role.blobOwner, role.queueContributor, role.tableContributor]
  }
}

module evidenceStorage 'modules/storage.bicep' = {
  name: 'evidence-storage'
  params: {
    name: 'stevid${token}'
    location: location
    containers: [evidence]
    principalId: identity.properties.principalId
    roleIds: [role.blobContributor]
    immutableDays: evidenceDays
  }
}

module monitor 'modules/monitor.bicep' = {
  name: 'monitor'
  params: { name: name, location: location, principalId: identity.properties.principalId }
}

module topic 'modules/topic.bicep' = if (empty(existingTopicEndpoint)) {
  name: 'topic'
  params: { name: 'evgt-${token}', location: location, principalId: identity.properties.principalId }
}

module secrets 'modules/secrets.bicep' = {
  name: 'secrets'
  params: { name: 'kv${token}', location: location, tags: tags, principalId: identity.properties.principalId }
}

module app 'modules/app.bicep' = {
  name: 'app'
  params: {
    name: 'func-${token}'
    location: location
    tags: tags
    identityId: identity.id
    packageContainer: '${hostStorage.outputs.blobEndpoint}${packages}'
    authClientId: authClientId
    maximumInstances: maximumInstances
    settings: {
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
      APPLICATIONINSIGHTS_CONNECTION_STRING: monitor.outputs.connectionString
      AUDIENCE: authClientId
      AZURE_CLIENT_ID: identity.properties.clientId
      AZURE_FUNCTIONS_DURABLE_STRICT_TYPING: '1'
      AZURE_RESOURCE_MANAGER_URL: environment().resourceManager
      AzureWebJobsStorage__blobServiceUri: hostStorage.outputs.blobEndpoint
      AzureWebJobsStorage__clientId: identity.properties.clientId
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__queueServiceUri: hostStorage.outputs.queueEndpoint
      AzureWebJobsStorage__tableServiceUri: hostStorage.outputs.tableEndpoint
      EVENTGRID_TOPIC_ENDPOINT: empty(existingTopicEndpoint) ? topic!.outputs.endpoint : existingTopicEndpoint
      EVIDENCE_STORE: '${evidenceStorage.outputs.blobEndpoint}${evidence}'
      ALLOWED_SCOPES: allowedScopes
      DOOR: empty(authClientId) ? 'keys' : 'entra'
      KEY_ROLES: empty(authClientId) ? keyRoles : ''
      EVIDENCE_KEY: secrets.outputs.evidenceKeyUrl
      MAC_KEY: secrets.outputs.macKeyReference
      PYTHON_ENABLE_OPENTELEMETRY: 'true'
      PYTHON_THREADPOOL_THREAD_COUNT: '16'
      RECONCILE_SCHEDULE: reconcileSchedule
      RUN_RETENTION_DAYS: string(runRetentionDays)
      TELEMETRY: 'azure-monitor'
      TELEMETRY_READS: '1'
      TENANT_ID: tenant().tenantId
    }
  }
}

module events 'modules/events.bicep' = if (subscribeToFailures) {
  name: 'events'
  params: {
    topicName: empty(existingSystemTopic) ? 'evgst-${token}' : existingSystemTopic
    adopt: !empty(existingSystemTopic)
    tags: tags
    appId: app.outputs.id
  }
}

output APP_URL string = app.outputs.url
output AZURE_CLIENT_ID string = identity.properties.clientId
@description('Who gets the rights on vaults, clusters and targets.')
output IDENTITY_PRINCIPAL_ID string = identity.properties.principalId
