# hci-site-recovery: read-registration v1
# Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last 4,096 bytes.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$LongestValue = 200
$Secret = 'password|secret|credential|token|certificate|privatekey'

function Read-Registration {
    $path = 'HKLM:\SOFTWARE\Microsoft\Azure Site Recovery\Registration'
    if (-not (Test-Path -LiteralPath $path)) { return $null }
    $key = Get-Item -LiteralPath $path
    $values = [ordered]@{}
    # Its list of values is not public, so all that can be shown are shown.
    foreach ($name in $key.GetValueNames()) {
        $value = $key.GetValue($name)
        if ($name -match $Secret -or $value -is [byte[]]) { continue }
        $text = [string]::Join(' ', @($value))
        $values[$name] = $text.Substring(0, [Math]::Min($text.Length, $LongestValue))
    }
    return $values
}

function Read-ServiceState([string] $Name) {
    $service = Get-Service -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $service) { return 'Missing' }
    if ($service.Status -eq 'Running') { return 'Running' }
    return 'Stopped'
}

function Read-ApplicationControl {
    $guard = Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName 'Win32_DeviceGuard'
    return @('Off', 'Audit', 'Enforced')[[int] $guard.CodeIntegrityPolicyEnforcementStatus]
}

function Read-LastBoot {
    $system = Get-CimInstance -ClassName 'Win32_OperatingSystem'
    return $system.LastBootUpTime.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
}

[ordered]@{
    registration       = Read-Registration
    dra                = Read-ServiceState 'dra'
    hyperV             = (Read-ServiceState 'vmms') -ne 'Missing'
    applicationControl = Read-ApplicationControl
    lastBoot           = Read-LastBoot
} | ConvertTo-Json -Compress -Depth 3
