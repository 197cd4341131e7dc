#!/bin/sh
# Install exactly the packages of $REBAKE_PATCHES (name=version, a line each), or nothing; the image keeps the list.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C
umask 022
if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
# Packages of the same source come along by their own lines, or not at all.
apt() {
    apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o APT::Get::Upgrade-By-Source-Package=false --no-install-recommends "$@"
}
refuse() {
    echo "rebake: $1"
    exit 3
}
mkdir -p /var/lib/rebake
install -m 644 "$REBAKE_PATCHES" /var/lib/rebake/patches
rm -f "$REBAKE_PATCHES"
if [ ! -s /var/lib/rebake/patches ]; then
    echo "No patch is approved."
    exit 0
fi
apt -o APT::Update::Error-Mode=any update
list=$(cat /var/lib/rebake/patches)
# shellcheck disable=SC2086 # one word for each package
if ! plan=$(apt -s install $list 2>&1); then
    refuse "the approved list cannot be installed any more; survey again. apt says: $(echo "$plan" | grep '^E: ' | head -n 1)"
fi
removed=$(echo "$plan" | awk '/^Remv / {print $2}' | tr '\n' ' ')
[ -z "$removed" ] || refuse "the approved list would remove $removed"
echo "$plan" | awk '/^Inst / {v = $3; if (v ~ /^\[/) v = $4; print $2 "=" substr(v, 2)}' | LC_ALL=C sort >/tmp/rebake-planned
more=$(LC_ALL=C sort /var/lib/rebake/patches | LC_ALL=C comm -13 - /tmp/rebake-planned | tr '\n' ' ')
[ -z "$more" ] || refuse "the approved list needs more than it names: $more; survey again"
# What is named on the command line would count as wanted by hand, and never be removed as no longer needed.
apt-mark showmanual >/tmp/rebake-manual
# shellcheck disable=SC2086 # one word for each package
apt -y install $list
sed 's/=.*//' /var/lib/rebake/patches | grep -vxF -f /tmp/rebake-manual | xargs -r apt-mark -qq auto || true
