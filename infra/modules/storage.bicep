@description('Name of a storage account that is there.')
param name string
@description('Blob containers to make.')
param containers string[]
@description('Object id of the managed identity that reads and writes here.')
param principalId string
@description('Ids of the built-in roles that the identity gets on the account.')
param roleIds string[]
@description('Object id of who deploys, and may write packages; empty: nobody.')
param deployerId string = ''
@allowed(['User', 'Group', 'ServicePrincipal'])
param deployerType string = 'User'

var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var holders = concat(
  map(roleIds, id => { role: id, principal: principalId, type: 'ServicePrincipal' }),
  empty(deployerId) ? [] : [{ role: blobContributor, principal: deployerId, type: deployerType }]
)

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
  for each in holders: {
    scope: account
    name: guid(account.id, each.principal, each.role)
    properties: {
      principalId: each.principal
      principalType: each.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', each.role)
    }
  }
]

output id string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
