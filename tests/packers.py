"""Every Packer on this machine, for tests that shall run with each of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def packers() -> list[Path]:
    """Every Packer on this machine: the project's own two places, and PATH."""
    places = [ROOT / ".tools/bin/packer", ROOT / ".tools/packer-1.16.0/packer"]
    on_path = shutil.which("packer")
    found = [place for place in places if place.exists()] + ([Path(on_path)] if on_path else [])
    return list({place.resolve(): place for place in found}.values())


def for_each_packer(metafunc: pytest.Metafunc) -> None:
    """Run what asks for ``packer`` once with each Packer found, and skip it where there is none."""
    if "packer" in metafunc.fixturenames:
        none = pytest.param(None, marks=pytest.mark.skip(reason="no Packer is found: run scripts/get-packer"))
        metafunc.parametrize("packer", packers() or [none], ids=lambda path: path.parent.name if path else "none")


def running(executable: Path, mark: str) -> list[int]:
    """List the processes of a program whose environment carries a mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "exe").samefile(executable) and mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or is not ours
            continue
    return found


AMAZON = """
variable "rebake_source_image" {}
variable "rebake_image_name" {}
variable "rebake_region" {}
variable "rebake_endpoint" {}
variable "rebake_instance_type" {}
variable "rebake_instance_profile" {}
variable "rebake_build_name" {}
variable "rebake_manifest" {}
variable "rebake_tags" {
  type = map(string)
}
variable "rebake_run_tags" {
  type = map(string)
}
source "amazon-ebs" "own" {
  communicator            = "none"
  region                  = var.rebake_region
  custom_endpoint_ec2     = var.rebake_endpoint
  skip_region_validation  = true
  skip_metadata_api_check = true
  source_ami              = var.rebake_source_image
  instance_type           = var.rebake_instance_type
  iam_instance_profile    = var.rebake_instance_profile
  ami_name                = var.rebake_image_name
  tags                    = var.rebake_tags
  run_tags                = var.rebake_run_tags
  temporary_key_pair_name = var.rebake_build_name
}
build {
  sources = ["source.amazon-ebs.own"]
  provisioner "shell-local" {
    inline = [
      "printf 'xz\\t5.4\\n' >packages-before",
      "printf 'xz\\t5.6\\nbash\\t5.2\\n' >packages-after",
    ]
  }
  post-processor "manifest" {
    output = var.rebake_manifest
  }
}
"""
"""A template of one's own that builds without logging in: it takes every variable it is offered."""
