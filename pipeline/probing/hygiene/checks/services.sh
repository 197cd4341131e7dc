#!/bin/sh
# Services may still be starting: they get a minute, waited for here rather than by a call each second.
running() { # NAME
    if [ -d /run/systemd/system ]; then
        systemctl is-active --quiet "$1"
        return
    fi
    # Without systemd a service is a process of that name; the kernel keeps 15 characters of it.
    name=$(printf %.15s "${1%.service}")
    grep -qxF -- "$name" /proc/[0-9]*/comm 2>/dev/null
}
down() {
    for service in "$@"; do running "$service" || echo "$service"; done
}
seconds=0
while [ -n "$(down "$@")" ] && [ $seconds -lt 60 ]; do
    sleep 1
    seconds=$((seconds + 1))
done
missing=$(down "$@" | xargs)
[ -z "$missing" ] && exit 0
echo "not running after a minute: $missing"
if [ -d /run/systemd/system ]; then
    # shellcheck disable=SC2086 # one word for each service
    systemctl --no-pager --lines=5 status $missing 2>&1 | tail -n 20
fi
exit 1
