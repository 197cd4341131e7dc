#!/bin/sh
# Second half of a boot: process 1 of the instance. Descriptor 3 is a pipe that ends with the sandbox.
cd /
# shellcheck source=/dev/null
. /run/sandbox/environment

# As cloud-init does on a first boot: identity, host key, and the keys of those who may come in.
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
set -- /etc/ssh/ssh_host_*_key
[ -e "$1" ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key

admit() { # home, owner
    [ -d "$1" ] || return 0
    mkdir -p "$1/.ssh"
    touch "$1/.ssh/authorized_keys"
    while read -r key; do
        grep -qxF "$key" "$1/.ssh/authorized_keys" || printf '%s\n' "$key" >>"$1/.ssh/authorized_keys"
    done </run/sandbox/authorized_keys
    chmod 700 "$1/.ssh"
    chmod 600 "$1/.ssh/authorized_keys"
    chown -R "$2" "$1/.ssh"
}
admit /root root:root
admit /home/admin admin:admin

mkdir -p /run/sshd
set --
for key in /etc/ssh/ssh_host_*_key; do set -- "$@" -h "$key"; done
/usr/sbin/sshd -D -e -f /run/sandbox/sshd_config "$@" 3<&- &

[ ! -x /usr/sbin/nginx ] || /usr/sbin/nginx -g 'daemon off;' 3<&- &
(
    if [ -x /run/sandbox/user-data ]; then
        /run/sandbox/user-data >>/var/log/cloud-init-output.log 2>&1
    fi
    [ ! -x /opt/app/start ] || exec /opt/app/start
) 3<&- &

# `wait` reaps every orphan as it comes; `cat` ends when the sandbox stops this instance or dies.
cat <&3 >/dev/null &
wait $!

kill -TERM -1
for _ in 1 2 3 4 5 6 7 8 9 10; do
    set -- /proc/[0-9]*
    [ $# -gt 1 ] || exit 0
    sleep 0.05
done
