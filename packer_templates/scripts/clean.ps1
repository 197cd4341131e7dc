# Make the next boot a first one (new SID, password and name), and close the build's way in then: closing it now
# would cut the line over which this runs.
$ErrorActionPreference = "Stop"
$close = @'
Remove-NetFirewallRule -Name rebake-winrm
Set-Item WSMan:\localhost\Service\Auth\Basic $false
Get-ChildItem WSMan:\localhost\Listener | Where-Object Keys -Contains Transport=HTTPS | Remove-Item -Recurse
Unregister-ScheduledTask -TaskName rebake-close -Confirm:$false
'@
$encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($close))
Register-ScheduledTask -TaskName rebake-close -User SYSTEM -Trigger (New-ScheduledTaskTrigger -AtStartup) `
    -Action (New-ScheduledTaskAction -Execute powershell.exe -Argument "-EncodedCommand $encoded") | Out-Null
Clear-RecycleBin -Force -ErrorAction SilentlyContinue
$launch = "$Env:ProgramFiles\Amazon\EC2Launch\ec2launch.exe"
& $launch reset --clean --block
if ($LASTEXITCODE) { exit $LASTEXITCODE }
& $launch sysprep --clean --block
exit $LASTEXITCODE
