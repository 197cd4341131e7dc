#!/bin/sh
# Make a fresh Debian tree ($1) an image like a cloud's own: no keys, no identity, an admin user. $2 holds files to copy.
set -eu
root=$1
seed=$2

cp "$seed/sources.list" "$root/etc/apt/sources.list"
cp "$seed/apt.conf" "$root/etc/apt/apt.conf.d/90sandbox"

# The certificate authorities that the machine's owner added, for a mirror or proxy that needs them.
if [ -d "$seed/certificates" ]; then
    cp -R "$seed/certificates/." "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
fi

# Package scripts must not start services: they would listen on every address of the machine, not on the instance's.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

# The network is the machine's own, so nginx must listen on the instance's address only; the boot writes which.
cat >"$root/etc/nginx/sites-available/default" <<'NGINX'
server {
    include /run/sandbox/nginx-listen.conf;
    server_name _;
    root /var/www/html;
    index index.html index.nginx-debian.html;
    location / {
        try_files $uri $uri/ =404;
    }
}
NGINX

# '*' is a password that never matches; the '!' of useradd would make sshd refuse keys as well.
chroot "$root" useradd --create-home --shell /bin/bash --password '*' admin
printf 'admin ALL=(ALL) NOPASSWD:ALL\n' >"$root/etc/sudoers.d/90-admin"
chmod 440 "$root/etc/sudoers.d/90-admin"

rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/hosts"
: >"$root/etc/resolv.conf"
: >"$root/etc/hosts"
: >"$root/etc/machine-id"
