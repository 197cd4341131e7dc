#!/bin/sh
# Drop what nobody reads in a sandbox, and have dpkg leave it out from here on. $1: the tree.
# Not mmdebstrap's own path-exclude: that filters each package through Python and costs seconds.
set -eu
rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/* "$1"/usr/share/info/*
mkdir -p "$1/etc/dpkg/dpkg.cfg.d"
cat >"$1/etc/dpkg/dpkg.cfg.d/90sandbox" <<'DPKG'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/info/*
force-unsafe-io
DPKG
