# Install exactly the updates of $Env:REBAKE_PATCHES (KB…=, a line each), or fail; the image keeps the list.
$ErrorActionPreference = "Stop"
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
$kept = Join-Path $Env:ProgramData "rebake"
New-Item -ItemType Directory -Force $kept | Out-Null
Move-Item -Force $Env:REBAKE_PATCHES (Join-Path $kept "patches")
$wanted = @(Get-Content (Join-Path $kept "patches") | Where-Object { $_ } | ForEach-Object { $_.TrimEnd("=") })
if (-not $wanted) {
    Write-Output "No patch is approved."
    exit 0
}
Install-PackageProvider -Name NuGet -Force | Out-Null
Install-Module -Name PSWindowsUpdate -Force
$done = @(Install-WindowsUpdate -KBArticleID $wanted -AcceptAll -IgnoreReboot -MicrosoftUpdate | Where-Object Result -EQ "Installed")
$missing = @($wanted | Where-Object { $_ -notin $done.KB })
if ($missing) {
    Write-Output "rebake: not installed, or not on offer any more: $($missing -join ' '); survey again"
    exit 3
}
Uninstall-Module -Name PSWindowsUpdate -Force
