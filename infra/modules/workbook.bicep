param location string
@description('Resource id of the workspace that is asked.')
param workspaceId string
@description('Resource id of the Application Insights component whose lines are shown.')
param componentId string

var title = 'HCI Site Recovery'
var sections = [
  { name: 'waits', title: 'Runs that wait for a person', query: loadTextContent('../queries/workbook-waits.kql') }
  { name: 'runs', title: 'Runs and VMs, by how they ended', query: loadTextContent('../queries/workbook-runs.kql') }
  { name: 'operations', title: 'Each run, as it last stood', query: loadTextContent('../queries/workbook-operations.kql') }
  { name: 'obligations', title: 'What is owed: late, found, settled by a person', query: loadTextContent('../queries/workbook-obligations.kql') }
  { name: 'nodes', title: 'Nodes, by their last turning point', query: loadTextContent('../queries/workbook-nodes.kql') }
  { name: 'timer', title: 'Looks of the timer, what they could not do, and how much is owed', query: loadTextContent('../queries/workbook-timer.kql') }
  { name: 'throttling', title: 'Answers of 429', query: loadTextContent('../queries/workbook-throttling.kql') }
]

var range = {
  type: 9
  name: 'range'
  content: {
    version: 'KqlParameterItem/1.0'
    parameters: [
      {
        version: 'KqlParameterItem/1.0'
        name: 'span'
        label: 'Span'
        type: 4
        isRequired: true
        value: { durationMs: 604800000 }
        typeSettings: {
          selectableValues: [{ durationMs: 86400000 }, { durationMs: 604800000 }, { durationMs: 2592000000 }]
        }
      }
    ]
  }
}

var queries = map(sections, each => {
  type: 3
  name: each.name
  content: {
    version: 'KqlItem/1.0'
    title: each.title
    query: replace(each.query, '{component}', componentId)
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    crossComponentResources: [workspaceId]
    timeContextFromParameter: 'span'
  }
})

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(componentId, title)
  location: location
  kind: 'shared'
  properties: {
    displayName: title
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string({ version: 'Notebook/1.0', items: concat([range], queries), isLocked: true })
  }
}
