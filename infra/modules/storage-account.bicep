@description('Name of the account: 3 to 24 lower-case letters and digits, unique in Azure.')
param name string
param location string
@allowed(['Standard_ZRS', 'Standard_GZRS'])
param redundancy string = 'Standard_ZRS'
@description('Days for which a blob can neither be changed nor deleted once written; 0: no policy. A policy needs versions, and so keeps them.')
@minValue(0)
@maxValue(36500)
param immutableDays int = 0
@description('Whether it is reached through private endpoints alone.')
param isPrivate bool

var immutable = immutableDays > 0

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: isPrivate ? 'Deny' : 'Allow', bypass: 'AzureServices' }
    immutableStorageWithVersioning: immutable
      ? {
          enabled: true
          immutabilityPolicy: {
            allowProtectedAppendWrites: false
            immutabilityPeriodSinceCreationInDays: max(immutableDays, 1)
            state: 'Unlocked'
          }
        }
      : null
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      isVersioningEnabled: immutable
      deleteRetentionPolicy: { enabled: true, days: 30 }
      containerDeleteRetentionPolicy: { enabled: true, days: 30 }
    }
  }
}

output name string = account.name
