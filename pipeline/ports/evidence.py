"""What is kept of images: where, by whom it is signed, and how it is read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.model.evidence import Bake, Provenance, Signature
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.outcomes import SmokeReport
from pipeline.model.packages import PackageLists, Survey


class Evidence(Protocol):
    """What a run proves about an image, kept beside it; the tag ``rebake:evidence`` is what vouches for it.

    What is kept of an image counts once the digest that was answered stands in its tag. All methods raise RebakeError
    where a place cannot be reached: what it holds is unknown then.
    """

    def keep_bake(self, bake: Bake) -> str:
        """Keep package lists, change note, SBOM and provenance of a bake; answer the digest for the image's tag."""
        ...

    def keep_smoke(self, report: SmokeReport) -> str:
        """Keep a smoke report's JUnit XML on this machine and answer where it is."""
        ...

    def add_smoke(self, image: Image, reports: Sequence[SmokeReport]) -> str:
        """Add smoke reports to an image's evidence; answer the digest that takes the place of the one in its tag."""
        ...

    def packages(self, image: Image) -> PackageLists | None:
        """Fetch an image's package lists, verified; None where it has none, or they are in no place that is read here.

        Raises:
            NotPossible: they are not what was written.
        """
        ...

    def provenance(self, image: Image) -> Provenance:
        """Tell how an image came to be, and what these words are worth. Raises only where that cannot be known."""
        ...

    def keep_survey(self, survey: Survey) -> None:
        """Keep the newest survey of an image."""
        ...

    def survey(self, image: ImageId) -> Survey | None:
        """Fetch it; None when none was kept."""
        ...


class Objects(Protocol):
    """A place for files by name, as in ``ami-…/packages.json``: a folder of this machine, or a prefix of a bucket."""

    def put(self, name: str, content: bytes) -> None:
        """Write a file, over one that stands there.

        Raises:
            RebakeError: it cannot be written.
        """
        ...

    def get(self, name: str) -> bytes | None:
        """Read a file; None: there is none.

        Raises:
            RebakeError: whether there is one cannot be known.
        """
        ...


class Signer(Protocol):
    """A key that signs."""

    def sign(self, message: bytes) -> Signature:
        """Sign."""
        ...

    def verify(self, message: bytes, signature: Signature) -> bool | None:
        """Tell whether this key signed the message; None: another key did, by what the signature says."""
        ...
