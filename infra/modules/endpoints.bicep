param name string
param location string
param tags object
param subnetId string
@description('Resource id of the network whose names the zones serve.')
param networkId string
@description('make: zones in this group; existing: those in zonesGroup; policy: none of ours.')
param dnsZones string
@description('Resource id of the resource group that has the zones.')
param zonesGroup string
param targets target[]

@export()
type target = {
  @description('Part of the endpoint\'s name.')
  name: string
  @description('Resource id.')
  id: string
  part: 'blob' | 'queue' | 'table' | 'vault' | 'topic' | 'sites'
}

var zoneOf = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  vault: 'privatelink.vaultcore.azure.net'
  topic: 'privatelink.eventgrid.azure.net'
  sites: 'privatelink.azurewebsites.net'
}
var needed = union(map(targets, each => zoneOf[each.part]), [])
var group = dnsZones == 'existing' ? zonesGroup : resourceGroup().id

module zones 'zones.bicep' = if (dnsZones == 'make') {
  name: 'zones'
  params: { networkId: networkId, zones: needed, tags: tags }
}

module endpoint 'endpoint.bicep' = [
  for each in targets: {
    name: 'endpoint-${each.name}'
    dependsOn: [zones]
    params: {
      name: 'pe-${name}-${each.name}'
      location: location
      tags: tags
      subnetId: subnetId
      targetId: each.id
      part: each.part
      zoneId: dnsZones == 'policy' ? '' : '${group}/providers/Microsoft.Network/privateDnsZones/${zoneOf[each.part]}'
    }
  }
]
