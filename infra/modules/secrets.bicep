@description('Name of a key vault with role-based access that is there.')
param name string
@description('Object id of the identity that reads the secret and signs with the key.')
param principalId string
@secure()
@description('Made anew at each deployment, and only kept where there is none yet.')
param newKey string = base64('${newGuid()}${newGuid()}')

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var cryptoUser = '12338af0-0e69-4776-bea7-57ae8d297424'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: name

  // A new key would have the app disbelieve what it has sent itself: it is made once.
  @onlyIfNotExists()
  resource macKey 'secrets' = {
    name: 'mac-key'
    properties: { value: newKey, contentType: 'base64, 72 bytes' }
  }

  // Signs the heads of evidence; a key that is there keeps its version, and with it the packs that it has signed.
  @onlyIfNotExists()
  resource evidenceKey 'keys' = {
    name: 'evidence'
    properties: { kty: 'EC', curveName: 'P-256', keyOps: ['sign', 'verify'] }
  }
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault::macKey
  name: guid(vault::macKey.id, principalId, secretsUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource maySign 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault::evidenceKey
  name: guid(vault::evidenceKey.id, principalId, cryptoUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cryptoUser)
  }
}

output id string = vault.id
output evidenceKeyUrl string = vault::evidenceKey.properties.keyUri
output macKeyReference string = '@Microsoft.KeyVault(VaultName=${vault.name};SecretName=${vault::macKey.name})'
