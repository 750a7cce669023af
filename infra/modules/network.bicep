param name string
param location string
param tags object
@description('Resource id of a subnet delegated to Microsoft.App/environments; empty: a network is made.')
param existingIntegrationSubnet string
@description('Resource id of a subnet for private endpoints; empty: a network is made.')
param existingEndpointSubnet string
@description('Address range of the network that is made, /24 or larger.')
param addressRange string

var makesNetwork = empty(existingIntegrationSubnet)

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = if (makesNetwork) {
  name: 'vnet-${name}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressRange] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressRange, 26, 0)
          networkSecurityGroup: { id: closed.id }
          delegations: [{ name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressRange, 26, 1)
          networkSecurityGroup: { id: closed.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

@description('Lets in nothing from outside the network, which is what there is by default: a place for rules of your own.')
resource closed 'Microsoft.Network/networkSecurityGroups@2024-05-01' = if (makesNetwork) {
  name: 'nsg-${name}'
  location: location
  tags: tags
  properties: { securityRules: [] }
}

output integrationSubnet string = makesNetwork ? '${network.id}/subnets/app' : existingIntegrationSubnet
output endpointSubnet string = makesNetwork ? '${network.id}/subnets/endpoints' : existingEndpointSubnet
output networkId string = makesNetwork ? network.id : split(existingEndpointSubnet, '/subnets/')[0]
