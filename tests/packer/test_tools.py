from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ToolMissing
from pipeline.model.settings import Family
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.client import allowed_environment
from pipeline.packer.tools import find_packer, plugin_path
from pipeline.ports.builder import BuildRequest

ROOT = Path(__file__).resolve().parents[2]


def program(path: Path, script: str) -> Path:
    """Write a program that stands where Packer is looked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_order_of_the_search(tmp_path: Path) -> None:
    """The named one comes first, then REBAKE_PACKER, PATH and the project's own."""
    named, variable, path, own = (
        program(tmp_path / name, "") for name in ("a/one", "b/two", "c/packer", ".tools/bin/packer")
    )
    environment = {"REBAKE_PACKER": str(variable), "PATH": str(path.parent)}
    assert find_packer(str(named), environment=environment, root=tmp_path) == named
    assert find_packer(None, environment=environment, root=tmp_path) == variable
    assert find_packer(None, environment={"PATH": str(path.parent)}, root=tmp_path) == path
    assert find_packer(None, environment={"PATH": str(named.parent)}, root=tmp_path) == own


def test_a_packer_that_is_not_there(tmp_path: Path, builder_for: Callable[..., PackerBuilder]) -> None:
    """A missing Packer is told with the way to get one, as an error and in the report."""
    with pytest.raises(ToolMissing, match="there is no Packer at /none") as told:
        find_packer("/none", environment={"PATH": ""}, root=tmp_path)
    assert "scripts/get-packer" in told.value.hint
    (report,) = builder_for(environment={"PATH": str(tmp_path)}).tools()
    assert (report.version, report.fault) == ("", "Packer is not installed")
    assert "scripts/get-packer" in report.hint


@pytest.mark.parametrize(
    ("script", "version", "fault"),
    [
        ("echo Packer v1.6.6", "1.6.6", ""),
        ("echo Packer v1.5.4", "1.5.4", "older than 1.6.6"),
        ("cat; echo cracklib", "", "is not HashiCorp's Packer"),
    ],
)
def test_versions(
    tmp_path: Path, builder_for: Callable[..., PackerBuilder], script: str, version: str, fault: str
) -> None:
    """Too old a Packer, and another program of its name, are told as such."""
    (report,) = builder_for(program(tmp_path / "packer", script)).tools()
    assert report.version == version
    assert fault in report.fault
    assert bool(report.fault) == bool(fault)


def test_a_file_that_cannot_run(tmp_path: Path, builder_for: Callable[..., PackerBuilder]) -> None:
    """A broken executable is no Packer."""
    broken = tmp_path / "packer"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    assert "is not HashiCorp's Packer" in builder_for(broken).tools()[0].fault


@pytest.mark.parametrize(
    ("installed", "version"), [("", ""), ("x/packer-plugin-amazon_v1.8.2_x5.0_linux_amd64", "1.8.2")]
)
def test_the_amazon_plugin(
    tmp_path: Path, builder_for: Callable[..., PackerBuilder], installed: str, version: str
) -> None:
    """From 1.7 on the amazon plugin is a tool of its own, and its absence is told with the way to get it."""
    packer = program(tmp_path / "packer", f'case $1 in version) echo Packer v1.16.0;; *) echo "{installed}";; esac')
    _, plugin = builder_for(packer).tools()
    assert plugin.version == version
    assert bool(plugin.fault) == (not version)
    assert ("scripts/build-packer" in plugin.hint) == (not version)


@pytest.mark.packer
def test_the_real_one(packer: Path, builder_for: Callable[..., PackerBuilder]) -> None:
    """Every Packer found on this machine will do."""
    assert [tool.fault for tool in builder_for(packer).tools()] in ([""], ["", ""])


def test_a_plugin_that_cannot_be_had(
    tmp_path: Path,
    family: Family,
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """A failing init is told in one sentence, and not as a fault of the template."""
    script = "case $1 in version) echo Packer v1.16.0;; init) echo 'no such host'; exit 1;; esac"
    builder = builder_for(program(tmp_path / "packer", script))
    with pytest.raises(ToolMissing, match="a plugin of Packer is missing: no such host"):
        builder.validate(request_for(family, builder))


def test_plugins_beside_the_executable(tmp_path: Path) -> None:
    """A Packer built by scripts/build-packer finds its plugins, unless the environment says where they are."""
    assert plugin_path(tmp_path / "packer", {}) == {}
    (tmp_path / "plugins").mkdir()
    assert plugin_path(tmp_path / "packer", {}) == {"PACKER_PLUGIN_PATH": str(tmp_path / "plugins")}
    assert plugin_path(tmp_path / "packer", {"PACKER_PLUGIN_PATH": "/x"}) == {}


def test_the_environment_is_an_allow_list() -> None:
    """Packer sees AWS's variables, proxies and its own; nothing else of ours."""
    given = {
        "AWS_PROFILE": "p", "https_proxy": "h", "NO_PROXY": "n", "PACKER_PLUGIN_PATH": "/x", "LC_ALL": "C",
        "GITHUB_TOKEN": "t", "PKR_VAR_x": "x", "PACKER_LOG": "1", "LD_PRELOAD": "l",
    }  # fmt: skip
    kept = allowed_environment(given)
    assert kept.keys() - given.keys() == {"PATH", "CHECKPOINT_DISABLE", "PACKER_NO_COLOR"}
    assert given.keys() - kept.keys() == {"GITHUB_TOKEN", "PKR_VAR_x", "PACKER_LOG", "LD_PRELOAD"}


def test_get_packer_takes_the_one_on_path(tmp_path: Path) -> None:
    """The script prints what is installed already and touches nothing."""
    packer = program(tmp_path / "packer", "echo Packer v1.11.0")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [ROOT / "scripts" / "get-packer"], env=environment, text=True, capture_output=True, check=True
    )
    assert done.stdout == f"{packer}\n"


@pytest.mark.mirror
def test_get_packer_on_a_fresh_machine(tmp_path: Path) -> None:
    """Without any package lists, as on a fresh machine, the script fetches lists of its own and the package."""
    script = tmp_path / "scripts" / "get-packer"
    script.parent.mkdir()
    script.write_bytes((ROOT / "scripts" / "get-packer").read_bytes())
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    settings = tmp_path / "apt.conf"
    settings.write_text(
        f'Dir::State::Lists "{tmp_path}/lists";\nDir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    )
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": str(settings)}
    done = subprocess.run(["/bin/sh", script], env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/.tools/bin/packer\n"
    assert list((tmp_path / "lists").iterdir()) == [tmp_path / "lists" / "partial"]


def test_get_packer_without_apt(tmp_path: Path) -> None:
    """Where there is neither Packer nor apt-get, the script says so and what to do."""
    script = tmp_path / "scripts" / "get-packer"
    script.parent.mkdir()
    script.write_bytes((ROOT / "scripts" / "get-packer").read_bytes())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(
        ["/bin/sh", script], env={"PATH": str(tmp_path / "bin")}, text=True, capture_output=True, check=False
    )
    assert done.returncode == 69
    assert "there is no Packer, and no apt-get" in done.stderr
    assert "hint: " in done.stderr
