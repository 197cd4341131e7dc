#!/bin/sh
# Put the files of $REBAKE_ARCHIVE where their names say, as root's; folders that exist keep their owner and mode.
set -eu
tar -x -f "$REBAKE_ARCHIVE" -C / --no-same-owner --no-overwrite-dir
rm -f "$REBAKE_ARCHIVE"
