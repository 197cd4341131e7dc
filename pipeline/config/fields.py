"""The kinds of value that stand in ``rebake.yaml``: what is accepted, in words, and as JSON Schema."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pipeline.model.shares import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What fields need to know of the file: its folder, the built-in templates (None: not known here).

    ``keys`` collects, by identity of each mapping, which keys it may have: the words for a misspelt one.
    """

    root: Path
    templates: frozenset[str] | None = None
    keys: dict[int, tuple[str, ...]] = field(default_factory=dict)


class Section(BaseModel):
    """A mapping of the file: unknown keys are faults, and a key left empty counts as not given."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            return value
        names = tuple(field.alias or name for name, field in cls.model_fields.items())
        if isinstance(info.context, Reading):
            info.context.keys[id(value)] = names
        return {key: item for key, item in value.items() if item is not None or key not in names}


def shaped(pattern: str, words: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Make a check that a text matches the pattern; ``words`` say what was expected."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {words}")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


_LABEL = r"[A-Za-z0-9_-]{1,63}"
_URL = rf"https?://({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(:\d+)?(/[\x21-\x7e]*)?"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = r"(\d{1,6})([smhd])"


def _matched(pattern: str, value: object, words: str) -> re.Match[str]:
    match = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"{value!r} is not {words}")
    return match


def duration(value: object) -> timedelta:
    """Read a duration as the file writes it.

    Raises:
        ValueError: it is none.
    """
    match = _matched(_DURATION, value, "a duration such as 90s, 5m, 2h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _latency(value: object) -> timedelta:
    match = _matched(r"([1-9]\d{0,3})(m?s)", value, "a latency such as 300ms or 2s")
    return timedelta(milliseconds=int(match[1]) * (1 if match[2] == "ms" else 1000))


def lasting(least: timedelta, most: timedelta) -> AfterValidator:
    """Make a check that a duration lies within bounds, both included."""

    def check(value: timedelta) -> timedelta:
        if not least <= value <= most:
            raise ValueError(f"must be between {spoken(least)} and {spoken(most)}")
        return value

    return AfterValidator(check)


def spoken(value: timedelta) -> str:
    """Write a duration as the file would: ``90s``, ``5m``, ``2h``."""
    seconds = int(value.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _percent(value: object) -> int:
    return int(_matched(r"(\d{1,4})\s?%?", value, "a percentage such as 50 or 50%")[1])


def _fine_percent(value: object) -> float:
    return float(_matched(r"(\d{1,2}(?:\.\d{1,3})?|100)\s?%?", value, "a percentage such as 1, 0.1 or 0.1%")[1])


def _share(least: int) -> tuple[PlainValidator, WithJsonSchema]:
    def check(value: object) -> Share:
        match = _matched(r"(\d{1,6})\s?(%?)", value, "a number or a percentage such as 50%")
        share = Share(value=int(match[1]), percent=bool(match[2]))
        if share.value < least or (share.percent and share.value > 100):  # noqa: PLR2004 - percent
            raise ValueError(f"must be at least {least}, and at most 100%")
        return share

    return PlainValidator(check), _PERCENT_SCHEMA


def _url(text: str) -> str:
    try:
        port = urlsplit(text).port
    except ValueError:
        port = 0
    if port == 0 or not re.fullmatch(_URL, text):
        raise ValueError(f"{text!r} is not a URL such as https://web.example.com/health, with no password in it")
    return text


def _filled(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("is empty: a condition that asks for nothing would always pass; name one, or leave this out")
    return values


some = (AfterValidator(_filled), Field(json_schema_extra={"minItems": 1}))


def _flag(value: object) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f"must be true or false, not {value!r}")
    return value == "true"


def _cidr(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address range such as 203.0.113.7/32") from error
    if network.prefixlen < _WIDEST_RANGE:
        raise ValueError(f"{text} would open the build instance to the Internet; name your own range (/8 or narrower)")
    return text


_WIDEST_RANGE = 8


def below_root(value: object, info: ValidationInfo) -> Path:
    """Find what stands below the folder of the file."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path")
    root = cast("Reading", info.context).root
    path = (root / value).resolve()
    if not path.is_relative_to(root):
        raise ValueError(
            f"{value} is not below the folder of this file; what goes into an image stands beside its recipe"
        )
    try:
        found = path.exists()
    except OSError as error:
        raise ValueError(f"{value[:80]} cannot be read: {error.strerror}") from error
    if not found:
        raise ValueError(f"{value} does not exist (looked in {root})")
    return path


def a_file(path: Path) -> Path:
    """Refuse a folder."""
    if not path.is_file():
        raise ValueError(f"{path.name} is a folder; name a file")
    return path


def _template(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a built-in template's name or a path")
    if "/" in value or value.endswith((".pkr.hcl", ".pkr.hcl.j2")):
        return str(below_root(value, info))
    known = cast("Reading", info.context).templates
    if known is not None and value not in known:
        raise ValueError(
            f"there is no built-in template {value!r}; there are {', '.join(sorted(known))}; a path needs a /"
        )
    return value


def _tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    for key, text in tags.items():
        if key.lower().startswith(("aws:", "rebake:")):
            raise ValueError(f"the tag {key!r} is reserved")
        if not 0 < len(key) <= _TAG_KEY_MAX or len(text) > _TAG_VALUE_MAX:
            raise ValueError(
                f"the tag {key[:20]!r} is too long: AWS allows {_TAG_KEY_MAX} and {_TAG_VALUE_MAX} characters"
            )
    if len(tags) > _TAGS_MAX:
        raise ValueError(f"too many tags: AWS allows 50, and the rest are needed here ({_TAGS_MAX} at most)")
    return tags


_TAG_KEY_MAX = 128
_TAG_VALUE_MAX = 256
_TAGS_MAX = 40

_TEXT: dict[str, Any] = {"type": "string"}
_PERCENT_SCHEMA = WithJsonSchema({"anyOf": [{"type": "integer"}, _TEXT | {"pattern": r"^\d{1,3} ?%?$"}]})

Name = Annotated[str, *shaped(r"[a-z0-9-]{1,40}", "a name of 1 to 40 letters a-z, digits and hyphens")]
Duration = Annotated[timedelta, BeforeValidator(duration), WithJsonSchema(_TEXT | {"pattern": f"^{_DURATION}$"})]
Percent = Annotated[int, BeforeValidator(_percent), _PERCENT_SCHEMA]
FinePercent = Annotated[float, BeforeValidator(_fine_percent), WithJsonSchema({"type": ["number", "string"]})]
AnyShare = Annotated[Share, *_share(0)]
SomeShare = Annotated[Share, *_share(1)]
Latency = Annotated[
    timedelta, BeforeValidator(_latency), WithJsonSchema(_TEXT), lasting(timedelta(), timedelta(seconds=5))
]
Url = Annotated[str, AfterValidator(_url)]
UrlPath = Annotated[str, *shaped(r"/[\x21-\x7e]*", "a path such as /health")]
MetricName = Annotated[str, *shaped(r"[^\n]{1,255}", "a name of CloudWatch's")]
AutoScalingGroup = Annotated[str, *shaped(r"[^:\s]([^:\n]{0,253}[^:\s])?", "an Auto Scaling group's name")]
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Cidr = Annotated[str, AfterValidator(_cidr)]
ExistingPath = Annotated[Path, BeforeValidator(below_root), WithJsonSchema(_TEXT)]
ExistingFile = Annotated[ExistingPath, AfterValidator(a_file)]
Template = Annotated[str, BeforeValidator(_template), WithJsonSchema(_TEXT)]
Tags = Annotated[dict[str, str], AfterValidator(_tags)]
Region = Annotated[str, *shaped(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-west-1")]
ImageIdText = Annotated[str, *shaped(r"ami-([0-9a-f]{8}|[0-9a-f]{17})", "an image id such as ami-0123456789abcdef0")]
SubnetId = Annotated[str, *shaped(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})", "a subnet id such as subnet-0123456789abcdef0")]
InstanceType = Annotated[str, *shaped(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "an instance type such as t3.small")]
Owner = Annotated[
    str, *shaped(r"\d{12}|amazon|aws-marketplace|self", "an owner: a 12-digit account, amazon, aws-marketplace or self")
]
ParameterName = Annotated[
    str, *shaped(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", "an SSM parameter such as /aws/service/x")
]
ChannelPrefix = Annotated[
    str, *shaped(r"(?!/(?i:aws|ssm)(/|$))(/[A-Za-z0-9_.-]+)+", "a parameter path such as /rebake (not /aws or /ssm)")
]
BucketName = Annotated[str, *shaped(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "an S3 bucket's name")]
KeyPrefix = Annotated[
    str, *shaped(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*", "a prefix such as audit/rebake, without / at its end")
]
Profile = Annotated[
    str,
    *shaped(
        r"[\w+=,.@-]{1,128}|arn:aws[a-z-]*:iam::\d{12}:instance-profile/[\w+=,.@/-]+",
        "an instance profile's name or ARN",
    ),
]
KmsKey = Annotated[
    str,
    *shaped(
        r"alias/[\w/-]+|(mrk-)?[0-9a-f-]{32,36}|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/[\w/-]+",
        "a KMS key's id, ARN or alias/…",
    ),
]
