#!/usr/bin/python3
"""Write to $REBAKE_SURVEY which newer versions of installed packages dnf offers: a table, tabs between its columns.

What an advisory describes has its dates, class, severity and CVE ids; delays count from an advisory's last update.
"""

import os
import subprocess
import sys
from datetime import datetime, timezone

import dnf
import hawkey

COLUMNS = (
    *("name", "version", "installed", "architecture", "security", "repository", "severity", "classification"),
    *("released", "advisories", "cves", "needs"),
)
CLASSES = {
    hawkey.ADVISORY_SECURITY: "Security",
    hawkey.ADVISORY_BUGFIX: "Bugfix",
    hawkey.ADVISORY_ENHANCEMENT: "Enhancement",
    hawkey.ADVISORY_NEWPACKAGE: "Newpackage",
}
GRAVITY = ("Critical", "Important", "Medium", "Moderate", "Low", "None")


def main():
    """Write the survey."""
    release = os_release()
    base = opened(release)
    with open(os.environ["REBAKE_SURVEY"], "w", encoding="utf-8") as file:
        print("#system", release["ID"], release["VERSION_ID"], sep="\t", file=file)
        print(*COLUMNS, sep="\t", file=file)
        for package in offered(base):
            print(*row(base, package), sep="\t", file=file)


def os_release():
    """Read what the system calls itself."""
    with open("/etc/os-release", encoding="utf-8") as file:
        pairs = (line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        return {key: value.strip('"') for key, value in pairs}


def opened(release):
    """Read the system and its repositories anew."""
    base = dnf.Base()
    if release["ID"] == "amzn":
        # An Amazon Linux 2023 image is locked to the repository of its own release: without this nothing is ever newer.
        base.conf.releasever = "latest"
    base.read_all_repos()
    for repo in base.repos.iter_enabled():
        repo.metadata_expire = 0
        repo.skip_if_unavailable = False
    base.fill_sack()
    return base


def offered(base):
    """List newer versions of what is installed; of one package they ascend."""
    found = base.sack.query().upgrades().filter(arch__neq="src")
    return sorted(set(found), key=lambda package: (package.name, package.arch, package))


def row(base, package):
    """Write a package's cells in the order of `COLUMNS`."""
    advisories = package.get_advisories(hawkey.EQ)
    severities = {advisory.severity for advisory in advisories}
    kinds = {advisory.type for advisory in advisories}
    updated = [advisory.updated for advisory in advisories if advisory.updated]
    released = min(updated).replace(tzinfo=timezone.utc) if updated else None
    if released is None and package.buildtime:
        released = datetime.fromtimestamp(package.buildtime, timezone.utc)
    return (
        package.name,
        package.evr,
        max(base.sack.query().installed().filter(name=package.name, arch=package.arch)).evr,
        package.arch,
        "yes" if advisories else "no",
        package.reponame,
        next((word for word in GRAVITY if word in severities), ""),
        next((CLASSES[kind] for kind in CLASSES if kind in kinds), ""),
        released.strftime("%Y-%m-%dT%H:%M:%SZ") if released else "",
        " ".join(sorted(advisory.id for advisory in advisories)),
        " ".join(sorted(set(cves(advisories)))),
        " ".join(needs(base, package)),
    )


def cves(advisories):
    """List the CVE ids that advisories refer to."""
    for advisory in advisories:
        for reference in advisory.references:
            if reference.type == hawkey.REFERENCE_CVE:
                yield reference.id


def needs(base, package):
    """List what is installed or updated with a package if it alone is asked for."""
    base.reset(goal=True)
    base.conf.install_weak_deps = False
    base.package_install(package)
    base.resolve(allow_erasing=False)
    return sorted(f"{one.name}={one.evr}" for one in base.transaction.install_set if one.name != package.name)


if __name__ == "__main__":
    if os.access("/usr/bin/cloud-init", os.X_OK):
        subprocess.run(["cloud-init", "status", "--wait"], stdout=subprocess.DEVNULL, check=False)
    try:
        main()
    except dnf.exceptions.Error as error:
        sys.exit(f"rebake: dnf says: {error}")
