# Install published updates: all of them, or ($Env:REBAKE_BASELINE = security) those of the security category.
$ErrorActionPreference = "Stop"
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
Install-PackageProvider -Name NuGet -Force | Out-Null
Install-Module -Name PSWindowsUpdate -Force
$arguments = @{ AcceptAll = $true; IgnoreReboot = $true; MicrosoftUpdate = $true }
if ($Env:REBAKE_BASELINE -eq "security") { $arguments.Category = "Security Updates" }
Install-WindowsUpdate @arguments | Format-Table -AutoSize
Uninstall-Module -Name PSWindowsUpdate -Force
