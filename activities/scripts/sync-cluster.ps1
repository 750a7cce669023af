# hci-site-recovery: sync-cluster v1
# Tells Azure of the cluster's state now; its resource provider may then put back extensions that nodes lack.
# The last line of the output is one JSON object. Not to be run right after a reboot: the caller sees to that.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (-not (Get-Command -Name 'Sync-AzureStackHCI' -ErrorAction SilentlyContinue)) {
    throw 'Sync-AzureStackHCI is not here: this machine is not a node of an Azure Stack HCI cluster.'
}

$before = Get-AzureStackHCI
if ("$($before.RegistrationStatus)" -ne 'Registered') {
    throw "The cluster is not registered with Azure: RegistrationStatus is $($before.RegistrationStatus)."
}

Sync-AzureStackHCI | Out-Null

$after = Get-AzureStackHCI
[ordered]@{
    synchronised       = $true
    registrationStatus = "$($after.RegistrationStatus)"
    connectionStatus   = "$($after.ConnectionStatus)"
} | ConvertTo-Json -Compress
