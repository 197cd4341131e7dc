#!/bin/sh
# Leave nothing in the image that must differ between its instances, or that only the build needed.
set -eu
if command -v apt-get >/dev/null; then
    apt-get -q clean
    rm -rf /var/lib/apt/lists/*
elif command -v dnf >/dev/null; then
    dnf -q clean all
fi
if command -v cloud-init >/dev/null; then cloud-init clean --logs >/dev/null 2>&1 || true; fi
rm -f /etc/ssh/ssh_host_*
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
# Empty, not absent: systemd makes a new one at boot, and a read-only root can still bind over it.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
rm -rf /var/lib/amazon/ssm/Vault /var/lib/amazon/ssm/i-*
rm -f /root/.bash_history /home/*/.bash_history
find /var/log -type f -exec truncate -s 0 {} +
rm -rf /var/tmp/rebake-* /tmp/rebake-*
sync
