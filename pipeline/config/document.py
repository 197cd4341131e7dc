"""A YAML text as plain values, each with the line it stands on.

Scalars stay the text that was written: ``1.10`` is a version and ``012345678901`` an account, whatever YAML's
types would make of them. What a field is to be is said by the field, in `pipeline.config.fields`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

Tree = None | str | list["Tree"] | dict[str, "Tree"]
Place = tuple[str | int, ...]

_STANDARD_TAG = "tag:yaml.org,2002:"
_NULL = _STANDARD_TAG + "null"
_MOST_VALUES = 20_000  # an alias of aliases grows exponentially; no honest file comes near


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong in the file: its line (from 1), the dotted place, and what is wrong in words."""

    line: int
    place: Place = ()
    text: str

    def __str__(self) -> str:
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place).lstrip(".")
        return f"{self.line}: {dotted}: {self.text}" if dotted else f"{self.line}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The values, the line of every place, and the faults of YAML itself."""

    value: Tree = None
    lines: Mapping[Place, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def line(self, place: Place) -> int:
        """Find the line of a place, or of the nearest place around it that stands in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def parse(text: str) -> Document:
    """Parse one YAML document; faults of syntax are in the answer, never raised."""
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.composer.warn_double_anchors = False  # naming an anchor anew is legal YAML, not worth a Python warning
        node = yaml.compose(io.StringIO(text))
        reader = _Reader()
        value = None if node is None else reader.read(node, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "not YAML"
        return Document(faults=(Fault(line=mark.line + 1 if mark else 1, text=f"not valid YAML: {said}"),))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Document(
            faults=(Fault(line=line, text=f"not valid YAML: a character that may not stand here: {error.reason}"),)
        )
    except RecursionError:
        return Document(faults=(Fault(line=1, text="nested too deeply"),))
    except (YAMLError, ValueError) as error:
        return Document(faults=(Fault(line=1, text=f"not valid YAML: {error}"),))
    return Document(value=value, lines=reader.lines, faults=tuple(reader.faults))


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Walks YAML's nodes, noting lines and collecting faults on the way."""

    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    _inside: set[int] = field(default_factory=set)

    def read(self, node: Node, place: Place) -> Tree:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if len(self.lines) > _MOST_VALUES:
            raise YAMLError("too many values; does an alias repeat another alias?")
        if not str(node.tag).startswith(_STANDARD_TAG):
            self._fault(place, f"the tag {node.tag} has no meaning here")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if id(node) in self._inside:
            self._fault(place, "an alias may not contain itself")
            return None
        self._inside.add(id(node))
        value = self._mapping(node, place) if isinstance(node, MappingNode) else self._list(node, place)
        self._inside.discard(id(node))
        return value

    def _scalar(self, node: ScalarNode, place: Place) -> str | None:
        if node.tag == _NULL:
            return None
        text: str = node.value
        if any((char < " " and char not in "\t\n") or "\ud800" <= char <= "\udfff" for char in text):
            self._fault(place, "contains a control character")
            return None
        return text

    def _list(self, node: Node, place: Place) -> list[Tree]:
        return [self.read(item, (*place, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: Node, place: Place) -> dict[str, Tree]:
        values: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, place) if isinstance(key_node, ScalarNode) else None
            if key is None:
                self.faults.append(Fault(line=line, place=place, text="a key must be a word"))
            elif key == "<<":
                self.faults.append(
                    Fault(line=line, place=place, text="merge keys (<<) are not YAML 1.2; write the keys out")
                )
            elif key in values:
                first = self.lines[(*place, key)]
                self.faults.append(Fault(line=line, place=(*place, key), text=f"stands twice; first on line {first}"))
            else:
                self.lines[(*place, key)] = line
                values[key] = self.read(value_node, (*place, key))
        return values

    def _fault(self, place: Place, text: str) -> None:
        self.faults.append(Fault(line=self.lines.get(place, 1), place=place, text=text))
