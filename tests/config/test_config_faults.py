from collections.abc import Callable

import pytest

Faults = Callable[[str], list[str]]

FAMILY = """\
version: 1
families:
  web:
    template: debian-12
    source: {image: ami-12345678}
    build: {instance_profile: p}
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("    sourse: {}\n", "7: families.web.sourse: unknown key; did you mean source?"),
        ("    zzz: 1\n", "7: families.web.zzz: unknown key; known here: template, architecture"),
        ("    architecture: i386\n", "7: families.web.architecture: 'i386' is not 'x86_64' or 'arm64'"),
        ("    baseline: none\n    smoke: {}\n", "families.web.smoke: baseline: none leaves updates pending"),
        (
            "  win: {template: windows-2022, source: {image: ami-12345678}, build: {instance_profile: p}}\n",
            "7: families.win: hygiene, services and suites run shell scripts",
        ),
        (
            "  win: {template: windows-2022, smoke: {hygiene: false, suites: [test_web.py]}}\n",
            "name no suites, and prove the image with http or tcp",
        ),
        ("    smoke: {hygiene: false}\n", "7: families.web.smoke: nothing would be tested"),
        ("    smoke: {hygiene: false, services: [a], tcp: {port: 1}}\n", "services are checked by the hygiene suite"),
        ("    smoke: {hygiene: maybe}\n", "hygiene: must be true or false, not 'maybe'"),
        ("    smoke: {suites: [test_web.py, nope.py]}\n", "7: families.web.smoke.suites[1]: nope.py does not exist"),
        ("    smoke: {suites: [/etc/passwd]}\n", "/etc/passwd is not below the folder of this file"),
        ("    smoke: {suites: ['']}\n", "suites[0]: must be a path"),
        (f"    smoke: {{suites: [{'x' * 300}]}}\n", "cannot be read: File name too long"),
        ("    smoke: {timeout: 9h}\n", "timeout: must be between 10s and 4h"),
        ("    smoke: {timeout: soon}\n", "'soon' is not a duration such as 90s, 5m, 2h or 7d"),
        ("    smoke: {http: {port: many}}\n", "7: families.web.smoke.http.port: must be a whole number, not 'many'"),
        ("    provision: [{shell: app}]\n", "provision[0].shell: app is a folder; name a file"),
        ("    provision: [{}]\n", "provision[0]: a step is exactly one of shell, file, ansible"),
        ("    provision: {shell: run.sh}\n", "provision: must be a list, not a mapping"),
        ("    provision: [{file: {from: app, to: x}}]\n", "to: 'x' is not an absolute path on the build instance"),
        ("    provision: [{file: {from: app}}]\n", "7: families.web.provision[0].file.to: is missing"),
        ("    variables: {a-b: 1}\n", "'a-b' is not a variable name"),
        ("    variables: {a: {ssm: /x, secret: y}}\n", "variables.a: say a value, or exactly one of"),
        ("    variables: {a: }\n", "variables.a: must be a mapping (key: value), not empty"),
        ("    tags: {'aws:x': y}\n", "the tag 'aws:x' is reserved"),
        (f"    tags: {{{'k' * 129}: y}}\n", "is too long: AWS allows 128 and 256 characters"),
        (f"    tags: {{{', '.join(f'k{n}: v' for n in range(41))}}}\n", "too many tags"),
        ("  Web_2: {}\n", "7: families.Web_2: 'Web_2' is not a name of 1 to 40 letters"),
        ("  web2: text\n", "7: families.web2: must be a mapping (key: value), not 'text'"),
        ("  web2: {template: '', source: {family: web}}\n", "template: must be a built-in template's name or a path"),
        (
            "  web2: {template: debain, source: {family: web}}\n",
            "there is no built-in template 'debain'; there are debian-12",
        ),
        ("  web2: {template: a/b, source: {family: web}}\n", "template: a/b does not exist"),
        (
            "  web2: {source: {family: wbe}}\n",
            "7: families.web2.source.family: there is no family 'wbe'; did you mean web?",
        ),
        ("  web2: {source: {family: x}}\n", "there is no family 'x'; there are: web, web2"),
        ("  web2: {source: {family: web2}}\n", "goes in a circle: web2 -> web2"),
        ("  web2: {source: {name: debian-*}}\n", "(the whoAMI attack); add owner: a 12-digit account"),
        ("  web2: {source: {owner: debian, name: x}}\n", "owner: 'debian' is not an owner: a 12-digit account, amazon"),
        ("  web2: {source: {owner: self}}\n", "owner needs a name pattern beside it"),
        ("  web2: {source: {channel: gold, image: ami-12345678}}\n", "channel needs the family"),
        ("  web2: {source: {ssm: /x, image: ami-12345678}}\n", "web2.source: say exactly one of"),
        ("  web2: {source: {image: ami-xyz}}\n", "'ami-xyz' is not an image id"),
        ("  web2: {build: {connect: private-ip}}\n", "connect: private-ip needs source_cidr"),
        ("  web2: {build: {}}\n", "web2.build: connect: session-manager (the default) needs an instance_profile"),
        ("  web2: {build: {source_cidr: 0.0.0.0/0}}\n", "0.0.0.0/0 would open the build instance to the Internet"),
        ("  web2: {build: {source_cidr: '::/0'}}\n", "::/0 would open the build instance to the Internet"),
        ("  web2: {build: {source_cidr: home}}\n", "'home' is not an address range"),
        ("  web2: {build: {ssh_port: 0}}\n", "ssh_port: must be at least 1"),
        ("  web2: {build: {ssh_port: 99999}}\n", "ssh_port: must be at most 65535"),
        ("  web2: {build: {instance_types: [small]}}\n", "'small' is not an instance type such as t3.small"),
        ("defaults: {channels: /aws/x}\n", "7: defaults.channels: '/aws/x' is not a parameter path"),
        ("defaults: {region: mars}\n", "'mars' is not a region such as eu-west-1"),
        ("windows: {}\n", "7: windows: unknown key; known here: version, defaults, families, fleets, patch_groups"),
        ("  andon: {}\n", "7: families.andon: is no name for a family: parameters named andon/…"),
        ("  approvals: {}\n", "7: families.approvals: is no name for a family"),
        ("  leases: {}\n", "7: families.leases: is no name for a family"),
        ("  good: {}\n", "7: families.good: is no name for a family"),
    ],
)
def test_faults_of_families_are_told_in_words(faults: Faults, more: str, said: str) -> None:
    """Each fault of a family names line, place and cause."""
    told = faults(FAMILY + more)
    assert any(said in fault for fault in told), told


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("min_helthy: 5", "strategy.instance_refresh.min_helthy: unknown key; did you mean min_healthy?"),
        ("min_healthy: 101", "min_healthy: must be at most 100"),
        ("min_healthy: half", "min_healthy: 'half' is not a percentage such as 50 or 50%"),
        ("max_healthy: 99", "max_healthy: must be between 100 and 200"),
        ("min_healthy: 0, max_healthy: 150", "may be at most 100 above min_healthy, so at most 100 here"),
        ("checkpoints: [50, 10, 100]", "must ascend from 1 to 100, each once"),
        ("checkpoints: [0, 100]", "must ascend from 1 to 100, each once"),
        ("checkpoints: [10, 50]", "end at 50: AWS would stop there"),
        ("checkpoint_delay: 49h", "must be between 0s and 48h"),
        ("soak: 3d", "must be between 0s and 48h"),
        ("protected: never", "'never' is not 'Wait', 'Ignore' or 'Replace'"),
        (f"alarms: [{', '.join('abcdefghijk')}]", "alarms: has 11 entries; at most 10 are allowed"),
        ("auto_rollback: [1]", "auto_rollback: must be true or false"),
        ("give_up: {failures: 0}", "give_up.failures: must be at least 1"),
        ("give_up: {within: 2d}", "give_up.within: must be between 1m and 24h"),
        ("give_up: 2", "give_up: must be a mapping (key: value), not '2'"),
        ("zone_by_zone: true, replace_root_volume: true", "replaces instances and replace_root_volume keeps them"),
        ("zone_by_zone: true, protected: Wait", "would replace; leave protected out, or say Ignore"),
        ("zone_by_zone: true, protected: Replace", "works by protecting the instances of other zones"),
    ],
)
def test_faults_of_strategies_are_told_in_words(faults: Faults, strategy: str, said: str) -> None:
    """Each rule that AWS has for a refresh is told before anything is asked of AWS."""
    text = f"{FAMILY}fleets:\n  dev: {{family: web, group: g, strategy: {{instance_refresh: {{{strategy}}}}}}}\n"
    told = faults(text)
    assert len(told) == 1
    assert told[0].startswith("rebake.yaml:8: fleets.dev.strategy.instance_refresh")
    assert said in told[0]


@pytest.mark.parametrize(
    ("fleets_text", "said"),
    [
        ("{a: {family: wep, group: g}}", "fleets.a.family: there is no family 'wep'; did you mean web?"),
        (
            "{a: {family: web, group: g}, b: {family: web, group: {name: g}}}",
            "fleets.b.group: is the group of fleet a already",
        ),
        (
            "{a: {family: web, group: {tag: {x: y, z: w}}}, b: {family: web, group: {tag: {z: w, x: y}}}}",
            "fleets.b.group: is the group of fleet a already",
        ),
        ("{a: {family: web, group: {}}}", "fleets.a.group: name the group, or give the tags it carries"),
        ("{a: {family: web}}", "fleets.a.group: is missing"),
        ("{a: {family: web, group: {tag: x}}}", "fleets.a.group.tag: must be a mapping"),
        (
            "{a: {family: web, group: g, strategy: {rolling: {}}}}",
            "unknown key; known here: instance_refresh, blue_green, stack, channel_only",
        ),
    ],
)
def test_faults_of_fleets_are_told_in_words(faults: Faults, fleets_text: str, said: str) -> None:
    """A fleet's family and group are checked against the rest of the file."""
    told = faults(f"{FAMILY}fleets: {fleets_text}\n")
    assert any(said in fault for fault in told), told


def test_all_faults_come_at_once_in_the_order_of_lines(faults: Faults) -> None:
    """YAML's, fields' and references' faults are one list, sorted by line."""
    text = f"defaults: {{regoin: x}}\n{FAMILY}    build: {{}}\n    tags: [x]\nfleets: {{a: {{family: b, group: c}}}}\n"
    lines = [int(fault.split(":")[1]) for fault in faults(text)]
    assert lines == [1, 8, 9, 10]
