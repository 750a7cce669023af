param name string
param location string
@description('Resource id of the workspace that is asked.')
param workspaceId string
@description('Resource id of the Application Insights component whose lines count: others may write to the same workspace.')
param componentId string
@description('E-mail addresses, separated by commas.')
param emails string
@secure()
param webhook string
@description('Resource id; empty: one is made where there is an address or a webhook.')
param existingActionGroup string
@description('Without a look of the timer for so long it counts as silent.')
param timerSilentAfter string

var addresses = filter(split(replace(emails, ' ', ''), ','), each => !empty(each))
var hasWebhook = !empty(webhook)
var makesGroup = empty(existingActionGroup) && (!empty(addresses) || hasWebhook)
var eachEvent = ['id', 'subject']

var rules = [
  {
    name: 'failed-runs'
    title: 'A run failed'
    about: 'Read its report: docs/operating.md, A drill failed, A failover failed, A run was lost.'
    severity: 1
    query: loadTextContent('../queries/failed-runs.kql')
    dimensions: eachEvent
    measure: ''
    threshold: 0
  }
  {
    name: 'waiting-runs'
    title: 'A run waits for a person'
    about: 'It waits for an approval, a decision or a resume: docs/operating.md, A run waits.'
    severity: 2
    query: loadTextContent('../queries/waiting-runs.kql')
    dimensions: eachEvent
    measure: ''
    threshold: 0
  }
  {
    name: 'late-obligations'
    title: 'Something that is owed is late'
    about: 'Or was found owed, or a VM runs twice: docs/operating.md, Something is owed.'
    severity: 2
    query: loadTextContent('../queries/late-obligations.kql')
    dimensions: eachEvent
    measure: ''
    threshold: 0
  }
  {
    name: 'undone-duties'
    title: 'Something was not done by itself'
    about: 'The timer could not do a duty, a drill is overdue, or a node needs a person: docs/events.md.'
    severity: 2
    query: loadTextContent('../queries/undone-duties.kql')
    dimensions: eachEvent
    measure: ''
    threshold: 0
  }
  {
    name: 'evidence-not-written'
    title: 'Evidence is not written, not signed or altered'
    about: 'See evidenceStore of GET /api/health, and docs/operating.md, Check evidence.'
    severity: 1
    query: loadTextContent('../queries/evidence-not-written.kql')
    dimensions: eachEvent
    measure: ''
    threshold: 0
  }
  {
    name: 'app-failing'
    title: 'The app fails'
    about: 'It answered 5xx, its engine was away, or its settings are wrong: docs/operating.md, The app does not answer.'
    severity: 1
    query: loadTextContent('../queries/app-failing.kql')
    dimensions: []
    measure: 'times'
    threshold: 4
  }
  {
    name: 'arm-throttled'
    title: 'Azure throttles the app'
    about: 'Something else may use its identity: docs/operating.md, Requests and throttling.'
    severity: 3
    query: loadTextContent('../queries/arm-throttled.kql')
    dimensions: []
    measure: 'times'
    threshold: 20
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (makesGroup) {
  name: 'ag-${name}'
  location: 'global'
  properties: {
    groupShortName: 'HciRecovery'
    enabled: true
    emailReceivers: map(addresses, each => { name: each, emailAddress: each, useCommonAlertSchema: true })
    webhookReceivers: hasWebhook
      ? [{ name: 'webhook', serviceUri: webhook, useCommonAlertSchema: true }]
      : []
  }
}

var actions = {
  actionGroups: !empty(existingActionGroup) ? [existingActionGroup] : makesGroup ? [group.id] : []
}

resource rule 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for each in rules: {
    name: '${name}-${each.name}'
    location: location
    kind: 'LogAlert'
    properties: {
      displayName: each.title
      description: each.about
      severity: each.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      // An event whose sending is tried again is logged each time: the first line of two days counts.
      overrideQueryTimeRange: empty(each.dimensions) ? null : 'P2D'
      criteria: {
        allOf: [
          {
            query: replace(each.query, '{component}', componentId)
            timeAggregation: empty(each.measure) ? 'Count' : 'Total'
            metricMeasureColumn: empty(each.measure) ? null : each.measure
            dimensions: map(each.dimensions, column => { name: column, operator: 'Include', values: ['*'] })
            operator: 'GreaterThan'
            threshold: each.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      // The tables of a workspace are made by the first line that is written.
      skipQueryValidation: true
      actions: actions
    }
  }
]

resource silence 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-timer-silent'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'The timer is silent'
    description: 'No look came to its end: nothing is healed, cleaned up or reminded of. docs/operating.md, The app does not answer.'
    severity: 1
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: timerSilentAfter
    criteria: {
      allOf: [
        {
          query: replace(loadTextContent('../queries/timer-silent.kql'), '{component}', componentId)
          timeAggregation: 'Total'
          metricMeasureColumn: 'looks'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: actions
  }
}
