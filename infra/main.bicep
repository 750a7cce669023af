metadata description = 'HCI Site Recovery: the app, what it keeps, and how it is watched. The rights on vaults, clusters and targets are granted apart.'

@description('Short name of the environment, part of every name.')
@minLength(1)
@maxLength(64)
param environmentName string
@description('Region: one that has Flex Consumption and zones, and that is not the one that would be lost.')
param location string = resourceGroup().location
@description('Client id of the app registration with the roles Dr.Read, Dr.Drill, Dr.Operate, Dr.Approve and Dr.Admin; empty: function keys only, and nobody can approve.')
param authClientId string = ''
@description('Days for which evidence can neither be changed nor deleted.')
@minValue(1)
@maxValue(36500)
param evidenceDays int = 2555
@description('Standard_GZRS keeps evidence in a second region, too.')
@allowed(['Standard_ZRS', 'Standard_GZRS'])
param evidenceRedundancy string = 'Standard_ZRS'
@description('How long the engine keeps operations that have ended.')
@minValue(1)
@maxValue(3650)
param runRetentionDays int = 90
@description('App roles of callers who come with a function key, separated by commas; of no effect with authClientId.')
param keyRoles string = 'Dr.Read'
@description('ARM ids, separated by commas, of all that the app may work in; *: wherever its identity may.')
@minLength(1)
param allowedScopes string
@description('Where people reach the app, for links in notifications; empty: by the name that App Service gives it.')
param appUrl string = ''
@description('NCRONTAB expression of the timer, in UTC.')
param reconcileSchedule string = '0 */5 * * * *'
@description('Whether to subscribe to failed extensions of Arc machines. Azure refuses it until the code is there: false at first, true once the package is deployed.')
param subscribeToFailures bool = false
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40
@description('Whether the app stands in several zones: two instances of each kind are always ready then, in place of one.')
param zoneRedundant bool = false

@description('Resource id of an Event Grid topic that takes CloudEvents; empty: one is made.')
param existingTopic string = ''
@description('Resource id of the system topic of the subscription; empty: one is made. Azure allows one for each subscription.')
param existingSystemTopic string = ''
@description('Resource id of a key vault with role-based access; empty: one is made.')
param existingKeyVault string = ''
@description('Resource id of a Log Analytics workspace; empty: one is made.')
param existingWorkspace string = ''
@description('Resource id of a storage account for evidence, with a policy of its own; empty: one is made.')
param existingEvidenceStorage string = ''

@description('E-mail addresses that alerts go to, separated by commas.')
param alertEmails string = ''
@description('Address that alerts are posted to.')
@secure()
param alertWebhook string = ''
@description('Resource id of an action group that alerts go to; empty: one is made where there is an address or a webhook.')
param existingActionGroup string = ''
@description('How long no look of the timer may end before that is an alert: longer than the schedule needs for three.')
@allowed(['PT15M', 'PT30M', 'PT1H', 'PT2H', 'PT6H', 'P1D'])
param timerSilentAfter string = 'PT30M'

@description('public: storage, key vault and topic are reached from the internet, by identities alone. private: through private endpoints alone.')
@allowed(['public', 'private'])
param network string = 'public'
@description('Address range of the network that is made for network private: /24 or larger.')
param addressRange string = '10.71.0.0/24'
@description('Resource id of a subnet delegated to Microsoft.App/environments, /27 or larger; with existingEndpointSubnet. Empty: a network is made.')
param existingIntegrationSubnet string = ''
@description('Resource id of a subnet for private endpoints; with existingIntegrationSubnet.')
param existingEndpointSubnet string = ''
@description('make: private DNS zones in this group; existing: those in dnsZonesGroup; policy: a policy registers the names.')
@allowed(['make', 'existing', 'policy'])
param dnsZones string = 'make'
@description('Resource id of the resource group that has the private DNS zones, for dnsZones existing.')
param dnsZonesGroup string = ''
@description('For network private: whether the app, too, is reached through a private endpoint alone; of others only Event Grid comes in, with subscribeToFailures.')
param privateApp bool = false

@description('Object id of who deploys: may keep packages in the container releases. azd gives it; empty: nobody.')
param deployerId string = ''
@allowed(['User', 'Group', 'ServicePrincipal'])
param deployerType string = 'User'

var token = toLower(uniqueString(subscription().id, resourceGroup().id, environmentName))
var tags = { 'azd-env-name': environmentName }
var name = 'hci-site-recovery-${token}'
var packages = 'packages'
var evidence = 'evidence'
var isPrivate = network == 'private' || empty('${existingIntegrationSubnet}${existingEndpointSubnet}${dnsZonesGroup}')
  ? network == 'private'
  : fail('existingIntegrationSubnet, existingEndpointSubnet and dnsZonesGroup need network private')
var isPrivateApp = isPrivate || !privateApp ? privateApp : fail('privateApp needs network private')
var role = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  tableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

@description('Where what is adopted is, as subscription, resource group and name; what is made is in this group.')
var here = [subscription().subscriptionId, resourceGroup().name]
func placeOf(id string, here string[]) string[] => empty(id) ? here : [split(id, '/')[2], split(id, '/')[4]]
func nameOf(id string) string => last(split(id, '/'))
func requireId(id string, type string, parameter string) string =>
  empty(id) || (startsWith(toLower(id), '/subscriptions/') && contains(toLower(id), toLower('/providers/${type}/')))
    ? id
    : fail('${parameter} is no resource id of ${type}')

// What does not fit together is said by its names, before anything is made.
var topicId = requireId(existingTopic, 'Microsoft.EventGrid/topics', 'existingTopic')
var systemTopicId = requireId(existingSystemTopic, 'Microsoft.EventGrid/systemTopics', 'existingSystemTopic')
var keyVaultId = requireId(existingKeyVault, 'Microsoft.KeyVault/vaults', 'existingKeyVault')
var workspaceId = requireId(existingWorkspace, 'Microsoft.OperationalInsights/workspaces', 'existingWorkspace')
var evidenceStorageId = requireId(
  existingEvidenceStorage,
  'Microsoft.Storage/storageAccounts',
  'existingEvidenceStorage'
)
var actionGroupId = requireId(existingActionGroup, 'Microsoft.Insights/actionGroups', 'existingActionGroup')
var ownSubnets = empty(existingIntegrationSubnet) == empty(existingEndpointSubnet)
  ? [
      requireId(existingIntegrationSubnet, 'Microsoft.Network/virtualNetworks', 'existingIntegrationSubnet')
      requireId(existingEndpointSubnet, 'Microsoft.Network/virtualNetworks', 'existingEndpointSubnet')
    ]
  : fail('existingIntegrationSubnet and existingEndpointSubnet are given together')
var zonesGroup = dnsZones != 'existing' || contains(toLower(dnsZonesGroup), '/resourcegroups/')
  ? dnsZonesGroup
  : fail('dnsZonesGroup is the resource id of a resource group, with dnsZones existing')

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}'
  location: location
  tags: tags
}

module newHostStorage 'modules/storage-account.bicep' = {
  name: 'new-host-storage'
  params: { name: 'sthost${token}', location: location, isPrivate: isPrivate }
}

module hostStorage 'modules/storage.bicep' = {
  name: 'host-storage'
  params: {
    name: newHostStorage.outputs.name
    containers: [packages]
    principalId: identity.properties.principalId
    roleIds: [role.blobOwner, role.queueContributor, role.tableContributor]
  }
}

module releases 'modules/releases.bicep' = {
  name: 'releases'
  params: { account: newHostStorage.outputs.name, deployerId: deployerId, deployerType: deployerType }
}

module newEvidenceStorage 'modules/storage-account.bicep' = if (empty(existingEvidenceStorage)) {
  name: 'new-evidence-storage'
  params: {
    name: 'stevid${token}'
    location: location
    redundancy: evidenceRedundancy
    immutableDays: evidenceDays
    isPrivate: isPrivate
  }
}

module evidenceStorage 'modules/storage.bicep' = {
  name: 'evidence-storage'
  scope: resourceGroup(placeOf(evidenceStorageId, here)[0], placeOf(evidenceStorageId, here)[1])
  params: {
    name: empty(existingEvidenceStorage) ? newEvidenceStorage!.outputs.name : nameOf(evidenceStorageId)
    containers: [evidence]
    principalId: identity.properties.principalId
    roleIds: [role.blobContributor]
  }
}

module monitor 'modules/monitor.bicep' = {
  name: 'monitor'
  params: {
    name: name
    location: location
    principalId: identity.properties.principalId
    existingWorkspace: workspaceId
    alertEmails: alertEmails
    alertWebhook: alertWebhook
    existingActionGroup: actionGroupId
    timerSilentAfter: timerSilentAfter
  }
}

module newTopic 'modules/new-topic.bicep' = if (empty(existingTopic)) {
  name: 'new-topic'
  params: { name: 'evgt-${token}', location: location, isPrivate: isPrivate }
}

module topic 'modules/topic.bicep' = {
  name: 'topic'
  scope: resourceGroup(placeOf(topicId, here)[0], placeOf(topicId, here)[1])
  params: {
    name: empty(existingTopic) ? newTopic!.outputs.name : nameOf(topicId)
    principalId: identity.properties.principalId
  }
}

module newKeyVault 'modules/key-vault.bicep' = if (empty(existingKeyVault)) {
  name: 'new-key-vault'
  params: {
    name: 'kv${token}'
    location: location
    tags: tags
    isPrivate: isPrivate
    workspaceId: monitor.outputs.workspaceId
  }
}

module secrets 'modules/secrets.bicep' = {
  name: 'secrets'
  scope: resourceGroup(placeOf(keyVaultId, here)[0], placeOf(keyVaultId, here)[1])
  params: {
    name: empty(existingKeyVault) ? newKeyVault!.outputs.name : nameOf(keyVaultId)
    principalId: identity.properties.principalId
  }
}

module ownNetwork 'modules/network.bicep' = if (isPrivate) {
  name: 'network'
  params: {
    name: name
    location: location
    tags: tags
    existingIntegrationSubnet: ownSubnets[0]
    existingEndpointSubnet: ownSubnets[1]
    addressRange: addressRange
  }
}

module endpoints 'modules/endpoints.bicep' = if (isPrivate) {
  name: 'endpoints'
  params: {
    name: name
    location: location
    tags: tags
    subnetId: ownNetwork!.outputs.endpointSubnet
    networkId: ownNetwork!.outputs.networkId
    dnsZones: dnsZones
    zonesGroup: zonesGroup
    targets: concat(
      map(['blob', 'queue', 'table'], part => { name: 'host-${part}', id: hostStorage.outputs.id, part: part }),
      empty(existingEvidenceStorage) ? [{ name: 'evidence', id: evidenceStorage.outputs.id, part: 'blob' }] : [],
      empty(existingTopic) ? [{ name: 'events', id: topic.outputs.id, part: 'topic' }] : [],
      empty(existingKeyVault) ? [{ name: 'keys', id: secrets.outputs.id, part: 'vault' }] : []
    )
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  // Its first start looks for the task hub and its keys, by names that lead to the endpoints.
  dependsOn: [endpoints]
  params: {
    name: 'func-${token}'
    location: location
    tags: tags
    identityId: identity.id
    packageContainer: '${hostStorage.outputs.blobEndpoint}${packages}'
    authClientId: authClientId
    maximumInstances: maximumInstances
    zoneRedundant: zoneRedundant
    integrationSubnet: isPrivate ? ownNetwork!.outputs.integrationSubnet : ''
    access: !isPrivateApp ? 'open' : subscribeToFailures ? 'eventGrid' : 'closed'
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
      EVENTGRID_TOPIC_ENDPOINT: topic.outputs.endpoint
      EVIDENCE_STORE: '${evidenceStorage.outputs.blobEndpoint}${evidence}'
      ALLOWED_SCOPES: allowedScopes
      APP_URL: appUrl
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

module appEndpoint 'modules/endpoints.bicep' = if (isPrivateApp) {
  name: 'app-endpoint'
  params: {
    name: name
    location: location
    tags: tags
    subnetId: ownNetwork!.outputs.endpointSubnet
    networkId: ownNetwork!.outputs.networkId
    dnsZones: dnsZones
    zonesGroup: zonesGroup
    targets: [{ name: 'app', id: app.outputs.id, part: 'sites' }]
  }
}

module events 'modules/events.bicep' = if (subscribeToFailures) {
  name: 'events'
  scope: resourceGroup(placeOf(systemTopicId, here)[0], placeOf(systemTopicId, here)[1])
  params: {
    topicName: empty(existingSystemTopic) ? 'evgst-${token}' : nameOf(systemTopicId)
    adopt: !empty(existingSystemTopic)
    tags: tags
    source: subscription().id
    appId: app.outputs.id
  }
}

@description('Where other subscriptions send what failed in them.')
output APP_ID string = app.outputs.id
output APP_NAME string = app.outputs.name
output APP_URL string = app.outputs.url
output AZURE_CLIENT_ID string = identity.properties.clientId
@description('Who gets the rights on vaults, clusters and targets.')
output IDENTITY_PRINCIPAL_ID string = identity.properties.principalId
@description('Where packages are kept for a way back.')
output RELEASES_ACCOUNT string = newHostStorage.outputs.name
