#!/bin/sh
# Install exactly the packages of $REBAKE_PATCHES (name=version, a line each), or nothing; the image keeps the list.
set -eu
umask 022
if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
mkdir -p /var/lib/rebake
install -m 644 "$REBAKE_PATCHES" /var/lib/rebake/patches
rm -f "$REBAKE_PATCHES"
if [ ! -s /var/lib/rebake/patches ]; then
    echo "No patch is approved."
    exit 0
fi
latest=
if grep -q '^ID="*amzn' /etc/os-release; then latest=--releasever=latest; fi
rpm -qa --qf '%{NAME}=%{EVR}\n' | sed 's/=(none):/=/' | LC_ALL=C sort >/tmp/rebake-before
# name=version as name-version: dnf takes that for exactly this package
list=$(sed 's/=0:/=/; s/=/-/' /var/lib/rebake/patches)
# shellcheck disable=SC2086 # no word when it is empty; one word for each package
dnf -y --refresh $latest --setopt=install_weak_deps=False --setopt=strict=True install $list || {
    echo "rebake: the approved list cannot be installed; survey again"
    exit 3
}
rpm -qa --qf '%{NAME}=%{EVR}\n' | sed 's/=(none):/=/' | LC_ALL=C sort >/tmp/rebake-after
wanted=$(sed 's/=0:/=/' /var/lib/rebake/patches | LC_ALL=C sort)
changed=$(LC_ALL=C comm -13 /tmp/rebake-before /tmp/rebake-after)
if [ "$wanted" != "$changed" ]; then
    echo "rebake: not exactly the approved list was installed; survey again. Approved: $(echo "$wanted" | tr '\n' ' ');" \
        "installed: $(echo "$changed" | tr '\n' ' ')"
    exit 3
fi
