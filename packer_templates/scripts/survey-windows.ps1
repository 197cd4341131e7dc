# Write to $Env:REBAKE_SURVEY which updates Windows Update offers: a table, tabs between its columns.
$ErrorActionPreference = "Stop"
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
Install-PackageProvider -Name NuGet -Force | Out-Null
Install-Module -Name PSWindowsUpdate -Force
$release = [regex]::Match((Get-CimInstance Win32_OperatingSystem).Caption, "Server (\d{4}( R2)?)").Groups[1].Value -replace " ", ""
$columns = "name", "version", "installed", "architecture", "security", "severity", "classification", "released", "advisories", "cves", "needs"
$lines = @("#system`twindows`t$release", ($columns -join "`t"))
foreach ($update in Get-WindowsUpdate -MicrosoftUpdate) {
    $class = @($update.Categories | Where-Object Type -EQ "UpdateClassification" | ForEach-Object Name)[0] -replace " ", ""
    foreach ($article in $update.KBArticleIDs) {
        $cells = "KB$article", "", "", "", $(if ($class -eq "SecurityUpdates") { "yes" } else { "no" }),
            $update.MsrcSeverity, $class, $update.LastDeploymentChangeTime.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ"),
            ($update.SecurityBulletinIDs -join " "), ($update.CveIDs -join " "), ""
        $lines += $cells -join "`t"
    }
}
[IO.File]::WriteAllLines($Env:REBAKE_SURVEY, $lines)
