#!/bin/sh
# User data: install the SSM agent, through which Packer comes in.
set -eu
command -v amazon-ssm-agent >/dev/null && exit 0
python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' \
    https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/debian_arm64/amazon-ssm-agent.deb /root/amazon-ssm-agent.deb
dpkg -i /root/amazon-ssm-agent.deb
rm -f /root/amazon-ssm-agent.deb
systemctl enable --now amazon-ssm-agent
