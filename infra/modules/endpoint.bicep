param name string
param location string
param tags object
param subnetId string
@description('Resource id of what is reached through it.')
param targetId string
@description('Part of the target: blob, queue, table, vault, topic or sites.')
param part string
@description('Resource id of the private DNS zone; empty: a policy of yours registers the name.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: part, properties: { privateLinkServiceId: targetId, groupIds: [part] } }
    ]
  }

  resource names 'privateDnsZoneGroups' = if (!empty(zoneId)) {
    name: 'default'
    properties: { privateDnsZoneConfigs: [{ name: part, properties: { privateDnsZoneId: zoneId } }] }
  }
}
