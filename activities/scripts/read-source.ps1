# hci-site-recovery: read-source v1
# Says of the named virtual machines that are on this node whether they run, what checkpoints they have, and how much room
# their volumes have. Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last
# 4,096 bytes, so the machines come packed and in pages. What cannot be read of one machine is said of that machine, and hides
# no other.
param([string] $Names = '', [string] $From = '0')
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$LongestPage = 3000
$LongestReason = 120
$MostReasons = 3

function Read-Room([string] $Path, $Room) {
    # A cluster shared volume is found by the path of what lies on it, as any other.
    $volume = Get-Volume -FilePath $Path
    $name = $volume.Path.Trim('\?')
    $Room[$name] = [Math]::Round($volume.SizeRemaining / 1gb, 1)
    return $name
}

function Get-Reason($Failure) {
    $text = ("$($Failure.Exception.Message)" -replace '\s+', ' ').Trim()
    return $text.Substring(0, [Math]::Min($text.Length, $LongestReason))
}

function Read-Disk($Drive, $Room) {
    # What is no file is not failed back, and needs no room.
    if (-not $Drive.Path -or $null -ne $Drive.DiskNumber) { return 0, 0, '' }
    $disk = Get-VHD -Path $Drive.Path
    return [Math]::Round($disk.Size / 1gb, 1), [Math]::Round($disk.FileSize / 1gb, 1), (Read-Room $Drive.Path $Room)
}

function Read-Disks($Machine, $Drives, $Room) {
    # A disk that cannot be read has its reason; only the first ones have it whole, so that each VM fits a page.
    # An array that has come through a pipeline may be no array for ConvertTo-Json of Windows PowerShell 5.1.
    $failures = 0
    foreach ($drive in $Drives) {
        try { $Machine['d'] += , @(Read-Disk $drive $Room) }
        catch {
            $failures += 1
            $reason = if ($failures -le $MostReasons) { Get-Reason $_ } else { 'it could not be read either' }
            $Machine['d'] += , @(0, 0, '', $reason)
        }
    }
}

function Read-Machine($Vm, $Room) {
    $machine = [ordered]@{ n = $Vm.Name; s = "$($Vm.State)"; k = 0; d = @() }
    try {
        $machine['k'] = @(Get-VMSnapshot -VM $Vm).Count
        Read-Disks $machine @(Get-VMHardDiskDrive -VM $Vm) $Room
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

function Read-Page($Vms) {
    # Machine by machine, until the page is full: the disks of those behind it are not read.
    $room = [ordered]@{}
    $machines = @()
    $packed = Get-Packed '{"machines":[],"room":{}}'
    foreach ($vm in $Vms) {
        $longer = $machines + (ConvertTo-Json -InputObject (Read-Machine $vm $room) -Compress -Depth 4)
        $roomNow = ConvertTo-Json -InputObject $room -Compress
        $longerPacked = Get-Packed "{`"machines`":[$($longer -join ',')],`"room`":$roomNow}"
        if ($machines.Count -and $longerPacked.Length -gt $LongestPage) { break }
        $machines, $packed = $longer, $longerPacked
    }
    return @{ Count = $machines.Count; Packed = $packed }
}

function Read-Home {
    # Only a machine that is made anew comes there.
    if (-not $hyperV) { return @{ Place = @('', 0); Reason = 'Hyper-V is not on this node' } }
    try {
        $room = [ordered]@{}
        $place = Read-Room (Get-VMHost).VirtualHardDiskPath $room
        return @{ Place = @($place, $room[$place]); Reason = '' }
    }
    catch { return @{ Place = @('', 0); Reason = Get-Reason $_ } }
}

function ConvertTo-Line($Facts) {
    # ASCII only: the code page of a node's output is not known.
    $json = ConvertTo-Json -InputObject $Facts -Compress -Depth 4
    return [regex]::Replace($json, '[^ -~]', { param($found) '\u{0:x4}' -f [int][char] $found.Value })
}

# By a pattern: one that is not there is no error, and any other error ends the script instead of hiding machines.
$hyperV = @(Get-Service -Name 'vmm[s]').Count -gt 0
$wanted = $Names -split '/'
$all = @(if ($hyperV) { Get-VM | Where-Object { $wanted -contains $_.Name } | Sort-Object -Property 'Name', 'Id' })
$first = [int] $From
$page = Read-Page @($all | Select-Object -Skip $first)
$following = $first + $page.Count
$newHome = Read-Home

ConvertTo-Line ([ordered]@{
    found      = $page.Packed
    home       = $newHome.Place
    homeUnread = $newHome.Reason
    next       = if ($following -lt $all.Count) { $following } else { $null }
})
