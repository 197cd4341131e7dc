#!/bin/sh
# Install published updates: all of them, or ($REBAKE_BASELINE = security) those with a security advisory.
set -eu
if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
# An Amazon Linux 2023 image is locked to the repository of its own release: without this nothing is ever newer.
case "$REBAKE_BASELINE" in
all) dnf -y --refresh --releasever=latest upgrade ;;
security) dnf -y --refresh --releasever=latest upgrade --security ;;
esac
