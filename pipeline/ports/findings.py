"""Vulnerability findings, and whether anybody has looked for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from pipeline.model.findings import Coverage, Finding, Severity
from pipeline.model.ids import ImageId, InstanceId


class Findings(Protocol):
    """Reads them; ask `coverage` first: what nobody has looked at has no findings either.

    An instance is asked about with ten others in a call. The instances of one image are alike: ask about a few of
    each, never about whole fleets (`pipeline.observe.findings` chooses them).
    """

    def fixable(self, severities: Collection[Severity]) -> Iterator[Finding]:
        """Yield the active findings of these severities that have a fix, of every instance of account and region.

        Errors as for `coverage`, when the iteration begins.
        """
        ...

    def coverage(self, images: Sequence[ImageId], instances: Sequence[InstanceId]) -> Mapping[str, Coverage]:
        """Tell of each id whether it was looked at; none is missing in the answer.

        Raises:
            AccessDenied: the caller may not ask.
        """
        ...

    def found(
        self, images: Sequence[ImageId], instances: Sequence[InstanceId], *, closed: bool = False
    ) -> tuple[Finding, ...]:
        """List the active findings of software packages of these images and instances.

        With ``closed``, also those that were closed of any instance of the images, 5,000 for ten images at most.
        Inspector keeps them for 30 days, and those of an instance that was terminated for 3. Errors as for `coverage`.
        """
        ...
