"""CloudFormation stacks that own a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack; ``status`` is AWS's word, ``parameters`` are the values that it was last given."""

    name: str
    status: str
    parameters: dict[str, str]
    reason: str = ""


class Stacks(Protocol):
    """Change sets that give one parameter another value and leave template and all other parameters alone."""

    def get(self, name: str) -> Stack:
        """Fetch a stack.

        Raises:
            NotFound: there is none.
        """
        ...

    def propose(self, name: str, *, parameter: str, value: str, change_set: str) -> bool | None:
        """Make a change set, or find the one of that name; False: it would change nothing; None: it is being made.

        Raises:
            NotPossible: the stack has no such parameter, or the change set failed; AWS's reason is in the message.
        """
        ...

    def execute(self, name: str, *, change_set: str) -> None:
        """Begin to carry the change set out."""
        ...
