"""A witness at work: where it gets checkpoints, what it remembers, and whom it tells.

Belongs here: sources, the folder of its state, and one round. Does not belong here: the decision (see `ledger.witness`).

    witness.key       its Ed25519 private key (32 bytes), made on first use
    seen-<hex>        the last checkpoint of a log, by its name
    evidence-<hex>    two checkpoints of a log that was rewritten

What it saw is durable before it signs: a witness that dies in between signs the same checkpoint again, and never one that
contradicts it.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from moretta.core.clock import Clock
from moretta.core.errors import KeyUnusable, NodeUnavailable, ProofRejected, RequestInvalid
from moretta.core.merkle import HASH_BYTES
from moretta.core.notes import COSIGNATURE, MAX_NOTE_BYTES, Note, NoteKey, cosignature
from moretta.core.signing import from_base64
from moretta.keys.private_files import folder_lock, private_folder, read_private, write_private
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.ledger.witness import Evidence, observe
from moretta.links.http import HttpAddress, call

_SEED_BYTES = 32
_OLD = "old "


class LogSource(Protocol):
    """A log as a witness meets it."""

    def checkpoint(self) -> str:
        """The note that it shows now. Raises `NodeUnavailable`."""

    def prove(self, first: int, size: int) -> Sequence[bytes]:
        """Its proof of consistency. Raises `NodeUnavailable`."""

    def deliver(self, size: int, line: str, key: NoteKey) -> None:
        """Hand it the witness's line."""


class FileSource:
    """A checkpoint in a file, alone or after its proof: `old SIZE`, the hashes a line each, an empty line (C2SP tlog-witness).

    `moretta log checkpoint --since SIZE` writes that. The witness's line is kept beside its state only.
    """

    def __init__(self, content: str) -> None:
        self._proof: tuple[int, list[str]] | None = None
        self._note = content
        if content.startswith(_OLD):
            head, _, self._note = content.partition("\n\n")
            first, *hashes = head.split("\n")
            size = first.removeprefix(_OLD)
            if not size.isdecimal() or len(size) > 19:
                raise ProofRejected("expected `old` and a size before a proof")
            self._proof = (int(size), hashes)

    def checkpoint(self) -> str:
        """As `LogSource.checkpoint`."""
        return self._note

    def prove(self, first: int, size: int) -> Sequence[bytes]:
        """As `LogSource.prove`."""
        if self._proof is None or self._proof[0] != first:
            raise NodeUnavailable(
                f"expected a proof from the {first} entries that were seen last; `moretta log checkpoint --since {first}` "
                "writes one"
            )
        return [from_base64(one, HASH_BYTES) for one in self._proof[1]]

    def deliver(self, size: int, line: str, key: NoteKey) -> None:
        """As `LogSource.deliver`."""


class HttpSource:
    """The `/v1/log` of a service. `token` is an API key; it needs the scope `admin` where the witness's lines are delivered."""

    def __init__(self, address: HttpAddress, token: str, region: str | None = None, timeout_s: float = 30.0) -> None:
        self._address, self._headers, self._timeout_s = address, {"Authorization": f"Bearer {token}"}, timeout_s
        self._region = f"region={region}" if region else ""

    def checkpoint(self) -> str:
        """As `LogSource.checkpoint`."""
        try:
            return self._get("/v1/log/checkpoint", "").decode()
        except UnicodeDecodeError:
            raise _no_answer() from None

    def prove(self, first: int, size: int) -> Sequence[bytes]:
        """As `LogSource.prove`."""
        try:
            answer = json.loads(self._get("/v1/log/proof/consistency", f"first={first}&size={size}"))
            return [from_base64(one, HASH_BYTES) for one in answer["hashes"]]
        except (ValueError, KeyError, TypeError, ProofRejected):
            raise _no_answer() from None

    def deliver(self, size: int, line: str, key: NoteKey) -> None:
        """As `LogSource.deliver`."""
        body = json.dumps({"size": size, "line": line, "key": key.text()}).encode()
        headers = self._headers | {"Content-Type": "application/json"}
        target = f"/v1/log/cosignatures?{self._region}"
        answer = call(self._address, "POST", target, headers, body, self._timeout_s)
        if answer.status != 204:
            raise NodeUnavailable(
                f"the log did not take the witness's line (status {answer.status}); its key needs `admin`"
            )

    def _get(self, path: str, query: str) -> bytes:
        asked = "&".join(part for part in (query, self._region) if part)
        answer = call(self._address, "GET", f"{path}?{asked}", self._headers, timeout_s=self._timeout_s)
        if answer.status != 200:
            raise NodeUnavailable(f"the log answered with status {answer.status}; check its address and the API key")
        return answer.body


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint that was signed: `line` is the witness's own."""

    note: Note
    line: str


@dataclass(frozen=True, slots=True)
class CriedOut:
    """A log that was rewritten; `file` holds the evidence."""

    evidence: Evidence
    file: Path


class Witness:
    """Remembers in a folder, which it shares with no other process while it works.

    Args:
        folder: made with mode 0700 where it is not there.
        name: under which it signs.
        keys: of the log that it watches, under the log's name.
        clock: tells when it saw something.

    Raises:
        KeyUnusable: the folder or its key cannot be used.
    """

    def __init__(self, folder: Path, name: str, keys: Sequence[NoteKey], clock: Clock) -> None:
        if len({key.name for key in keys}) != 1:
            raise RequestInvalid("expected the keys of one log")
        self._folder, self._name, self._keys, self._clock = private_folder(folder), name, keys, clock
        log = hashlib.sha256(keys[0].name.encode()).hexdigest()[:16]
        self._seen = self._folder / f"seen-{log}"
        with folder_lock(self._folder):
            self._signer = SeedSigner(self._seed())

    def key(self) -> NoteKey:
        """Its public key."""
        return NoteKey(self._name, self._signer.public_key, COSIGNATURE)

    def look(self, source: LogSource) -> Witnessed | CriedOut:
        """Look at the log once. Raises as `ledger.witness.observe`."""
        with folder_lock(self._folder):
            remembered = read_private(self._seen, MAX_NOTE_BYTES)
            seen = None if remembered is None else remembered.decode()
            presented = source.checkpoint()
            found = observe(seen, presented, self._keys, is_signed_by, source.prove)
            if isinstance(found, Evidence):
                return CriedOut(found, self._kept(found))
            write_private(self._seen, presented.encode())
            line = cosignature(found, self._name, int(self._clock().timestamp()), self._signer).line()
        source.deliver(found.size, line, self.key())
        return Witnessed(found, line)

    def _kept(self, evidence: Evidence) -> Path:
        content = evidence.text().encode()
        file = self._folder / f"evidence-{hashlib.sha256(content).hexdigest()[:16]}.json"
        write_private(file, content)
        return file

    def _seed(self) -> bytes:
        file = self._folder / "witness.key"
        seed = read_private(file)
        if seed is None:
            seed = secrets.token_bytes(_SEED_BYTES)
            write_private(file, seed)
        if len(seed) != _SEED_BYTES:
            raise KeyUnusable("the witness's key file is cut off; put it back from a copy")
        return seed


def _no_answer() -> NodeUnavailable:
    return NodeUnavailable("the log's server answered with something that is no proof; try again")
