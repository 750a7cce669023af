param name string
param location string
@description('Object id of the managed identity that sends telemetry.')
param principalId string
@description('Resource id of a workspace that is there already; empty: one is made.')
param existingWorkspace string
param alertEmails string
@secure()
param alertWebhook string
param existingActionGroup string
param timerSilentAfter string

var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var adopted = empty(existingWorkspace) ? '//////x' : existingWorkspace

resource made 'Microsoft.OperationalInsights/workspaces@2023-09-01' = if (empty(existingWorkspace)) {
  name: 'log-${name}'
  location: location
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 90
    features: { disableLocalAuth: true }
  }
}

resource found 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = if (!empty(existingWorkspace)) {
  name: last(split(adopted, '/'))
  scope: resourceGroup(split(adopted, '/')[2], split(adopted, '/')[4])
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${name}'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    WorkspaceResourceId: empty(existingWorkspace) ? made.id : existingWorkspace
  }
}

resource grant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: component
  name: guid(component.id, principalId, metricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    name: name
    // A rule stands in the region of what it asks.
    location: empty(existingWorkspace) ? location : found!.location
    workspaceId: empty(existingWorkspace) ? made.id : existingWorkspace
    componentId: component.id
    emails: alertEmails
    webhook: alertWebhook
    existingActionGroup: existingActionGroup
    timerSilentAfter: timerSilentAfter
  }
}

module workbook 'workbook.bicep' = {
  name: 'workbook'
  params: {
    location: location
    workspaceId: empty(existingWorkspace) ? made.id : existingWorkspace
    componentId: component.id
  }
}

output connectionString string = component.properties.ConnectionString
output workspaceId string = empty(existingWorkspace) ? made.id : existingWorkspace
