"""Identifiers, so that a mix-up of two of them is a type error."""

from __future__ import annotations

from typing import NewType

ImageId = NewType("ImageId", str)
"""``ami-…``"""

InstanceId = NewType("InstanceId", str)
"""``i-…``"""

SnapshotId = NewType("SnapshotId", str)
"""``snap-…``"""

TemplateId = NewType("TemplateId", str)
"""``lt-…``, a launch template."""

GroupName = NewType("GroupName", str)
"""An Auto Scaling group; its name is its identity."""

RefreshId = NewType("RefreshId", str)
"""The UUID that StartInstanceRefresh answers."""

RunId = NewType("RunId", str)
"""One invocation of ours: UTC time stamp and four random letters, as in ``20261123T181500-kqzt``."""

BakeKey = NewType("BakeKey", str)
"""64 hexadecimal digits: SHA-256 over everything that goes into an image."""

TargetGroupArn = NewType("TargetGroupArn", str)
"""``arn:…:targetgroup/…``"""
