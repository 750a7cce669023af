# hci-site-recovery: read-registration v1
# Looks and changes nothing. The last line of the output is one JSON object: Azure keeps the last 4,096 bytes.
# Endpoints: URLs, separated by commas, that the node tries to reach; their answers also tell what time it is.
param([string] $Endpoints = '')
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$LongestValue = 200
$LongestRegistration = 3000
# Of the registration's values these are read, and no others: any of them may be a secret.
$Shown = 'ResourceName', 'SiteName', 'SiteId', 'SRSUri', 'KeyVault', 'KeyVaultName', 'KeyVaultUrl', 'KeyVaultUri'
$PatienceInMilliseconds = 10000

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
    $names = @($key.GetValueNames())
    foreach ($name in @($Shown | Where-Object { $names -contains $_ })) {
        $value = $key.GetValue($name)
        if ($value -is [byte[]]) { continue }
        $text = [string]::Join(' ', @($value))
        $values[$name] = $text.Substring(0, [Math]::Min($text.Length, $LongestValue))
        if ((ConvertTo-Line $values).Length -gt $LongestRegistration) { $values.Remove($name) }
    }
    # Its list of values is not public: of all others only the host of a key vault is read, whatever it is called.
    foreach ($name in @($names | Where-Object { $Shown -notcontains $_ })) {
        $found = [regex]::Match([string] $key.GetValue($name), '[A-Za-z0-9-]{3,24}\.vault\.azure\.[a-z]{2,3}')
        if ($found.Success) { $values['KeyVault'] = $found.Value }
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

function Get-Answer([string] $Url) {
    # Any answer will do, also a refusal: it came through the firewall and the proxy that Windows uses.
    try {
        $request = [System.Net.WebRequest]::CreateHttp($Url)
        $request.Method = 'HEAD'
        $request.Timeout = $PatienceInMilliseconds
        return $request.GetResponse()
    }
    catch [System.Net.WebException] {
        return $_.Exception.Response
    }
    catch {
        return $null # no URL: the registry may say anything
    }
}

function Get-ClockOffset($Answer) {
    # Seconds by which this node is ahead of whoever answered; whole seconds are all that the header has.
    $date = [System.DateTimeOffset]::MinValue
    $invariant = [System.Globalization.CultureInfo]::InvariantCulture
    $style = [System.Globalization.DateTimeStyles]::AssumeUniversal
    if (-not [System.DateTimeOffset]::TryParse([string] $Answer.Headers['Date'], $invariant, $style, [ref] $date)) { return $null }
    return [int64] [Math]::Round(([System.DateTimeOffset]::UtcNow - $date).TotalSeconds)
}

function Read-Endpoints {
    $reached = [ordered]@{}
    $offset = $null
    foreach ($url in @($Endpoints.Split(',') | Where-Object { $_ })) {
        $answer = Get-Answer $url
        $reached[$url] = $null -ne $answer
        if ($null -eq $answer) { continue }
        if ($null -eq $offset) { $offset = Get-ClockOffset $answer }
        $answer.Close()
    }
    return @{ Reached = $reached; Offset = $offset }
}

function Read-LastBoot {
    $system = Get-CimInstance -ClassName 'Win32_OperatingSystem'
    return $system.LastBootUpTime.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
}

$tried = Read-Endpoints
ConvertTo-Line ([ordered]@{
    registration       = Read-Registration
    dra                = Read-ServiceState 'dra'
    hyperV             = (Read-ServiceState 'vmms') -ne 'Missing'
    applicationControl = Read-ApplicationControl
    lastBoot           = Read-LastBoot
    endpoints          = $tried.Reached
    clockOffset        = $tried.Offset
})
