#!/bin/sh
for kind in space inodes; do
    option=
    if [ $kind = inodes ]; then option=-i; fi
    # shellcheck disable=SC2086 # no word, when it is empty
    used=$(df -P $option / | awk 'NR == 2 {sub("%", "", $5); print $5}')
    case $used in '' | -) continue ;; esac # a file system that does not count its inodes
    if [ "$used" -ge 95 ]; then
        echo "The root file system is full: $used % of its $kind is used. Raise build.root_volume_gib, or clean up last in the build."
        exit 1
    fi
done
exit 0
