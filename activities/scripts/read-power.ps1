# hci-site-recovery: read-power v1
# Says which of the named virtual machines are on this node, and whether they run. Looks and changes nothing.
# The last line of the output is one JSON object: Azure keeps the last 4,096 bytes.
param(
    [string] $Names = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$wanted = $Names -split '/'
$machines = [ordered]@{}
foreach ($vm in @(Get-VM)) {
    if ($wanted -contains $vm.Name) { $machines[$vm.Name] = [string] $vm.State }
}
@{ machines = $machines } | ConvertTo-Json -Compress
