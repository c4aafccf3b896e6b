"""`moretta demo-recognise`: enrol two people, find them in other photos, look at what is stored, erase one, search again.

Belongs here: the story and its words. Does not belong here: any step of recognition; what the store's bytes hold is looked up in
`wiring.stored_bytes`.
"""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moretta.core.consent import Age, Consent, Notice
from moretta.core.consent_proof import PaperProof
from moretta.core.errors import ConsentRequired
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Enrolled, StoreWish
from moretta.settings import Settings
from moretta.use_cases.consent.give import Agreement

if TYPE_CHECKING:
    from moretta import Recogniser

_NOTICE = (
    "This demonstration makes a template of your face, keeps your photo, and finds you in other photos. All of it stays in one "
    "folder of this machine and is deleted with it. You may withdraw at any time."
)
# `shares` needs three parties, which this demo does not start.
_SCHEMES = (Scheme.HE, Scheme.ROTATED, Scheme.PLAIN)
_GLIMPSE = 32


def demo_recognise(
    scheme: Annotated[Scheme, typer.Option(help="How the templates are protected.")] = Scheme.HE,
    keep: Annotated[Path | None, typer.Option(help="Keep what is stored in this new folder, to look at it.")] = None,
) -> None:
    """Enrol two people, find them in other photos, see what is stored, erase one, search again."""
    from moretta.core.errors import RequestInvalid
    from moretta.vision.models import fetch_demo_people

    if scheme not in _SCHEMES:
        raise RequestInvalid(f"expected a scheme out of {', '.join(_SCHEMES)}: the demo starts no parties")
    photos = fetch_demo_people(Settings().media_dir)
    with _folder(keep) as folder:
        holds = _Story(folder, photos, scheme).told()
    if not holds:
        typer.echo("Something did not go as it should; the lines above say where.", err=True)
        raise typer.Exit(1)


class _Story:
    """The demo's steps, each of which says what it saw; `told` says whether all of it was as it should be."""

    def __init__(self, folder: Path, photos: dict[str, Path], scheme: Scheme) -> None:
        self._settings = Settings(data_dir=folder)
        self._folder, self._photos, self._scheme = folder, photos, scheme
        self._names: dict[str, str] = {}
        self._template = b""
        self._people: Recogniser
        self._notice: Notice
        self._holds = True

    def told(self) -> bool:
        """Tell the story from beginning to end; False where a step saw something else than it should."""
        from moretta import Recogniser

        with Recogniser(self._settings) as people:
            self._people = people
            collection = people.create_collection("demo", purpose="demonstration", scheme=self._scheme)
            typer.echo(f"A collection with the scheme {self._scheme}, for the purpose `demonstration`.\n")
            self._notice = people.consents.add_notice(
                people.company_id, collection.collection_id, language="en", controller="The demonstration", text=_NOTICE
            )
            self._refuse_without_consent(collection)
            obama, _ = self._enrol(collection, "Obama", "obama.jpg"), self._enrol(collection, "Biden", "biden.jpg")
            self._refuse(collection)
            self._search_all(collection, {"obama2.jpg": ["Obama"], "obama3.jpg": ["Obama"]}, ["Obama", "Biden"])
            self._look(collection)
            typer.echo("\nErase Obama.")
            people.delete_person(obama)
            self._search_all(collection, {"obama2.jpg": [], "obama3.jpg": []}, ["Biden"])
            self._look(collection)
        return self._holds

    def _enrol(self, collection: Collection, name: str, photo: str) -> str:
        consent = self._consent(collection, name)
        (outcome,) = self._people.enrol(
            collection, [self._photos[photo]], store=StoreWish.PHOTO, consent_id=consent.consent_id
        )
        if not isinstance(outcome, Enrolled):
            typer.echo(f"{photo}: not enrolled: {outcome.detail}")
            raise typer.Exit(1)
        self._names[outcome.person_id] = name
        typer.echo(
            f"Enrolled {name} from {photo} (quality {outcome.face.quality:.0f} of 100); the photo is kept as well."
        )
        return outcome.person_id

    def _consent(self, collection: Collection, name: str) -> Consent:
        """A made-up consent on paper: public figures did not sign one, and nothing of this leaves the demonstration's folder."""
        paper = PaperProof(hashlib.sha256(f"a made-up form of {name}".encode()).hexdigest(), "demonstration")
        agreement = Agreement(collection.collection_id, self._notice.sha256, paper, age=Age.ADULT, name=name)
        return self._people.consents.give(self._people.company_id, agreement)

    def _refuse_without_consent(self, collection: Collection) -> None:
        try:
            self._people.enrol(collection, [self._photos["obama.jpg"]], name="Obama")
        except ConsentRequired as error:
            self._check(True, f"Without a consent on record nobody is enrolled: {error.code} ({error.legal_ref}).")
        else:
            self._check(False, "Somebody was enrolled without a consent!")

    def _refuse(self, collection: Collection) -> None:
        consent = self._consent(collection, "somebody whose face is cut")
        (outcome,) = self._people.enrol(
            collection, [self._photos["obama_partial_face2.jpg"]], consent_id=consent.consent_id
        )
        refused = not isinstance(outcome, Enrolled)
        told = "" if isinstance(outcome, Enrolled) else outcome.detail
        self._check(
            refused, f"A photo with half a face is refused: {told}." if refused else "Half a face was enrolled!"
        )

    def _search_all(self, collection: Collection, photos: dict[str, list[str]], together: list[str]) -> None:
        typer.echo("")
        for photo, expected in photos.items():
            self._search(collection, photo, self._photos[photo].read_bytes(), expected)
        what = "a made-up group photo (obama2.jpg beside biden.jpg, mirrored and at half its size)"
        self._search(collection, what, self._group_photo(), together)

    def _search(self, collection: Collection, what: str, content: bytes, expected: list[str]) -> None:
        faces = self._people.search(collection, content).faces
        found = [self._names[candidate.person_id] for face in faces for candidate in face.candidates]
        told = " and ".join(found) or "nobody"
        self._check(sorted(found) == sorted(expected), f"In {what}: {told} ({len(faces)} face(s) searched).")

    def _look(self, collection: Collection) -> None:
        from moretta.wiring.stored_bytes import embedding_bytes, files, glimpse, occurrences

        self._people.recognition.repack(self._people.company_id, collection.collection_id)
        typer.echo("\nWhat is on the disk:")
        for path, size in files(self._folder):
            typer.echo(f"  {size:>9,} bytes  {path}")
        segment = next(iter(sorted((self._folder / "segments").iterdir())), None)
        if segment is not None:
            typer.echo(f"  a glimpse of the packed ciphertext: {glimpse(segment, _GLIMPSE)}...")
        template = self._template = self._template or embedding_bytes(self._settings, self._photos["obama.jpg"])
        itself = occurrences(template, [template])
        found = occurrences(template, [path.read_bytes() for path in sorted(self._folder.rglob("*")) if path.is_file()])
        self._check(
            itself > 0 and found == 0,
            f"  Any two neighbouring numbers of Obama's template (float32, {len(template) // 4} numbers), searched for in all of "
            f"these bytes: found {found} times (in the template itself: {itself}).",
        )

    def _group_photo(self) -> bytes:
        from PIL import Image, ImageOps

        with Image.open(self._photos["obama2.jpg"]) as left, Image.open(self._photos["biden.jpg"]) as right:
            half = ImageOps.mirror(right.convert("RGB").resize((right.width // 2, right.height // 2)))
            together = Image.new("RGB", (left.width + half.width, max(left.height, half.height)))
            together.paste(left.convert("RGB"), (0, 0))
            together.paste(half, (left.width, 0))
        out = io.BytesIO()
        together.save(out, "JPEG", quality=90)
        return out.getvalue()

    def _check(self, holds: bool, told: str) -> None:
        self._holds = self._holds and holds
        typer.echo(told if holds else f"{told}  <- not as expected")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True)
        yield keep
        typer.echo(f"\nAll of it is kept in {keep}.")
        return
    with tempfile.TemporaryDirectory(prefix="moretta-demo-") as folder:
        yield Path(folder) / "data"
