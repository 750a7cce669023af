@description('Name of a storage account that is there.')
param name string
@description('Blob containers to make.')
param containers string[]
@description('Object id of the managed identity that reads and writes here.')
param principalId string
@description('Ids of the built-in roles that the identity gets on the account.')
param roleIds string[]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: name

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for each in containers: {
    parent: account::blobs
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

output id string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
