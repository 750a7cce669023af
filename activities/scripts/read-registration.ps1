# hci-site-recovery: read-registration v1
# Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last 4,096 bytes.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$LongestValue = 200
$LongestRegistration = 3000
$First = 'ResourceName', 'SiteName', 'SRSUri'
$Secret = 'password|secret|credential|token|certificate|privatekey'

function ConvertTo-Line($Facts) {
    # ASCII only: the code page of a node's output is not known.
    $json = ConvertTo-Json -InputObject $Facts -Compress -Depth 4
    return [regex]::Replace($json, '[^ -~]', { param($found) '\u{0:x4}' -f [int][char] $found.Value })
}

function Read-Registration {
    $path = 'HKLM:\SOFTWARE\Microsoft\Azure Site Recovery\Registration'
    if (-not (Test-Path -LiteralPath $path)) { return $null }
    $key = Get-Item -LiteralPath $path
    $values = [ordered]@{}
    # Its list of values is not public, so all that can be shown are shown, as many as there is room for.
    $names = @($key.GetValueNames())
    foreach ($name in @($names | Where-Object { $First -contains $_ }) + @($names | Where-Object { $First -notcontains $_ })) {
        $value = $key.GetValue($name)
        if ($name -match $Secret -or $value -is [byte[]]) { continue }
        $text = [string]::Join(' ', @($value))
        $values[$name] = $text.Substring(0, [Math]::Min($text.Length, $LongestValue))
        if ((ConvertTo-Line $values).Length -gt $LongestRegistration) { $values.Remove($name) }
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

ConvertTo-Line ([ordered]@{
    registration       = Read-Registration
    dra                = Read-ServiceState 'dra'
    hyperV             = (Read-ServiceState 'vmms') -ne 'Missing'
    applicationControl = Read-ApplicationControl
    lastBoot           = Read-LastBoot
})
