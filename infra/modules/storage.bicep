@description('Name of the account: 3 to 24 lower-case letters and digits, unique in Azure.')
param name string
param location string
@description('Blob containers to make.')
param containers string[]
@description('Object id of the managed identity that reads and writes here.')
param principalId string
@description('Ids of the built-in roles that the identity gets on the account.')
param roleIds string[]
@description('Days for which a blob can neither be changed nor deleted once written; 0: no policy. A policy needs versions, and so keeps them.')
@minValue(0)
@maxValue(36500)
param immutableDays int = 0

var immutable = immutableDays > 0

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    immutableStorageWithVersioning: immutable
      ? {
          enabled: true
          immutabilityPolicy: {
            allowProtectedAppendWrites: false
            immutabilityPeriodSinceCreationInDays: max(immutableDays, 1)
            state: 'Unlocked'
          }
        }
      : null
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: immutable
    deleteRetentionPolicy: { enabled: true, days: 30 }
    containerDeleteRetentionPolicy: { enabled: true, days: 30 }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for each in containers: {
    parent: blobs
    name: each
    properties: { publicAccess: 'None' }
  }
]

resource grant 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for roleId in roleIds: {
    scope: account
    name: guid(account.id, principalId, roleId)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    }
  }
]

output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
