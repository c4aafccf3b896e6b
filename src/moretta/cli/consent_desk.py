"""What the commands about consent share: consents opened in this process, and files read.

Belongs here: opening, reading. Does not belong here: any one command.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.opened import opened_here
from moretta.core.consent import Notice
from moretta.core.errors import NotFound, RequestInvalid
from moretta.use_cases.consent.facade import Consents

# Who recorded a form on paper, where no API key did.
TERMINAL = "cli"
_PIECE = 1 << 20

Language = Annotated[
    str | None, typer.Option(help="Which of the collection's notices, by its language; needed where it has several.")
]


@dataclass(frozen=True, slots=True)
class ConsentDesk:
    """Consent as a command meets it."""

    consents: Consents
    company_id: str

    def shown(self, collection_id: str, language: str | None) -> Notice:
        """The notice that the collection shows in that language, or its only one.

        Raises:
            NotFound: there is none.
            RequestInvalid: there are several.
        """
        found = self.consents.shown(self.company_id, collection_id)
        if language is not None:
            found = [one for one in found if one.language == language]
        if not found:
            raise NotFound("expected a notice that the collection shows; write one with `moretta notice add`")
        if len(found) > 1:
            known = ", ".join(one.language for one in found)
            raise RequestInvalid(f"expected --language, one of {known}: the collection has a notice in each")
        return found[0]


@contextmanager
def opened_consent_desk() -> Iterator[ConsentDesk]:
    """Consents of this deployment, in this process, until the context ends; it works beside a running service."""
    from moretta.wiring.consent import consents_of

    with opened_here() as here:
        yield ConsentDesk(consents_of(here.means, here.settings, here.rights()), here.company_id)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal. Raises `NotFound`."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise NotFound(f"expected the scan of the signed form; it cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def text_of(path: Path) -> str:
    """A text file as it is. Raises `NotFound`, `RequestInvalid`."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise NotFound(f"expected a text file; it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RequestInvalid("expected a text file in UTF-8") from None
