@description('Name of the storage account of the host.')
param account string
@description('Object id of who deploys, and keeps packages here; empty: nobody.')
param deployerId string
@allowed(['User', 'Group', 'ServicePrincipal'])
param deployerType string

var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource host 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: account

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: host::blobs
  name: 'releases'
  properties: { publicAccess: 'None' }
}

resource grant 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerId)) {
  scope: container
  name: guid(container.id, deployerId, blobContributor)
  properties: {
    principalId: deployerId
    principalType: deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}
