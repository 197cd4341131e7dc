#!/bin/sh
# What makes an instance a web server; the pages came by the file step before.
set -eu
chmod -R a+rX /var/www/html
rm -f /var/www/html/index.nginx-debian.html
/usr/sbin/nginx -v
