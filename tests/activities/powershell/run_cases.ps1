# Runs the nodes' scripts with stand-ins for Windows' cmdlets, many cases in one process.
# Cases is a JSON file, [{name, script, parameters, node}]; Answers gets {name: {lines, error, calls}}, which statements
# of which script no case has come to, and what an older PowerShell does not parse.
# The stand-ins are functions of this scope, not of a module: so they run under the script's own strict mode and
# $ErrorActionPreference, as Windows' cmdlets do.
param([string] $Scripts, [string] $Cases, [string] $Answers)
$ErrorActionPreference = 'Stop'

function Add-Call([string] $What) { $calls.Add($What) }
function Get-Service {
    [CmdletBinding()] param([string] $Name)
    if ($node.services -is [string]) { throw $node.services }
    $there = @($node.services.PSObject.Properties | Where-Object { $_.Name -like $Name })
    if ($there) { return [pscustomobject]@{ Status = $there[0].Value } }
    if ([WildcardPattern]::ContainsWildcardCharacters($Name)) { return }
    Write-Error "Cannot find any service with service name '$Name'."
}
function Get-Command([string] $Name) { if ($node.registered) { return $Name } }
function Test-Path([string] $LiteralPath) { return $null -ne $node.registry }
function Get-Item([string] $LiteralPath) {
    $key = [pscustomobject]@{ Values = $node.registry }
    $key | Add-Member -MemberType ScriptMethod -Name GetValueNames -Value { $this.Values.PSObject.Properties.Name }
    $key | Add-Member -MemberType ScriptMethod -Name GetValue -PassThru -Value {
        param($name)
        $value = $this.Values.$name
        if ($value.PSObject.Properties['bytes']) { return , [byte[]] $value.bytes }
        return $value
    }
}
function Get-ItemProperty([string] $LiteralPath) { return [pscustomobject]@{ CurrentBuildNumber = '20349'; UBR = 2582 } }
function Get-CimInstance([string] $Namespace, [string] $ClassName) {
    switch ($ClassName) {
        'Win32_DeviceGuard' { [pscustomobject]@{ CodeIntegrityPolicyEnforcementStatus = [uint32] 1 } }
        'Win32_OperatingSystem' { [pscustomobject]@{ LastBootUpTime = (Get-Date).AddSeconds(-$node.upSeconds) } }
        'Msvm_KvpExchangeComponent' {
            foreach ($vm in $node.vms) {
                [pscustomobject]@{ SystemName = $vm.id.ToUpperInvariant(); GuestIntrinsicExchangeItems = $vm.exchange }
            }
        }
    }
}
function Get-VM {
    if (-not $node.services.PSObject.Properties['vmms']) { throw 'Get-VM is not recognized' }
    foreach ($vm in $node.vms) {
        [pscustomobject]@{
            Name = $vm.name; Id = [guid] $vm.id; Generation = 2; IsClustered = $true; ProcessorCount = 4
            MemoryStartup = [int64] 4gb; State = $vm.state; Disks = $vm.disks; Broken = $vm.broken; Snapshots = $vm.snapshots
        }
    }
}
function Get-VMHardDiskDrive($VM) {
    Add-Call "drives $($VM.Name)"
    if ($VM.Broken) { Write-Error $VM.Broken }
    $place = 0
    foreach ($disk in $VM.Disks) {
        [pscustomobject]@{
            ControllerType = 'SCSI'; ControllerNumber = 0; ControllerLocation = $place++; Path = $disk.path
            DiskNumber = $disk.number; SupportPersistentReservations = $disk.shared
        }
    }
}
function Get-VHD([string] $Path) {
    if (-not $Path) { throw "Cannot bind argument to parameter 'Path' because it is an empty string." }
    Add-Call "disk $Path"
    $disk = $disks[$Path]
    if ($disk.error) { Write-Error $disk.error }
    return [pscustomobject]@{ Size = [int64] $disk.size; FileSize = [int64] ($disk.size / 2); VhdFormat = 'VHDX' }
}
function Get-Disk($Number) { return [pscustomobject]@{ Size = [int64] 2tb } }
function Get-VMSnapshot($VM) { return @(1..$VM.Snapshots | Where-Object { $VM.Snapshots }) }
function Get-VMFibreChannelHba($VM) { return }
function Get-VMHost { return [pscustomobject]@{ VirtualHardDiskPath = $node.home } }
function Get-Volume([string] $FilePath) {
    if ($FilePath -notmatch '^C:\\ClusterStorage\\(\w+)') { Write-Error "No MSFT_Volume objects found for $FilePath" }
    return [pscustomobject]@{ Path = "\\?\Volume{$($Matches[1])}\"; SizeRemaining = [int64] 500gb }
}
function Get-AzureStackHCI {
    return [pscustomobject]@{ RegistrationStatus = $node.registered; ConnectionStatus = 'Connected' }
}
function Sync-AzureStackHCI { Add-Call 'sync' ; 'this is not to be in the output' }

function Get-Statement([string] $File) {
    # Those that do something by themselves: a branch is one that was taken if one in it was.
    $kinds = 'PipelineAst', 'AssignmentStatementAst', 'ReturnStatementAst', 'ThrowStatementAst', 'ContinueStatementAst'
    $tree = [System.Management.Automation.Language.Parser]::ParseFile($File, [ref] $null, [ref] $null)
    $tree.FindAll({ $kinds -contains $args[0].GetType().Name -and $args[0].Parent -is [System.Management.Automation.Language.NamedBlockAst] -or
            $kinds -contains $args[0].GetType().Name -and $args[0].Parent -is [System.Management.Automation.Language.StatementBlockAst] }, $true)
}
$points = foreach ($file in Get-ChildItem -LiteralPath $Scripts -Filter '*.ps1') {
    foreach ($statement in Get-Statement $file.FullName) {
        $where = $statement.Extent # of a return in a block PowerShell notes only what it returns
        if ($statement.Pipeline -and $statement.Parent -isnot [System.Management.Automation.Language.NamedBlockAst]) { $where = $statement.Pipeline.Extent }
        Set-PSBreakpoint -Script $file.FullName -Line $where.StartLineNumber -Column $where.StartColumnNumber -Action { }
    }
}

$found = [ordered]@{}
foreach ($case in Get-Content -Raw -LiteralPath $Cases | ConvertFrom-Json) {
    $node, $calls, $failure = $case.node, (New-Object System.Collections.Generic.List[string]), ''
    $disks, $parameters = @{}, @{}
    foreach ($vm in $node.vms) { foreach ($disk in $vm.disks) { $disks[$disk.path] = $disk } }
    foreach ($one in $case.parameters.PSObject.Properties) { $parameters[$one.Name] = $one.Value }
    $lines = @()
    try { $lines = @(& (Join-Path $Scripts "$($case.script).ps1") @parameters) }
    catch { $failure = "$_" }
    $found[$case.name] = @{ lines = $lines; error = $failure; calls = $calls }
}

# What Windows PowerShell 5.1, which nodes have, does not parse.
$newer = 'TernaryExpressionAst', 'PipelineChainAst'
$newerTokens = 'QuestionQuestion', 'QuestionQuestionEquals', 'QuestionDot', 'QuestionLBracket'
$parsed = [ordered]@{}
foreach ($file in Get-ChildItem -LiteralPath $Scripts -Filter '*.ps1') {
    $tokens = $mistakes = $null
    $tree = [System.Management.Automation.Language.Parser]::ParseFile($file.FullName, [ref] $tokens, [ref] $mistakes)
    $parsed[$file.BaseName] = @(
        $mistakes | ForEach-Object { "$_" }
        $tree.FindAll({ $newer -contains $args[0].GetType().Name }, $true) | ForEach-Object { "$_" }
        $tokens | Where-Object { $newerTokens -contains "$($_.Kind)" } | ForEach-Object { "$_" }
    )
}
$missed = @($points | Where-Object { $_.HitCount -eq 0 } | ForEach-Object { "$(Split-Path -Leaf $_.Script):$($_.Line):$($_.Column)" })
$points | Remove-PSBreakpoint
@{ cases = $found; parsed = $parsed; missed = $missed; statements = $points.Count } | ConvertTo-Json -Depth 6 | Set-Content -LiteralPath $Answers
