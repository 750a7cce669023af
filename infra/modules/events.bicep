@description('Name of the system topic. Azure allows one for each subscription: name the one that is there, and set adopt.')
param topicName string
@description('Whether the system topic is there already, in this resource group.')
param adopt bool
param tags object
@description('Resource id of the subscription whose failures are told; an adopted topic has its own.')
param source string
@description('Resource id of the function app.')
param appId string

var delivery = {
  destination: {
    endpointType: 'AzureFunction'
    properties: { resourceId: '${appId}/functions/on_azure_event', maxEventsPerBatch: 1 }
  }
  eventDeliverySchema: 'EventGridSchema'
  filter: {
    includedEventTypes: [
      'Microsoft.Resources.ResourceWriteFailure'
      'Microsoft.Resources.ResourceDeleteFailure'
      'Microsoft.Resources.ResourceActionFailure'
    ]
    advancedFilters: [
      {
        operatorType: 'StringContains'
        key: 'subject'
        values: ['/Microsoft.HybridCompute/machines/', '/Microsoft.AzureStackHCI/clusters/']
      }
    ]
  }
  retryPolicy: { eventTimeToLiveInMinutes: 1440, maxDeliveryAttempts: 30 }
}

resource made 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (!adopt) {
  name: topicName
  location: 'global'
  tags: tags
  properties: { source: source, topicType: 'Microsoft.Resources.Subscriptions' }
}

resource found 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (adopt) {
  name: topicName
}

resource madeSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (!adopt) {
  parent: made
  name: 'hci-site-recovery'
  properties: delivery
}

resource foundSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (adopt) {
  parent: found
  name: 'hci-site-recovery'
  properties: delivery
}
