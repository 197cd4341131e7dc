#!/bin/sh
# Install published updates: all of them, or ($REBAKE_BASELINE = security) those that a security suite offers.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C
# First-boot jobs hold the package lock; an image without cloud-init has none to wait for.
if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
apt() {
    apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
apt -o APT::Update::Error-Mode=any update
case "$REBAKE_BASELINE" in
all) apt -y upgrade --with-new-pkgs ;;
security)
    # "Inst openssl [old] (new Debian-Security:12/oldstable-security [amd64])": what the candidate's origins are
    names=$(apt -s upgrade --with-new-pkgs | awk '/^Inst [^ ]+ \[/ && /\([^)]*-security[ ,)]/ {print $2}')
    # shellcheck disable=SC2086 # one word for each package
    if [ -n "$names" ]; then apt -y install --only-upgrade $names; else echo "No security updates are pending."; fi
    ;;
esac
