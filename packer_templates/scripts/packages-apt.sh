#!/bin/sh
# Write to $REBAKE_LIST "name<TAB>version" of every installed package, below a line "#system<TAB>ID<TAB>VERSION_ID".
# After patching, a line "#fixes<TAB>name<TAB><TAB>CVE ids" for each package whose changelog names some since the list before.
set -eu
export LC_ALL=C
umask 022
# shellcheck source=/dev/null
. /etc/os-release
{
    printf '#system\t%s\t%s\n' "$ID" "${VERSION_ID:-}"
    # shellcheck disable=SC2016 # dpkg-query expands these
    dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' | sed -n 's/^ii *\t//p' | sort -u
} >"$REBAKE_LIST"

before=${REBAKE_LIST%-after}-before
if [ "$REBAKE_LIST" = "${REBAKE_LIST%-after}" ] || ! [ -f "$before" ]; then exit 0; fi
fixed() { # name, version before -> CVE ids in what the changelog has above that version; none where it does not have it
    log=/usr/share/doc/$1/changelog.Debian.gz
    [ -e "$log" ] || log=/usr/share/doc/$1/changelog.gz
    zcat "$log" 2>/dev/null |
        awk -v was="($2)" '/^[a-z0-9][a-z0-9+.-]* \(/ && $2 == was {found = 1; exit} {text = text "\n" $0} END {if (found) print text}' |
        grep -o 'CVE-[0-9]*-[0-9]*' | sort -u | tr '\n' ' '
}
tab=$(printf '\t')
grep -v '^#' "$before" >"$REBAKE_LIST.was"
grep -v '^#' "$REBAKE_LIST" | join -t "$tab" "$REBAKE_LIST.was" - | while IFS=$tab read -r name was now; do
    [ "$was" != "$now" ] || continue
    cves=$(fixed "$name" "$was" || true)
    [ -z "$cves" ] || printf '#fixes\t%s\t\t%s\n' "$name" "${cves% }"
done >"$REBAKE_LIST.fixes"
cat "$REBAKE_LIST.fixes" >>"$REBAKE_LIST"
rm -f "$REBAKE_LIST.fixes" "$REBAKE_LIST.was"
