@description('Resource id of the network whose names they serve.')
param networkId string
@description('Names of the zones.')
param zones string[]
param tags object

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for each in zones: {
    name: each
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (each, index) in zones: {
    parent: zone[index]
    name: uniqueString(networkId)
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]
