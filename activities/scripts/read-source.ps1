# hci-site-recovery: read-source v1
# Says of the named virtual machines that are on this node whether they run, what checkpoints they have, and how much room
# their volumes have. Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last
# 4,096 bytes, so the machines come packed and in pages.
param([string] $Names = '', [string] $From = '0')
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$LongestPage = 3000

function Read-Room([string] $Path, $Room) {
    # A cluster shared volume is found by the path of what lies on it, as any other.
    $volume = Get-Volume -FilePath $Path
    $name = $volume.Path.Trim('\?')
    $Room[$name] = [Math]::Round($volume.SizeRemaining / 1gb, 1)
    return $name
}

function Read-Disk($Drive, $Room) {
    if (-not $Drive.Path -or -not (Test-Path -LiteralPath $Drive.Path)) { return , @(0, 0, '') }
    $disk = Get-VHD -Path $Drive.Path
    return , @([Math]::Round($disk.Size / 1gb, 1), [Math]::Round($disk.FileSize / 1gb, 1), (Read-Room $Drive.Path $Room))
}

function Read-Machine($Vm, $Room) {
    return [ordered]@{
        n = $Vm.Name
        s = "$($Vm.State)"
        k = @(Get-VMSnapshot -VM $Vm).Count
        d = @(Get-VMHardDiskDrive -VM $Vm | ForEach-Object { Read-Disk $_ $Room })
    }
}

function Get-Packed($Machines) {
    $room = [ordered]@{}
    $read = @($Machines | ForEach-Object { Read-Machine $_ $room })
    $json = ConvertTo-Json -InputObject ([ordered]@{ machines = $read; room = $room }) -Compress -Depth 5
    $bytes = [System.Text.Encoding]::UTF8.GetBytes($json)
    $memory = New-Object System.IO.MemoryStream
    $gzip = New-Object System.IO.Compression.GZipStream($memory, [System.IO.Compression.CompressionMode]::Compress)
    $gzip.Write($bytes, 0, $bytes.Length)
    $gzip.Close()
    return [Convert]::ToBase64String($memory.ToArray())
}

$wanted = $Names -split '/'
$all = @(Get-VM | Where-Object { $wanted -contains $_.Name } | Sort-Object -Property 'Name', 'Id')
$first = [int] $From
$page = @($all | Select-Object -Skip $first)
$packed = Get-Packed $page
while ($packed.Length -gt $LongestPage -and $page.Count -gt 1) {
    $page = @($page[0..([Math]::Floor($page.Count / 2) - 1)])
    $packed = Get-Packed $page
}
$following = $first + $page.Count
$roomAtHome = [ordered]@{}
$place = Read-Room (Get-VMHost).VirtualHardDiskPath $roomAtHome

[ordered]@{
    found = $packed
    home  = @($place, $roomAtHome[$place])
    next  = if ($following -lt $all.Count) { $following } else { $null }
} | ConvertTo-Json -Compress -Depth 3
