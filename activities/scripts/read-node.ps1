# hci-site-recovery: read-node v1
# Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last 4,096 bytes, so the VMs
# come packed and in pages. What cannot be read of one VM is said of that VM, and hides no other.
param([string] $Endpoints = '', [string] $From = '0')
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$MostMachines = 60
$LongestPage = 3000
$LongestLine = 4000
$LongestReason = 120
$MostReasons = 3
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
    try {
        $request = [System.Net.WebRequest]::CreateHttp($Url)
        $request.Method = 'HEAD'
        $request.Timeout = $PatienceInMilliseconds
        $request.GetResponse().Close()
        return $true
    }
    catch [System.Net.WebException] {
        return $null -ne $_.Exception.Response
    }
    catch {
        return $false # no URL: the registry may say anything
    }
}

function Read-Endpoints($Registration) {
    $urls = @($Endpoints.Split(',') | Where-Object { $_ })
    if ($Registration -and $Registration['SRSUri']) { $urls += $Registration['SRSUri'] }
    $reached = [ordered]@{}
    foreach ($url in $urls) { $reached[$url] = Test-Endpoint $url }
    return $reached
}

function Read-GuestName($Items) {
    foreach ($item in @($Items)) {
        if (-not $item) { continue }
        $pair = @{}
        foreach ($property in ([xml] $item).INSTANCE.PROPERTY) {
            $value = $property.SelectSingleNode('VALUE')
            if ($value) { $pair[$property.GetAttribute('NAME')] = $value.InnerText }
        }
        if ($pair['Name'] -eq 'OSName') { return $pair['Data'] }
    }
}

function Read-GuestNames {
    $names = @{}
    foreach ($part in Get-CimInstance -Namespace 'root\virtualization\v2' -ClassName 'Msvm_KvpExchangeComponent') {
        try { $names[$part.SystemName] = Read-GuestName $part.GuestIntrinsicExchangeItems }
        catch { continue } # the guest writes these: one that writes something else has not said what it runs
    }
    return $names
}

function Get-Reason($Failure) {
    $text = ("$($Failure.Exception.Message)" -replace '\s+', ' ').Trim()
    return $text.Substring(0, [Math]::Min($text.Length, $LongestReason))
}

function Read-Disk($Drive) {
    if ($null -ne $Drive.DiskNumber) {
        $size = (Get-Disk -Number $Drive.DiskNumber).Size
        return [Math]::Round($size / 1gb, 1), 'Physical'
    }
    if (-not $Drive.Path) { throw 'the drive has no disk' }
    $disk = Get-VHD -Path $Drive.Path
    $kind = if ($Drive.SupportPersistentReservations) { 'Shared' } else { "$($disk.VhdFormat)" }
    return [Math]::Round($disk.Size / 1gb, 1), $kind
}

function Read-Disks($Machine, $Drives) {
    # A disk that cannot be read has its reason; only the first ones have it whole, so that each VM fits a page.
    # An array that has come through a pipeline may be no array for ConvertTo-Json of Windows PowerShell 5.1.
    $failures = 0
    foreach ($drive in $Drives) {
        try { $Machine['d'] += , @(Read-Disk $drive) }
        catch {
            $failures += 1
            $reason = if ($failures -le $MostReasons) { Get-Reason $_ } else { 'it could not be read either' }
            $Machine['d'] += , @(0, '', $reason)
        }
    }
}

function Read-Machine($Vm, $GuestNames) {
    $machine = [ordered]@{
        n = $Vm.Name
        i = "$($Vm.Id)"
        g = $Vm.Generation
        o = $GuestNames["$($Vm.Id)".ToUpperInvariant()]
        h = [bool] $Vm.IsClustered
        c = $Vm.ProcessorCount
        m = [int] ($Vm.MemoryStartup / 1mb)
        f = $false
        d = @()
    }
    try {
        # The system's disk is the first one: Hyper-V lists controllers and locations in order.
        $order = 'ControllerType', 'ControllerNumber', 'ControllerLocation'
        Read-Disks $machine @(Get-VMHardDiskDrive -VM $Vm | Sort-Object -Property $order)
        $machine['f'] = @(Get-VMFibreChannelHba -VM $Vm).Count -gt 0
    }
    catch { $machine['e'] = Get-Reason $_ }
    return $machine
}

function Get-Packed([string] $Json) {
    $bytes = [System.Text.Encoding]::UTF8.GetBytes($Json)
    $memory = New-Object System.IO.MemoryStream
    $gzip = New-Object System.IO.Compression.GZipStream($memory, [System.IO.Compression.CompressionMode]::Compress)
    $gzip.Write($bytes, 0, $bytes.Length)
    $gzip.Close()
    return [Convert]::ToBase64String($memory.ToArray())
}

function Read-Page($Vms, [int] $Longest) {
    # VM by VM, until the page is full: the disks of those behind it are not read.
    $machines = @()
    $packed = Get-Packed '[]'
    if ($Vms.Count) {
        $guestNames = Read-GuestNames
        foreach ($vm in $Vms) {
            $longer = $machines + (ConvertTo-Json -InputObject (Read-Machine $vm $guestNames) -Compress -Depth 4)
            $longerPacked = Get-Packed "[$($longer -join ',')]"
            if ($machines.Count -and $longerPacked.Length -gt $Longest) { break }
            $machines, $packed = $longer, $longerPacked
        }
    }
    return @{ Count = $machines.Count; Packed = $packed }
}

function ConvertTo-Line($Facts) {
    # ASCII only: the code page of a node's output is not known.
    $json = ConvertTo-Json -InputObject $Facts -Compress -Depth 4
    return [regex]::Replace($json, '[^ -~]', { param($found) '\u{0:x4}' -f [int][char] $found.Value })
}

$registration = Read-Registration
$hyperV = $null -ne (Get-Service -Name 'vmms' -ErrorAction SilentlyContinue)
$first = [int] $From
$all = @(if ($hyperV) { Get-VM | Sort-Object -Property 'Name', 'Id' })
$facts = [ordered]@{
    hyperV             = $hyperV
    osVersion          = Read-OsVersion
    applicationControl = Read-ApplicationControl
    registration       = $registration
    endpoints          = if ($first -eq 0) { Read-Endpoints $registration } else { @{} }
    machines           = ''
    next               = $all.Count
}
$longest = [Math]::Min($LongestPage, $LongestLine - (ConvertTo-Line $facts).Length)
$page = Read-Page @($all | Select-Object -Skip $first -First $MostMachines) $longest
$following = $first + $page.Count
$facts['machines'] = $page.Packed
$facts['next'] = if ($following -lt $all.Count) { $following } else { $null }
ConvertTo-Line $facts
