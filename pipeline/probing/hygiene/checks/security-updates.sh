#!/bin/sh
# Lists are fetched into a folder of our own: the instance's own jobs may hold apt's lock, and are left undisturbed.
export LC_ALL=C
# What a baseline of rules has approved is there, in that version or a later one; all else is left out on purpose.
approved=/var/lib/rebake/patches
if [ -f "$approved" ]; then
    missing=
    while IFS='=' read -r name version; do
        if command -v dpkg-query >/dev/null; then
            installed=$(dpkg-query -W -f '${Version}\n' "$name" 2>/dev/null | head -n 1)
            dpkg --compare-versions "${installed:-0}" ge "$version" || missing="$missing $name"
        else
            rpm -q --qf '%{EVR}\n' "$name" 2>/dev/null | grep -qxF -e "${version#0:}" || missing="$missing $name"
        fi
    done <"$approved"
    [ -z "$missing" ] && exit 0
    echo "Approved, but not installed:$missing. Bake again."
    exit 1
fi
lists=$(mktemp -d) || exit 1
trap 'rm -rf "$lists"' EXIT
chmod 755 "$lists"
if command -v apt-get >/dev/null; then
    apt() { apt-get -q -o Acquire::Retries=3 -o "Dir::State::Lists=$lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"; }
    if ! apt -o APT::Update::Error-Mode=any update >"$lists/log" 2>&1; then
        echo "Whether updates are pending cannot be known: the package lists cannot be fetched."
        tail -n 3 "$lists/log"
        exit 75
    fi
    # "Inst openssl [3.0.20] (3.0.22 Debian-Security:12/oldstable-security [amd64])"
    plan=$(apt -s upgrade --with-new-pkgs) || exit 1
    pending=$(echo "$plan" | awk '/^Inst [^ ]+ \[/ && /\([^)]*-security[ ,)]/ {print $2}')
elif command -v dnf >/dev/null; then
    # Amazon Linux 2023 is locked to the repository of its own release, where nothing is ever newer.
    latest=
    if grep -q '^ID="*amzn' /etc/os-release; then latest=--releasever=latest; fi
    # shellcheck disable=SC2086 # no word, when it is empty
    if ! listed=$(dnf -q --refresh $latest updateinfo list --security 2>"$lists/log"); then
        echo "Whether updates are pending cannot be known: dnf failed."
        tail -n 3 "$lists/log"
        exit 75
    fi
    pending=$(echo "$listed" | awk 'NF >= 3 {print $3}' | sort -u)
else
    echo "neither apt-get nor dnf is there"
    exit 77
fi
[ -z "$pending" ] && exit 0
# shellcheck disable=SC2086 # one word for each package
set -- $pending
echo "Pending security updates ($#): $*. Bake again."
exit 1
