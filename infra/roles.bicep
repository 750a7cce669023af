targetScope = 'subscription'

@description('Object id of the identity that the app works with; empty: the roles are made, and assigned to nobody.')
param principalId string = ''
@description('Where the roles can be assigned: subscriptions and resource groups.')
param assignableScopes string[] = [subscription().id]
@description('Which role the identity gets on which resource group. It gets reader on the subscription besides.')
param assignments assignment[] = []

type assignment = {
  role: 'reader' | 'drill' | 'failover' | 'prepare' | 'heal'
  resourceGroup: string
}

var content = {
  reader: loadJsonContent('roles/reader.json')
  drill: loadJsonContent('roles/drill.json')
  failover: loadJsonContent('roles/failover.json')
  prepare: loadJsonContent('roles/prepare.json')
  heal: loadJsonContent('roles/heal.json')
}
var names = ['reader', 'drill', 'failover', 'prepare', 'heal']

@description('What prepare may assign: Site Recovery Contributor, Contributor, Storage Blob Data Contributor.')
var grantable = [
  '6670b86e-a3f7-4917-ac9b-5d6ab1be4567'
  'b24988ac-6180-42a0-ab88-20f7382dd24c'
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
]
var onlyThese = '@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(grantable, ', ')}}'
var onlyServices = '@Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}'
var condition = '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (${onlyThese} AND ${onlyServices}))'

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for name in names: {
    name: guid(subscription().id, 'hci-site-recovery', name)
    properties: {
      roleName: content[name].name
      description: content[name].description
      type: 'CustomRole'
      assignableScopes: assignableScopes
      permissions: [
        {
          actions: concat(content[name].actions, content[name].linkedActions)
          notActions: []
          dataActions: content[name].dataActions
          notDataActions: []
        }
      ]
    }
  }
]

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(principalId)) {
  name: guid(subscription().id, principalId, 'reader')
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: definition[0].id
  }
}

module grants 'modules/role-assignment.bicep' = [
  for (each, index) in assignments: if (!empty(principalId)) {
    name: 'role-${each.role}-${index}'
    scope: resourceGroup(each.resourceGroup)
    params: {
      principalId: principalId
      roleDefinitionId: definition[indexOf(names, each.role)].id
      condition: each.role == 'prepare' ? condition : ''
    }
  }
]

@description('Id of each role, to assign it elsewhere: on a container, a topic, a key vault, another subscription.')
output roleIds object = toObject(names, name => name, name => guid(subscription().id, 'hci-site-recovery', name))
@description('What an assignment of prepare has to say as its condition.')
output prepareCondition string = condition
