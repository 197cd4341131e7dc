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
    baseline: security            # or all, none; or judged before a bake: predefined, a name of baselines, ssm:pb-…
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
    # A new bake is due, besides for a newer source image or a changed recipe (`rebake due`, `release --if-due`):
    # max_age: 30d
    # findings: high              # vulnerabilities of this severity that Amazon Inspector found and that have a fix

fleets:
  web-dev:
    family: web
    group: web-dev                # an Auto Scaling group, or {tag: {Service: web, Env: dev}}
    # patch_group: dev
    strategy:                     # exactly one: instance_refresh, blue_green, stack, channel_only
      instance_refresh:
        min_healthy: 90           # percent of desired capacity
        max_healthy: 110
        # checkpoints: [10, 50, 100]
        # checkpoint_delay: 15m
        # alarms: [web-5xx]
        # give_up: {failures: 2, within: 10m}         # AWS would go on for an hour
        # zone_by_zone: true      # or replace_root_volume: true
      # blue_green: {rule: "arn:aws:…:listener-rule/app/…", shifts: [10, 50, 100], soak: 5m, keep_blue: 2h}
      # stack: {parameter: ImageId}                   # CloudFormation owns the group
      # channel_only: true                            # somebody else's pipeline follows the channel
    # gates:                      # conditions for the rollout to go on
    #   - alarms: [web-5xx]
    #   - targets: {healthy: 100%}
    #   - probe: {port: 80, path: /health, error_rate_below: 1%, latency_below: 300ms}
    #   - judge: {command: [checks/judge.sh], timeout: 1m}
    #   - canary: {metrics: [{namespace: AWS/EC2, name: CPUUtilization, harm: increase}]}
    #   - any_of: [{alarms: [web-quiet]}, {judge: {url: "https://judge.example.com/"}}]
    #   - approval: {within: 8h}
    # floor: 50%                  # of desired capacity, healthy at all times
    # on_halt: roll-back          # or cancel, leave: when the andon cord is pulled
    # keep_good: 7d               # until a newer image was good for so long, nobody can deregister the last good one

# patch_groups:                   # waves: one after the other, each wave's fleets together
#   dev: {wave: 1, concurrency: 50%, canary: web-dev}
#   prod: {wave: 2, min_image_age: 2d, soak_before: 24h, max_errors: 0}
# baselines:                      # see what they come to with: rebake patches web --survey
#   careful: {rules: [{priority: required}, {after: 7d}], approved: [openssl], rejected: ["linux-image-6.12*"]}
# limits: {fleets: 50%, instances: 40%}               # the most that one run may touch
# evidence: {bucket: my-audit-bucket, kms_key: alias/evidence}   # what images are made of: in S3, too, and signed
# journal: {bucket: my-audit-bucket, prefix: rebake}  # what was done, by whom and why: in S3, too
"""


def starter() -> str:
    """Write a commented configuration that loads as it stands."""
    return _STARTER
