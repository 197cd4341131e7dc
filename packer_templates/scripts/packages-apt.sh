#!/bin/sh
# Write "name<TAB>version" of every installed package to $REBAKE_LIST.
set -eu
umask 022
dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' | sed -n 's/^ii *\t//p' | LC_ALL=C sort >"$REBAKE_LIST"
