# hci-site-recovery: read-node v1
# Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last 4,096 bytes, so the VMs
# come packed and in pages.
param([string] $Endpoints = '', [string] $From = '0')
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$MostMachines = 60
$LongestPage = 3000
$PatienceInMilliseconds = 10000

function Read-Registration {
    $path = 'HKLM:\SOFTWARE\Microsoft\Azure Site Recovery\Registration'
    if (-not (Test-Path -LiteralPath $path)) { return $null }
    $key = Get-Item -LiteralPath $path
    $values = [ordered]@{}
    foreach ($name in 'ResourceName', 'SiteName', 'SRSUri') {
        if ($key.GetValueNames() -contains $name) { $values[$name] = "$($key.GetValue($name))" }
    }
    return $values
}

function Read-OsVersion {
    $current = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    return "10.0.$($current.CurrentBuildNumber).$($current.UBR)"
}

function Read-ApplicationControl {
    $guard = Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName 'Win32_DeviceGuard'
    return @('Off', 'Audit', 'Enforced')[[int] $guard.CodeIntegrityPolicyEnforcementStatus]
}

function Test-Endpoint([string] $Url) {
    # Any answer will do, also a refusal: it came through the firewall and the proxy that Windows uses.
    $request = [System.Net.WebRequest]::CreateHttp($Url)
    $request.Method = 'HEAD'
    $request.Timeout = $PatienceInMilliseconds
    try {
        $request.GetResponse().Close()
        return $true
    }
    catch [System.Net.WebException] {
        return $null -ne $_.Exception.Response
    }
}

function Read-Endpoints($Registration) {
    $urls = @($Endpoints.Split(',') | Where-Object { $_ })
    if ($Registration -and $Registration['SRSUri']) { $urls += $Registration['SRSUri'] }
    $reached = [ordered]@{}
    foreach ($url in $urls) { $reached[$url] = Test-Endpoint $url }
    return $reached
}

function Read-GuestNames {
    $names = @{}
    foreach ($part in Get-CimInstance -Namespace 'root\virtualization\v2' -ClassName 'Msvm_KvpExchangeComponent') {
        foreach ($item in @($part.GuestIntrinsicExchangeItems)) {
            if (-not $item) { continue }
            $pair = @{}
            foreach ($property in ([xml] $item).INSTANCE.PROPERTY) {
                $value = $property.SelectSingleNode('VALUE')
                if ($value) { $pair[$property.GetAttribute('NAME')] = $value.InnerText }
            }
            if ($pair['Name'] -eq 'OSName') { $names[$part.SystemName] = $pair['Data'] }
        }
    }
    return $names
}

function Read-Disk($Drive) {
    if ($null -ne $Drive.DiskNumber) {
        $size = (Get-Disk -Number $Drive.DiskNumber).Size
        return , @([Math]::Round($size / 1gb, 1), 'Physical')
    }
    $size = (Get-VHD -Path $Drive.Path).Size
    $kind = if ($Drive.SupportPersistentReservations) { 'Shared' } else { "$((Get-VHD -Path $Drive.Path).VhdFormat)" }
    return , @([Math]::Round($size / 1gb, 1), $kind)
}

function Read-Machine($Vm, $GuestNames) {
    # The system's disk is the first one: Hyper-V lists controllers and locations in order.
    $drives = @(Get-VMHardDiskDrive -VM $Vm | Sort-Object -Property 'ControllerType', 'ControllerNumber', 'ControllerLocation')
    return [ordered]@{
        n = $Vm.Name
        i = "$($Vm.Id)"
        g = $Vm.Generation
        o = $GuestNames["$($Vm.Id)".ToUpperInvariant()]
        h = [bool] $Vm.IsClustered
        c = $Vm.ProcessorCount
        m = [int] ($Vm.MemoryStartup / 1mb)
        f = @(Get-VMFibreChannelHba -VM $Vm).Count -gt 0
        d = @($drives | ForEach-Object { Read-Disk $_ })
    }
}

function Get-Packed($Machines) {
    $json = if ($Machines.Count) { ConvertTo-Json -InputObject @($Machines) -Compress -Depth 4 } else { '[]' }
    $bytes = [System.Text.Encoding]::UTF8.GetBytes($json)
    $memory = New-Object System.IO.MemoryStream
    $gzip = New-Object System.IO.Compression.GZipStream($memory, [System.IO.Compression.CompressionMode]::Compress)
    $gzip.Write($bytes, 0, $bytes.Length)
    $gzip.Close()
    return [Convert]::ToBase64String($memory.ToArray())
}

$registration = Read-Registration
$hyperV = $null -ne (Get-Service -Name 'vmms' -ErrorAction SilentlyContinue)
$first = [int] $From
$all = @(if ($hyperV) { Get-VM | Sort-Object Name })
$page = @()
if ($first -lt $all.Count) {
    $guestNames = Read-GuestNames
    $last = [Math]::Min($first + $MostMachines, $all.Count) - 1
    $page = @($all[$first..$last] | ForEach-Object { Read-Machine $_ $guestNames })
}
$packed = Get-Packed $page
while ($packed.Length -gt $LongestPage -and $page.Count -gt 1) {
    $page = @($page[0..([Math]::Floor($page.Count / 2) - 1)])
    $packed = Get-Packed $page
}
$following = $first + $page.Count

[ordered]@{
    hyperV             = $hyperV
    osVersion          = Read-OsVersion
    applicationControl = Read-ApplicationControl
    registration       = $registration
    endpoints          = if ($first -eq 0) { Read-Endpoints $registration } else { @{} }
    machines           = $packed
    next               = if ($following -lt $all.Count) { $following } else { $null }
} | ConvertTo-Json -Compress -Depth 3
