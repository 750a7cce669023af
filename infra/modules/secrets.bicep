param name string
param location string
param tags object
@description('Object id of the identity that reads the secrets.')
param principalId string
@secure()
@description('Made anew at each deployment, and only kept where there is none yet.')
param newKey string = base64('${newGuid()}${newGuid()}')

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var cryptoUser = '12338af0-0e69-4776-bea7-57ae8d297424'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 90
  }

  // A new key would have the app disbelieve what it has sent itself: it is made once.
  @onlyIfNotExists()
  resource macKey 'secrets' = {
    name: 'mac-key'
    properties: { value: newKey }
  }

  // Signs the heads of evidence; a key that is there keeps its version, and with it the packs that it has signed.
  @onlyIfNotExists()
  resource evidenceKey 'keys' = {
    name: 'evidence'
    properties: { kty: 'EC', curveName: 'P-256', keyOps: [ 'sign', 'verify' ] }
  }
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, secretsUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource maySign 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault::evidenceKey
  name: guid(vault.id, principalId, cryptoUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cryptoUser)
  }
}

output evidenceKeyUrl string = vault::evidenceKey.properties.keyUri
output macKeyReference string = '@Microsoft.KeyVault(VaultName=${vault.name};SecretName=${vault::macKey.name})'
