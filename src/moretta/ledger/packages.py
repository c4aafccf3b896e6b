"""Packages of an access, checked with nothing but the region's public key.

Belongs here: the check of the archive: its manifest's signature, and that it holds the files of the manifest and no others. Does
not belong here: how a package is made (see `use_cases.rights.access`).
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping

from moretta.core.documents import Trust, Verified
from moretta.core.errors import ProofRejected
from moretta.core.signing import require_signature
from moretta.ledger.proofs import parsed_object

PACKAGE_TYPE = "moretta.access-package.v1"
MANIFEST = "manifest.json"
# A person has a few photos and templates: an archive that unpacks to more was not made by us.
_LARGEST = 2 * 2**30
_PIECE = 1 << 20


def verify_package(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of access packages.

    Raises:
        ProofRejected: another kind of document, altered, or not signed by a key that is trusted.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _verified(archive, trust)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise ProofRejected("expected an archive whose every file can be read, got a damaged one") from None


def _verified(archive: zipfile.ZipFile, trust: Trust) -> Verified:
    manifest = parsed_object(archive.read(MANIFEST))
    if manifest.get("type") != PACKAGE_TYPE:
        raise ProofRejected("expected an access package, got another archive")
    key = require_signature(manifest, trust.keys, trust.check)
    expected = _expected(manifest.get("files"))
    names = [info.filename for info in archive.infolist()]
    if sorted(names) != sorted([*expected, MANIFEST]):
        raise ProofRejected(
            "expected the files of the manifest, each once; files were added to the archive or taken out"
        )
    if sum(info.file_size for info in archive.infolist()) > _LARGEST:
        raise ProofRejected(f"expected an archive of at most {_LARGEST} bytes when unpacked")
    for name, (size, sha256) in expected.items():
        if _digest(archive, name) != (size, sha256):
            raise ProofRejected("a file of the archive was changed after the manifest was signed")
    told = f"{len(expected)} files as they were handed out at {manifest.get('made_at')}"
    return Verified(PACKAGE_TYPE, key, (told,))


def _expected(files: object) -> dict[str, tuple[int, str]]:
    if not isinstance(files, list) or not all(isinstance(one, Mapping) for one in files):
        raise ProofRejected("expected a list of files in the manifest")
    found = {str(one.get("name")): (one.get("size"), one.get("sha256")) for one in files}
    if len(found) != len(files):
        raise ProofRejected("expected each file once in the manifest")
    return {name: (int(size), str(sha256)) for name, (size, sha256) in found.items()}


def _digest(archive: zipfile.ZipFile, name: str) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with archive.open(name) as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            digest.update(piece)
    return size, digest.hexdigest()
