from collections.abc import Callable

import pytest

Faults = Callable[[str], list[str]]

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener"
RULE = f"rule: '{ARN}-rule/app/web/50dc/f2f7/9683'"
TURNS = f"strategy: {{blue_green: {{{RULE}}}}}"
PAIR = f"strategy: {{blue_green: {{{RULE}, partner: h}}}}"
OTHER = PAIR.replace("9683", "9684")
FAMILY = "version: 1\nfamilies: {web: {template: t/, source: {image: ami-12345678}, build: {instance_profile: p}}}\n"


def alone(faults: Faults, more: str) -> str:
    """The one fault that is told of this, without its file; the family's own is left aside."""
    (fault,) = [fault for fault in faults(FAMILY + more) if "families.web.template" not in fault]
    return fault.removeprefix("rebake.yaml:")


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (
            f"{{instance_refresh: {{}}, blue_green: {{{RULE}}}}}",
            ": say exactly one of instance_refresh, blue_green, stack, channel_only",
        ),
        ("{channel_only: true, stack: {parameter: P}}", ": say exactly one of"),
        ("{channel_only: 1}", ".channel_only: must be true or false, not '1'"),
        ("{blue_green: {}}", ".blue_green.rule: is missing"),
        ("{blue_green: {rule: web}}", ".blue_green.rule: 'web' is not the ARN of a load balancer's"),
        (f"{{blue_green: {{rule: '{ARN}/gwy/web/50dc/f2f7'}}}}", "is not the ARN of a load balancer's"),
        (f"{{blue_green: {{rule: '{ARN}-rule/app/web/50dc/f2f7'}}}}", "listener, or of a listener rule"),
        (f"{{blue_green: {{{RULE}, shifts: []}}}}", ".blue_green.shifts: must have at least one entry"),
        (f"{{blue_green: {{{RULE}, shifts: [50, 10, 100]}}}}", ".shifts: must ascend from 1 to 100, each once"),
        (f"{{blue_green: {{{RULE}, shifts: [10, 10, 100]}}}}", ".shifts: must ascend from 1 to 100, each once"),
        (f"{{blue_green: {{{RULE}, shifts: [0, 100]}}}}", ".shifts: must ascend from 1 to 100, each once"),
        (f"{{blue_green: {{{RULE}, shifts: [10, 50]}}}}", ".shifts: end at 50: the old group would keep the rest"),
        (f"{{blue_green: {{{RULE}, shifts: 10}}}}", ".shifts: must be a list, not '10'"),
        (f"{{blue_green: {{{RULE}, shifts: [ten, 100]}}}}", ".shifts[0]: 'ten' is not a percentage such as 50 or 50%"),
        (
            f"{{blue_green: {{{RULE}, shifts: [100], linear: {{step: 10}}}}}}",
            ": say one of shifts, linear and all_at_once",
        ),
        (f"{{blue_green: {{{RULE}, linear: {{step: 10}}, all_at_once: true}}}}", ": say one of shifts, linear"),
        (f"{{blue_green: {{{RULE}, linear: {{step: 0}}}}}}", ".linear.step: must be at least 1"),
        (f"{{blue_green: {{{RULE}, linear: {{step: 101}}}}}}", ".linear.step: must be at most 100"),
        (f"{{blue_green: {{{RULE}, linear: {{}}}}}}", ".linear.step: is missing"),
        (f"{{blue_green: {{{RULE}, soak: 49h}}}}", ".soak: must be between 0s and 48h"),
        (f"{{blue_green: {{{RULE}, keep_blue: 3d}}}}", ".keep_blue: must be between 0s and 48h"),
        (f"{{blue_green: {{{RULE}, healthy_within: 5s}}}}", ".healthy_within: must be between 1m and 24h"),
        (f"{{blue_green: {{{RULE}, partner: 'a:b'}}}}", "'a:b' is not an Auto Scaling group's name"),
        (f"{{blue_green: {{{RULE}, partner: g}}}}", ".partner: is the group of fleet a already"),
        ("{stack: {}}", ".stack.parameter: is missing"),
        ("{stack: {parameter: Image-Id}}", "'Image-Id' is not a template parameter's name"),
        ("{stack: {parameter: P, stack: 1}}", ".stack.stack: '1' is not a stack's name or ARN"),
        ("{stack: {parameter: P, timeout: 15d}}", ".stack.timeout: must be between 1m and 336h"),
    ],
)
def test_faults_of_strategies_are_told_in_words(faults: Faults, strategy: str, said: str) -> None:
    """Each fault of a strategy is told once, with line, place and cause."""
    told = alone(faults, f"fleets:\n  a: {{family: web, group: g, strategy: {strategy}}}\n")
    assert told.startswith("4: fleets.a.strategy")
    assert said in told


@pytest.mark.parametrize("strategy", ["{channel_only: true}", "{stack: {parameter: ImageId}}"])
def test_gates_that_nobody_would_ask_are_a_fault(faults: Faults, strategy: str) -> None:
    """They would look like a safety net, and be none."""
    fleet = f"fleets:\n  a:\n    family: web\n    group: g\n    strategy: {strategy}\n    gates: [{{alarms: [a]}}]\n"
    assert alone(faults, fleet) == (
        "8: fleets.a.gates: nobody asks gates where somebody else replaces the instances: remove them, or use "
        "instance_refresh or blue_green"
    )


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ("[]", ": is empty: a condition that asks for nothing would always pass"),
        ("[{all_of: []}]", "[0].all_of: is empty: a condition that asks for nothing would always pass"),
        ("[{any_of: []}]", "[0].any_of: is empty"),
        ("[{all_of: [{any_of: []}]}]", "[0].all_of[0].any_of: is empty"),
        ("[{alarms: []}]", "[0].alarms: is empty"),
        ("[{canary: {metrics: []}}]", "[0].canary.metrics: is empty"),
        ("{alarms: [a]}", ": must be a list, not a mapping"),
        ("[approval]", "[0]: must be a mapping (key: value), not 'approval'"),
        ("[{}]", "[0]: a gate is exactly one of alarms, targets, probe, judge, canary, approval, all_of, any_of"),
        ("[{approval: }]", "one with nothing more to say is written with {}"),
        ("[{alarms: [a], targets: {}}]", "[0]: a gate is exactly one of alarms"),
        ("[{alarm: [a]}]", "[0].alarm: unknown key; did you mean alarms?"),
        ("[{alarms: a}]", "[0].alarms: must be a list, not 'a'"),
        ("[{targets: {healthy: 0}}]", "[0].targets.healthy: must be at least 1"),
        ("[{targets: {healthy: 101%}}]", "[0].targets.healthy: must be at most 100"),
        ("[{probe: {url: web}}]", "[0].probe.url: 'web' is not a URL such as https://web.example.com/health"),
        ("[{probe: {url: 'https://user:secret@web/'}}]", "with no password in it"),
        ("[{probe: {url: 'http://web:99999/'}}]", "is not a URL"),
        ("[{probe: {url: 'http://[1'}}]", "is not a URL"),
        ("[{probe: {url: ''}}]", "'' is not a URL"),
        ("[{probe: {url: 'http://web/', port: 80}}]", "[0].probe: say a url, or port and path of every new instance"),
        ("[{probe: {url: 'http://web/', above_old: 1}}]", "above_old compares new instances with old ones"),
        ("[{probe: {path: health}}]", "'health' is not a path such as /health"),
        ("[{probe: {status: 99}}]", "[0].probe.status: must be at least 100"),
        ("[{probe: {requests: 0}}]", "[0].probe.requests: must be at least 1"),
        ("[{probe: {error_rate_below: 0}}]", "[0].probe.error_rate_below: must be more than 0"),
        ("[{probe: {error_rate_below: few}}]", "'few' is not a percentage such as 1, 0.1 or 0.1%"),
        ("[{probe: {above_old: 101}}]", "'101' is not a percentage such as 1, 0.1 or 0.1%"),
        ("[{probe: {latency_below: 6s}}]", "[0].probe.latency_below: must be between 0s and 5s"),
        ("[{probe: {latency_below: 0ms}}]", "'0ms' is not a latency such as 300ms or 2s"),
        ("[{judge: {}}]", "[0].judge: say exactly one of command and url"),
        ("[{judge: {command: [a], url: 'http://judge/'}}]", "[0].judge: say exactly one of command and url"),
        ("[{judge: {command: []}}]", "[0].judge.command: must begin with a program"),
        ("[{judge: {command: ['', x]}}]", "[0].judge.command: must begin with a program"),
        ("[{judge: {command: judge}}]", "[0].judge.command: must be a list, not 'judge'"),
        ("[{judge: {command: [checks/none.sh]}}]", "[0].judge.command: checks/none.sh does not exist"),
        ("[{judge: {command: [../judge.sh]}}]", "[0].judge.command: ../judge.sh is not below the folder"),
        ("[{judge: {command: [./app]}}]", "[0].judge.command: app is a folder; name a file"),
        ("[{judge: {command: [a], timeout: 2h}}]", "[0].judge.timeout: must be between 1s and 1h"),
        ("[{canary: {}}]", "[0].canary.metrics: is missing"),
        ("[{canary: {metrics: [{name: x}]}}]", "[0].canary.metrics[0].namespace: is missing"),
        ("[{canary: {metrics: [{namespace: A, name: x, statistic: Mean}]}}]", "'Mean' is not Average or p99"),
        (
            "[{canary: {metrics: [{namespace: A, name: x, harm: up}]}}]",
            "'up' is not 'increase', 'decrease' or 'either'",
        ),
        ("[{canary: {metrics: [{namespace: A, name: x}], period: 90s}}]", "period: must be whole minutes"),
        ("[{canary: {metrics: [{namespace: A, name: x}], samples: 4}}]", "samples: must be at least 5"),
        ("[{canary: {metrics: [{namespace: A, name: x}], confidence: 100}}]", "confidence: must be at most 99"),
        ("[{canary: {metrics: [{namespace: A, name: x}], tolerance: 1001}}]", "tolerance: must be at most 1000"),
        ("[{approval: {within: 8d}}]", "[0].approval.within: must be between 1m and 168h"),
        ("[{any_of: [{targets: {}}, {approval: {}}]}]", "[0].any_of[1]: approval stands at the top only: a person"),
        ("[{any_of: [{all_of: [{approval: {}}]}]}]", "[0].any_of[0].all_of[0]: approval stands at the top only"),
    ],
)
def test_faults_of_gates_are_told_in_words(faults: Faults, gates: str, said: str) -> None:
    """Each fault of a gate is told once, with line, place and cause; none lets an empty condition pass."""
    told = alone(faults, f"fleets:\n  a:\n    family: web\n    group: g\n    gates: {gates}\n")
    assert told.startswith("7: fleets.a.gates")
    assert said in told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("limits: {fleets: 0}\n", "3: limits.fleets: must be at least 1, and at most 100%"),
        ("limits: {instances: 101%}\n", "3: limits.instances: must be at least 1, and at most 100%"),
        ("limits: {fleets: some}\n", "'some' is not a number or a percentage such as 50%"),
        ("limits: {groups: 1}\n", "3: limits.groups: unknown key; known here: fleets, instances"),
        ("patch_groups: {dev: {}}\n", "3: patch_groups.dev.wave: is missing"),
        ("patch_groups: {dev: {wave: 0}}\n", "3: patch_groups.dev.wave: must be at least 1"),
        ("patch_groups: {Dev: {wave: 1}}\n", "patch_groups.Dev: 'Dev' is not a name of 1 to 40 letters"),
        ("patch_groups: {dev: {wave: 1, concurrency: 0%}}\n", "concurrency: must be at least 1, and at most 100%"),
        ("patch_groups: {dev: {wave: 1, max_errors: few}}\n", "'few' is not a number or a percentage"),
        ("patch_groups: {dev: {wave: 1, soak_before: 400d}}\n", "soak_before: must be between 0s and 8760h"),
        ("patch_groups: {dev: {wave: 1, min_image_age: old}}\n", "'old' is not a duration"),
        (
            "patch_groups: {dev: {wave: 1}, prod: {wave: 01}}\n",
            "3: patch_groups.prod.wave: is the wave of patch group dev already",
        ),
        (
            "patch_groups: {dev: {wave: 1}}\nfleets: {a: {family: web, group: g, patch_group: deb}}\n",
            "4: fleets.a.patch_group: there is no patch group 'deb'; did you mean dev?",
        ),
        (
            "patch_groups: {}\nfleets: {a: {family: web, group: g, patch_group: dev}}\n",
            "4: fleets.a.patch_group: there is no patch group 'dev'; there are: none",
        ),
        (
            "fleets: {a: {family: web, group: g, patch_group: dev}}\npatch_groups: {dev: {wave: 1, canary: b}}\n",
            "4: patch_groups.dev.canary: there is no fleet of this patch group 'b'; there are: a",
        ),
        (
            "patch_groups: {dev: {wave: 1, canary: web-dev}}\n",
            "3: patch_groups.dev.canary: there is no fleet of this patch group 'web-dev'; there are: none",
        ),
        ("fleets: {a: {family: web, group: g, floor: 101%}}\n", "3: fleets.a.floor: must be at least 0, and at most"),
        ("fleets: {a: {family: web, group: g, on_halt: stop}}\n", "'stop' is not 'roll-back', 'cancel' or 'leave'"),
        (
            f"fleets: {{a: {{family: web, group: g, {TURNS}}}, b: {{family: web, group: i, {TURNS}}}}}\n",
            "3: fleets.b.strategy.blue_green.rule: is the rule of fleet a already",
        ),
        (
            f"fleets: {{a: {{family: web, group: g, {PAIR}}}, b: {{family: web, group: {{name: h}}}}}}\n",
            "3: fleets.b.group: is the partner of fleet a already",
        ),
        (
            f"fleets: {{a: {{family: web, group: g, {PAIR}}}, b: {{family: web, group: i, {OTHER}}}}}\n",
            "3: fleets.b.strategy.blue_green.partner: is the partner of fleet a already",
        ),
    ],
)
def test_faults_between_parts_are_told_in_words(faults: Faults, more: str, said: str) -> None:
    """Patch groups, limits, and what fleets may not share: each fault is told once, where it stands."""
    assert said in alone(faults, more)
