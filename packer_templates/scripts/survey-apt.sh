#!/bin/sh
# Write to $REBAKE_SURVEY which newer versions of installed packages apt offers: a table, tabs between its columns.
# Debian and Ubuntu publish no dates, so each source's changelog is read, out of the smallest of its packages.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
umask 022
if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
apt() {
    apt-get -q -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root -o APT::Get::Upgrade-By-Source-Package=false "$@"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt -o APT::Update::Error-Mode=any update

# offered: name, version, suite/component of every version on offer; installed: name, version
apt -s upgrade --with-new-pkgs | awk '/^Inst [^ ]+ \[/ {print $2}' | sort -u >names
# shellcheck disable=SC2016 # dpkg-query expands these
xargs -r dpkg-query -W -f '${binary:Package} ${Version} ${source:Version}\n' <names | sed 's/^\([^ :]*\):[^ ]* /\1 /' >installed
xargs -r apt-cache madison <names | awk -F ' *[|] *' '{sub(/^ */, "", $1); split($3, place, " "); print $1, $2, place[2]}' |
    sort -u >offered

# rows: name, version, installed version, security, suite; of one package versions ascend
newer() { # versions above $1, ascending by dpkg's own comparison: the lowest of what is left, until nothing is
    while read -r version; do ! dpkg --compare-versions "$version" gt "$1" || echo "$version"; done >left
    while [ -s left ]; do
        least=
        while read -r version; do
            if [ -z "$least" ] || dpkg --compare-versions "$version" lt "$least"; then least=$version; fi
        done <left
        echo "$least"
        grep -vxF -e "$least" left >rest || true
        mv rest left
    done
}
while read -r name; do
    installed=$(awk -v n="${name%%:*}" '$1 == n {print $2; exit}' installed)
    awk -v n="${name%%:*}" '$1 == n {print $2}' offered | sort -u | newer "$installed" | while read -r version; do
        awk -v n="${name%%:*}" -v v="$version" -v was="$installed" -v shown="$name" '
            $1 == n && $2 == v { suite = $3; if ($3 ~ /-security\//) { security = $3 } }
            END { print shown, v, was, (security ? "yes" : "no"), (security ? security : suite) }' offered
    done
done <names >rows

# known: name, version, source, its version, section, priority, size
awk '{sub(/:.*/, "", $1); print $1 "=" $2}' rows | xargs -r apt-cache show | awk '
    function row() { if (name) { if (!source) source = name " (" version ")"
        split(source, part, "[ ()]+"); print name, version, part[1], (part[2] ? part[2] : version), section, priority, size }
        name = version = source = section = priority = size = "" }
    /^$/ {row()} /^Package: / {name = $2} /^Version: / {version = $2} /^Source: / {source = substr($0, 9)}
    /^Section: / {section = $2} /^Priority: / {priority = $2} /^Size: / {size = $2} END {row()}' | sort -k 3,4 -k 7n -u >known

# The smallest package of each source in one go; where its documentation is a link to another's, the next ones singly.
fetch() { apt download "$@" >/dev/null 2>&1 || true; }
deb() { echo "$1_$(echo "$2" | sed 's/:/%3a/g')_"*.deb; }
awk '!seen[$3, $4]++ {print $1 "=" $2}' known >smallest
# shellcheck disable=SC2046 # one word for each package
if [ -s smallest ]; then fetch $(cat smallest); fi
changelog() { # name, version -> text: the changelog inside the package, or nothing
    file=$(deb "$1" "$2")
    [ -e "$file" ] || fetch "$1=$2"
    for part in changelog.Debian.gz changelog.gz; do
        dpkg-deb --fsys-tarfile "$(deb "$1" "$2")" 2>/dev/null |
            tar -x -O --wildcards "./usr/share/doc/*/$part" 2>/dev/null | gzip -dc 2>/dev/null >text || true
        ! head -n 1 text | grep -q '^[a-z0-9][a-z0-9+.-]* (.*).*; urgency=' || return 0
    done
    : >text
}
dated() { # source, version, installed version of the source -> release date, CVE ids of all that is newer than installed
    awk -v s="$1" -v v="$2" '$3 == s && $4 == v {print $1, $2}' known >binaries
    while read -r name version; do
        changelog "$name" "$version"
        if [ -s text ]; then break; fi
    done <binaries
    if [ -s text ]; then
        released=$(date -u -d "$(sed -n 's/^ -- .*>  *//p' text | head -n 1)" +%Y-%m-%dT%H:%M:%SZ)
    else # when it was built, which is when its changelog ends
        released=$(dpkg-deb --ctrl-tarfile "$(deb "$name" "$version")" 2>/dev/null | TZ=UTC tar -tv --full-time |
            awk '{print $4 "T" $5 "Z"}' | sort | tail -n 1)
    fi
    sed -n 's/^[a-z0-9][a-z0-9+.-]* (\([^)]*\)).*; urgency=.*/\1/p' text | while read -r entry; do
        dpkg --compare-versions "$entry" gt "$3" || break
        awk -v v="($entry)" '/^[a-z0-9]/ {here = ($2 == v)} here' text
    done | grep -o 'CVE-[0-9]*-[0-9]*' | sort -u | tr '\n' ' ' >cves || true
    printf '%s\t%s\n' "$released" "$(sed 's/ $//' cves)"
}
awk '!seen[$3, $4]++ {print $1, $3, $4}' known | while read -r name source version; do
    installed=$(awk -v n="$name" '$1 == n {print $3; exit}' installed)
    printf '%s\t%s\t%s\n' "$source" "$version" "$(dated "$source" "$version" "$installed")"
done >dates

# shellcheck source=/dev/null
. /etc/os-release
{
    printf '#system\t%s\t%s\n' "$ID" "$VERSION_ID"
    printf 'name\tversion\tinstalled\tarchitecture\tsecurity\trepository\tsection\tpriority\treleased\tcves\tneeds\n'
    while read -r name version installed security suite; do
        # shellcheck disable=SC2046 # name, version, source, its version, section, priority
        set -- $(awk -v n="${name%%:*}" -v v="$version" '$1 == n && $2 == v {print; exit}' known)
        date=$(awk -F '\t' -v s="$3" -v v="$4" '$1 == s && $2 == v {print $3 "\t" $4; exit}' dates)
        needs=$(apt -s --no-install-recommends install "$name=$version" | awk -v n="$name" '
            /^Inst / && $2 != n {v = $3; if (v ~ /^\[/) v = $4; print $2 "=" substr(v, 2)}' | tr '\n' ' ')
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$version" "$installed" "$(dpkg --print-architecture)" \
            "$security" "$suite" "$5" "$6" "$date" "${needs% }"
    done <rows
} >"$REBAKE_SURVEY"
