# Put the files of the uploaded archive where their names say.
$ErrorActionPreference = "Stop"
tar.exe -x -f C:\Windows\Temp\rebake-unpack.tar -C C:\
if ($LASTEXITCODE) { exit $LASTEXITCODE }
Remove-Item C:\Windows\Temp\rebake-unpack.tar
