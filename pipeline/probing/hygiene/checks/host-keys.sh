#!/bin/sh
# Keys made at boot are newer than the boot: their time of writing tells them from keys that came with the image.
found=
for key in /etc/ssh/ssh_host_*_key; do
    if [ -e "$key" ] && baked "$key"; then found="$found ${key##*/}"; fi
done
[ -z "$found" ] && exit 0
echo "SSH host keys were baked into the image:$found; every instance would share them. Remove /etc/ssh/ssh_host_* last in the build."
exit 1
