#!/bin/sh
# Write to $REBAKE_LIST "name<TAB>version" of every installed package, below a line "#system<TAB>ID<TAB>VERSION_ID".
# After patching, a line "#fixes<TAB>name<TAB>advisory<TAB>CVE id" for each that dnf knows of an installed version.
set -eu
export LC_ALL=C
umask 022
# shellcheck source=/dev/null
. /etc/os-release
{
    printf '#system\t%s\t%s\n' "$ID" "${VERSION_ID:-}"
    rpm -qa --qf '%{NAME}\t%{EVR}\n' | sort -u
} >"$REBAKE_LIST"

before=${REBAKE_LIST%-after}-before
if [ "$REBAKE_LIST" = "${REBAKE_LIST%-after}" ] || ! [ -f "$before" ]; then exit 0; fi
# Rows are: advisory or CVE, kind, name-[epoch:]version-release.architecture. Only of what the list before does not have.
told() { # option -> id, name, version
    dnf -q -C updateinfo list --installed "$@" 2>/dev/null | awk 'NF == 3 {
        id = $1; sub(/\.[^.]*$/, "", $3); n = split($3, part, "-"); name = part[1]
        for (i = 2; i < n - 1; i++) name = name "-" part[i]
        version = part[n - 1] "-" part[n]; sub(/^0:/, "", version); print id "\t" name "\t" version }'
}
tab=$(printf '\t')
{ told; told --with-cve; } | while IFS=$tab read -r id name version; do
    if ! grep -qxF "$name$tab$version" "$REBAKE_LIST" || grep -qxF "$name$tab$version" "$before"; then continue; fi
    case $id in
        CVE-*) printf '#fixes\t%s\t\t%s\n' "$name" "$id" ;;
        *) printf '#fixes\t%s\t%s\t\n' "$name" "$id" ;;
    esac
done | sort -u >"$REBAKE_LIST.fixes"
cat "$REBAKE_LIST.fixes" >>"$REBAKE_LIST"
rm -f "$REBAKE_LIST.fixes"
