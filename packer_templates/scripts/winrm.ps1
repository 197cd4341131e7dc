<powershell>
# Open WinRM over TLS with a certificate of this boot; Packer comes in through it and sysprep removes it.
$ErrorActionPreference = "Stop"
Set-NetConnectionProfile -NetworkCategory Private
$certificate = New-SelfSignedCertificate -DnsName $env:COMPUTERNAME -CertStoreLocation Cert:\LocalMachine\My
Enable-PSRemoting -SkipNetworkProfileCheck -Force
Get-ChildItem WSMan:\localhost\Listener | Remove-Item -Recurse
New-Item WSMan:\localhost\Listener -Transport HTTPS -Address * -CertificateThumbPrint $certificate.Thumbprint -Force
Set-Item WSMan:\localhost\Service\Auth\Basic $true
Set-Item WSMan:\localhost\Service\AllowUnencrypted $false
New-NetFirewallRule -Name rebake-winrm -DisplayName "WinRM over TLS" -Direction Inbound -Protocol TCP -LocalPort 5986 -Action Allow
Restart-Service WinRM
</powershell>
