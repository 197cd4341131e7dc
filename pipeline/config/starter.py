"""The file that ``rebake init`` writes."""

from __future__ import annotations

_STARTER = """\
# yaml-language-server: $schema=./rebake.schema.json
# (`rebake schema > rebake.schema.json` writes that file; your editor then checks this one as you type.)
#
# Durations are 90s, 5m, 2h or 7d; percentages 50 or 50%. `rebake check` tells every fault of this file at once.
version: 1

defaults:
  # region: eu-west-1             # otherwise that of your AWS profile
  channels: /rebake               # tested images are published as SSM parameters /rebake/<family>/<channel>
  tags: {managed-by: rebake}

families:
  web:
    template: debian-12           # a built-in template, or a path: ./my.pkr.hcl, ./my.pkr.hcl.j2, ./folder
    architecture: x86_64          # or arm64
    # The newest image of this owner with such a name. The owner is mandatory: anyone can publish a name.
    source: {owner: "136693071363", name: "debian-12-amd64-*"}
    # source: {ssm: /aws/service/debian/release/12/latest/amd64}
    # source: {image: ami-0123456789abcdef0}
    # source: {family: base, channel: stable}
    baseline: security            # or all, none
    build:
      instance_types: [t3.small, t3a.small]
      # session-manager opens no port. The role behind this profile needs AmazonSSMManagedInstanceCore.
      connect: session-manager
      instance_profile: rebake-build
      # connect: private-ip       # instead: SSH from this range only
      # source_cidr: 10.0.0.0/8
      timeout: 45m
    # variables:
    #   app_version: 2.4.1
    #   license: {ssm: /web/license}        # or {secret: web/license}: fetched when needed, never shown
    # provision:
    #   - file: {from: app/, to: /opt/app/}
    #   - shell: provision/app.sh
    smoke:                        # on an instance booted from the new image, before anything else runs it
      hygiene: true               # no baked-in keys, no pending security updates, services up
      # suites: [smoke/test_web.py]         # your own pytest-testinfra tests
      # services: [nginx]
      # http: {port: 80, path: /health, status: 200, within: 2m}

fleets:
  web-dev:
    family: web
    group: web-dev                # an Auto Scaling group, or {tag: {Service: web, Env: dev}}
    strategy:
      instance_refresh:
        min_healthy: 90           # percent of desired capacity
        max_healthy: 110
        # checkpoints: [10, 50, 100]
        # checkpoint_delay: 15m
        # alarms: [web-5xx]
"""


def starter() -> str:
    """Write a commented configuration that loads as it stands."""
    return _STARTER
