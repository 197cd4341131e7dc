#!/bin/sh
# Write "name<TAB>version" of every installed package to $REBAKE_LIST.
set -eu
umask 022
rpm -qa --qf '%{NAME}\t%{EVR}\n' | LC_ALL=C sort >"$REBAKE_LIST"
