targetScope = 'subscription'
metadata description = 'The rights of the app on vaults, clusters and targets: five custom roles, and who has them where.'

@description('Object id of the identity that the app works with; empty: the roles are made, and assigned to nobody.')
param principalId string = ''
@description('What the app works on: for each site the resource groups of its parts.')
param sites site[] = []
@description('Roles on further resource groups.')
param assignments assignment[] = []
@description('Where else than in this subscription and those of the sites the roles can be assigned: subscriptions and resource groups.')
param assignableScopes string[] = []

@description('The groups of one site. What the app is not to do there is left out of `may`.')
type site = {
  name: string
  @description('Id of the subscription; left out: the one that this is deployed to.')
  subscription: string?
  @description('Resource group of the Recovery Services vault.')
  vault: string
  @description('Resource groups into which VMs fail over, and where their disks and network cards are.')
  targets: string[]
  @description('Resource groups of the cluster and of its Arc machines.')
  clusters: string[]
  @description('Resource groups of the networks that VMs fail over into.')
  networks: string[]
  @description('Resource groups of the machines, Automation accounts and key vaults of hooks.')
  hooks: string[]?
  @description('left out: all four.')
  may: ('drill' | 'failover' | 'prepare' | 'heal')[]?
}

type assignment = {
  role: 'reader' | 'drill' | 'failover' | 'prepare' | 'heal'
  resourceGroup: string
  @description('Id of the subscription; left out: the one that this is deployed to.')
  subscription: string?
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

func keyOf(subscription string, group string, role string, place string) string =>
  !empty(group) && !contains(group, '/') && length(subscription) == 36
    ? toLower('${subscription}|${group}|${role}')
    : fail('${place}: a resource group is given by its name, and a subscription by its id: ${subscription}, ${group}')

@description('Each role on each group that needs it, once, as subscription|group|role.')
var home = subscription().subscriptionId
var groupsByRole = map(sites, each => {
  drill: concat([each.vault], each.targets, each.?hooks ?? [])
  failover: concat([each.vault], each.targets, each.clusters, each.?hooks ?? [])
  prepare: concat([each.vault], each.targets, each.clusters, each.networks)
  heal: each.clusters
})
var ofSites = flatten(map(sites, (each, index) => flatten(map(
  each.?may ?? ['drill', 'failover', 'prepare', 'heal'],
  role => map(groupsByRole[index][role], group => keyOf(each.?subscription ?? home, group, role, 'site ${each.name}'))
))))
var ofAssignments = map(
  assignments,
  each => keyOf(each.?subscription ?? home, each.resourceGroup, each.role, 'assignments')
)
var wanted = map(union(ofSites, ofAssignments), each => split(each, '|'))
var otherSubscriptions = filter(union(map(wanted, each => each[0]), []), each => each != toLower(home))
var scopes = union([subscription().id], map(otherSubscriptions, each => '/subscriptions/${each}'), assignableScopes)

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for name in names: {
    name: guid(subscription().id, 'hci-site-recovery', name)
    properties: {
      roleName: content[name].name
      description: content[name].description
      type: 'CustomRole'
      assignableScopes: scopes
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

module readsElsewhere 'modules/subscription-role-assignment.bicep' = [
  for each in otherSubscriptions: if (!empty(principalId)) {
    name: 'reader-${each}'
    scope: subscription(each)
    params: { principalId: principalId, roleDefinitionId: definition[0].id }
  }
]

module grants 'modules/role-assignment.bicep' = [
  for (each, index) in wanted: if (!empty(principalId)) {
    name: 'role-${each[2]}-${uniqueString(each[0], each[1])}'
    scope: resourceGroup(each[0], each[1])
    params: {
      principalId: principalId
      roleDefinitionId: definition[indexOf(names, each[2])].id
      condition: each[2] == 'prepare' ? condition : ''
    }
  }
]

@description('Id of each role, to assign it elsewhere: on a container, a topic, a key vault.')
output roleIds object = toObject(names, name => name, name => guid(subscription().id, 'hci-site-recovery', name))
@description('What an assignment of prepare has to say as its condition.')
output prepareCondition string = condition
