# hci-site-recovery: sync-cluster v1
# Tells Azure of the cluster's state now; its resource provider may then put back extensions that nodes lack.
# Changes nothing on a node that was started less than MinimumUptime seconds ago: Sync right after a reboot is harmful.
# The last line of the output is one JSON object.
param(
    [int] $MinimumUptime = 0
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (-not (Get-Command -Name 'Sync-AzureStackHCI' -ErrorAction SilentlyContinue)) {
    throw 'Sync-AzureStackHCI is not here: this machine is not a node of an Azure Stack HCI cluster.'
}

$system = Get-CimInstance -ClassName 'Win32_OperatingSystem'
$booted = $system.LastBootUpTime.ToUniversalTime()
$rested = ((Get-Date).ToUniversalTime() - $booted).TotalSeconds -ge $MinimumUptime

$before = Get-AzureStackHCI
if ("$($before.RegistrationStatus)" -ne 'Registered') {
    throw "The cluster is not registered with Azure: RegistrationStatus is $($before.RegistrationStatus)."
}

if ($rested) { Sync-AzureStackHCI | Out-Null }

$after = Get-AzureStackHCI
[ordered]@{
    synchronised       = $rested
    lastBoot           = $booted.ToString('yyyy-MM-ddTHH:mm:ssZ')
    registrationStatus = "$($after.RegistrationStatus)"
    connectionStatus   = "$($after.ConnectionStatus)"
} | ConvertTo-Json -Compress
