"""Evidence in files: a folder an image, on this machine and where else it is to be read.

What an image's tag ``rebake:evidence`` holds is the SHA-256 of a manifest, which lists the SHA-256 of files and names
the manifest before it: whatever comes later (a smoke test) adds a link, and needs nothing of what was kept before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.errors import NotPossible
from pipeline.model.evidence import Bake, Lacking, Proof, Provenance, Signature
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.masking import Masker
from pipeline.model.names import TAG_EVIDENCE
from pipeline.model.outcomes import SmokeReport
from pipeline.model.packages import Fix, Package, PackageLists, Survey
from pipeline.planning.packages import merged, package_changes, surveyed_fixes
from pipeline.planning.provenance import byproducts, encoded, enveloped, opened, signed_bytes, statement, vouched
from pipeline.ports.evidence import Objects, Signer
from pipeline.records import surveys
from pipeline.records.notes import bill_of_materials, change_note
from pipeline.records.places import write_whole

_FORMAT = 2
_PACKAGES, _PROVENANCE = "packages.json", "provenance.json"


class FileObjects:
    """The port `Objects` on a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Write a file.

        Raises:
            StepFailed: the disk is full, or the folder cannot be written.
        """
        write_whole(self.folder / name, content.decode())

    def get(self, name: str) -> bytes | None:
        """Read a file.

        Raises:
            NotPossible: it is there and cannot be read.
        """
        path = self.folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            hint = "see to the permissions of that folder"
            raise NotPossible(f"{path} cannot be read: {error.strerror}.", hint=hint) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who bakes and where. ``facts`` are called for when they are written: they may ask AWS who calls."""

    region: str = ""
    facts: Callable[[], Mapping[str, str]] = dict


class KeptEvidence:
    """The port `pipeline.ports.evidence.Evidence`; what tests print and recipes say is masked."""

    def __init__(
        self,
        local: FileObjects,
        shared: Objects | None = None,
        *,
        signer: Signer | None = None,
        masker: Masker | None = None,
        author: Author | None = None,
    ) -> None:
        self._local = local
        self._places: tuple[Objects, ...] = (local, shared) if shared else (local,)
        self._signer = signer
        self._masker = masker or Masker()
        self._author = author or Author()

    def keep_bake(self, bake: Bake) -> str:
        """Keep package lists, change note, SBOM and provenance of a bake; answer the digest for the image's tag.

        Of a bake that another run had begun this machine may have the lists: what no tag vouches for yet is believed
        only where it was written.

        Raises:
            RebakeError: a place cannot be written, or the provenance cannot be signed.
        """
        lists = bake.lists if bake.lists.after else self._own_lists(bake.image.id)
        if (survey := self.survey(bake.source)) is not None:
            lists = replace(lists, fixes=merged((*lists.fixes, *surveyed_fixes(survey, lists.after))))
        bake = replace(bake, lists=lists)
        files = {}
        if lists.after:
            # They exist nowhere else: were S3 or the key out of reach now, the next run would have none.
            self._local.put(f"{bake.image.id}/{_PACKAGES}", _written(lists))
            changes = package_changes(lists.before, lists.after, lists.fixes)
            files = {
                _PACKAGES: _written(lists),
                "changes.md": change_note(bake, changes),
                "sbom.cdx.json": bill_of_materials(bake),
            }
        return self._seal(bake.image.id, files | {_PROVENANCE: self._provenance(bake, files)}, previous=None)

    def keep_smoke(self, report: SmokeReport) -> str:
        """Keep a smoke report's JUnit XML on this machine and answer its path; errors as for `FileObjects.put`."""
        name = f"{report.image}/{_smoke(report)}"
        self._local.put(name, self._junit(report))
        return str(self._local.folder / name)

    def add_smoke(self, image: Image, reports: Sequence[SmokeReport]) -> str:
        """Add smoke reports to an image's evidence; answer the digest that takes the place of the one in its tag."""
        files = {_smoke(report): self._junit(report) for report in reports}
        return self._seal(image.id, files, previous=image.tags.get(TAG_EVIDENCE))

    def packages(self, image: Image) -> PackageLists | None:
        """Fetch an image's package lists, verified; None where it has none, or they are in no place that is read here.

        Raises:
            NotPossible: they are not what was written.
        """
        found = self._find(image, _PACKAGES, self._listed(image))
        if isinstance(found, bytes):
            return _read(found)
        if found.proof is Proof.MISSING:
            return None
        raise NotPossible(found.why, hint="trust nothing of this image; bake it anew with: rebake bake --force")

    def provenance(self, image: Image) -> Provenance:
        """Tell how an image came to be, and what these words are worth; errors are those of its places and the key.

        The files that they name are fetched: words about files that are not whole are worth nothing.
        """
        index = self._listed(image)
        content = self._find(image, _PROVENANCE, index)
        if isinstance(content, Lacking):
            return Provenance(image=image.id, proof=content.proof, why=content.why)
        try:
            payload, signature = opened(content)
            words = json.loads(payload)
            named = byproducts(words)
            own = vouched(words, image=image.id, key=image.bake_key, listed=index[0])
        except (ValueError, KeyError, TypeError):
            own, words, named, payload, signature = False, {}, {}, b"", None
        proof, why = Proof.TAMPERED, f"The provenance of {image.id} speaks of something else than what is there."
        if own:
            proof, why = self._signed(image.id, payload, signature)
        if proof is not Proof.TAMPERED:
            found = [self._find(image, name, index) for name in named]
            broken = [one for one in found if isinstance(one, Lacking)]
            for one in sorted(broken, key=lambda one: one.proof is Proof.TAMPERED):  # the worse one has the last word
                proof, why = one.proof, one.why
        if proof in {Proof.TAMPERED, Proof.MISSING}:
            return Provenance(image=image.id, proof=proof, why=why)
        return Provenance(image=image.id, proof=proof, why=why, statement=words, key=signature.key if signature else "")

    def keep_survey(self, survey: Survey) -> None:
        """Keep the newest survey of an image; errors as for `FileObjects.put`."""
        self._local.put(f"{survey.image}/survey.json", surveys.written(survey).encode())

    def survey(self, image: ImageId) -> Survey | None:
        """Fetch it; None when none was kept, or by a release of ours that wrote it otherwise: it is taken anew then."""
        try:
            content = self._local.get(f"{image}/survey.json")
            return surveys.read(content.decode()) if content else None
        except (NotPossible, ValueError, KeyError, TypeError):
            return None

    def _provenance(self, bake: Bake, files: Mapping[str, bytes]) -> bytes:
        words = statement(bake, files, region=self._author.region, author=self._author.facts(), version=__version__)
        payload = encoded(self._masker.within(words))
        if self._signer is None:
            return payload
        return encoded(enveloped(payload, self._signer.sign(signed_bytes(payload))))

    def _signed(self, image: ImageId, payload: bytes, signature: Signature | None) -> tuple[Proof, str]:
        if signature is None:
            return Proof.UNSIGNED, f"The provenance of {image} is as it was written, and nobody has signed it."
        if self._signer is None:
            return (
                Proof.UNSIGNED,
                f"{signature.key} is said to have signed {image}, and no key is configured to check it.",
            )
        good = self._signer.verify(signed_bytes(payload), signature)
        if good is None:
            return Proof.UNSIGNED, f"{image} was signed by {signature.key}, which is not the key that is configured."
        if not good:
            return Proof.TAMPERED, f"The signature of {image} by {signature.key} is false."
        return Proof.VERIFIED, f"{image} was signed by {signature.key}."

    def _seal(self, image: ImageId, files: Mapping[str, bytes], *, previous: str | None) -> str:
        """Write files, then the manifest of them: where this is cut short, the tag says what it said before."""
        words = {"format": _FORMAT, "image": image, "previous": previous}
        manifest = encoded({**words, "files": {name: _digest(content) for name, content in files.items()}})
        digest = _digest(manifest)
        for place in self._places:
            for name, content in (*files.items(), (_manifest(digest), manifest)):
                place.put(f"{image}/{name}", content)
        return digest

    def _find(self, image: Image, name: str, index: tuple[Mapping[str, str], Lacking]) -> bytes | Lacking:
        listed, lacking = index
        return self._fetch(image.id, name, listed[name]) if name in listed else lacking

    def _listed(self, image: Image) -> tuple[Mapping[str, str], Lacking]:
        """Read the manifests, newest first, each as the tag or the one after it says, as far back as they can be had.

        Answer the digests by file, and why there is nothing of any other.
        """
        listed: dict[str, str] = {}
        link = image.tags.get(TAG_EVIDENCE)
        while link:
            manifest = self._fetch(image.id, _manifest(link), link)
            if isinstance(manifest, Lacking):
                return listed, manifest
            try:
                words = json.loads(manifest)
                if words["image"] != image.id:
                    why = f"The evidence of {image.id} is that of {words['image']}."
                    return {}, Lacking(proof=Proof.MISSING, why=why)
                listed, link = {**words["files"], **listed}, words["previous"]
            except (ValueError, KeyError, TypeError):
                return listed, Lacking(proof=Proof.TAMPERED, why=f"{_manifest(link)} of {image.id} is no manifest.")
        return listed, Lacking(proof=Proof.MISSING, why=f"No such evidence was kept of {image.id}.")

    def _fetch(self, image: ImageId, name: str, digest: str) -> bytes | Lacking:
        """Fetch a file from the first place that has it as it was written."""
        proof, why = Proof.MISSING, f"{name} of {image} is in no place that is read here"
        for place in self._places:
            content = place.get(f"{image}/{name}")
            if content is not None and _digest(content) == digest:
                return content
            if content is not None:
                proof, why = Proof.TAMPERED, f"{name} of {image} is not what was written"
        return Lacking(proof=proof, why=f"{why}.")

    def _own_lists(self, image: ImageId) -> PackageLists:
        content = self._local.get(f"{image}/{_PACKAGES}")
        try:
            return _read(content) if content else PackageLists()
        except NotPossible:
            return PackageLists()

    def _junit(self, report: SmokeReport) -> bytes:
        return self._masker.mask(report.junit).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(digest: str) -> str:
    return f"manifest-{digest}.json"


def _smoke(report: SmokeReport) -> str:
    return f"smoke-{report.instance}.xml"


def _written(lists: PackageLists) -> bytes:
    before, after = ([[one.name, one.version] for one in part] for part in (lists.before, lists.after))
    fixes = [asdict(fix) for fix in lists.fixes]
    words = {"format": _FORMAT, "system": lists.system, "before": before, "after": after, "fixes": fixes}
    return (json.dumps(words, indent=1) + "\n").encode()


def _read(content: bytes) -> PackageLists:
    """Read package lists.

    Raises:
        NotPossible: they are none that `_written` wrote.
    """
    try:
        words: dict[str, Any] = json.loads(content)
        before, after = (
            tuple(Package(name=str(name), version=str(version)) for name, version in words[part])
            for part in ("before", "after")
        )
        fixes = tuple(
            Fix(package=one["package"], advisories=tuple(one["advisories"]), cves=tuple(one["cves"]))
            for one in words["fixes"]
        )
        return PackageLists(before=before, after=after, fixes=fixes, system=str(words["system"]))
    except (ValueError, KeyError, TypeError) as error:
        raise NotPossible(f"These are no package lists: {error}.", hint="bake the image anew") from error
