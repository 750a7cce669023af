@description('Name of an Event Grid topic that is there and takes CloudEvents.')
param name string
@description('Object id of the managed identity that publishes.')
param principalId string

var dataSender = 'd5a91429-5739-47e2-a06b-3470a27159e7'

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: name
}

resource grant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: topic
  name: guid(topic.id, principalId, dataSender)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataSender)
  }
}

output id string = topic.id
output endpoint string = topic.properties.endpoint
