"""What a key holder is asked and answers over a link, as messages.

Belongs here: the form of each message, and refusing anything else. Does not belong here: who may ask, sockets.

Each message has exactly the fields and attachments that its kind has. Rows travel as little-endian uint32, counted positions as
bits: a million sealed scores are 4 MB and 125 kB beside their ciphertexts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import numpy as np

from moretta.core.errors import RequestInvalid
from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, ProtectionTerms, Scheme, SealedScores
from moretta.links.frames import Json, Message

ACTIVE, WRAP, UNWRAP = "keys.active", "keys.wrap", "keys.unwrap"
ROTATE, DESTROY, LIST = "keys.rotate", "keys.destroy", "keys.list"
CREATE, TERMS, OPEN, PACK, REPACK = "holder.create", "holder.terms", "holder.open", "holder.pack", "holder.repack"
REISSUE, REISSUE_SEGMENT, SUCCESSOR = "holder.reissue", "holder.reissue-segment", "holder.successor"
REVEAL, PROBES = "holder.reveal", "holder.probes"
FORGET, HELD, REWRAP = "holder.destroy", "holder.keys", "holder.rewrap"
DONE = "done"

_TEXT = 200
# Far more than a key holder tells or takes at once; a number that is larger is no honest one.
_ROWS = 1 << 32


class Fields:
    """The fields of a message, read by name and kind; `end` says that there was nothing else.

    All readers raise `RequestInvalid` for what is missing or of another kind.
    """

    def __init__(self, message: Message, blobs: int | None) -> None:
        self._fields, self._left = message.fields, set(message.fields)
        if blobs is not None and len(message.blobs) != blobs:
            raise RequestInvalid(f"expected {blobs} attachments, got {len(message.blobs)}")

    def text(self, name: str) -> str:
        """A text of at most 200 characters."""
        value = self._taken(name)
        return value if isinstance(value, str) and len(value) <= _TEXT else _refuse(name)

    def number(self, name: str) -> float:
        """A finite number."""
        return _finite(name, self._taken(name))

    def whole(self, name: str) -> int:
        """A whole number of 0 to 2^32."""
        return _whole(name, self._taken(name))

    def scheme(self) -> Scheme:
        """A protection scheme."""
        value = self._taken("scheme")
        return Scheme(value) if value in tuple(Scheme) else _refuse("scheme")

    def texts(self, name: str) -> tuple[str, ...]:
        """Texts."""
        return tuple(value if isinstance(value, str) else _refuse(name) for value in self._listed(name))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Finite numbers."""
        return tuple(_finite(name, value) for value in self._listed(name))

    def wholes(self, name: str) -> list[int]:
        """Whole numbers."""
        return [_whole(name, value) for value in self._listed(name)]

    def whole_lists(self, name: str) -> list[list[int]]:
        """Lists of whole numbers."""
        lists = self._listed(name)
        return [
            [_whole(name, value) for value in inner] if isinstance(inner, list) else _refuse(name) for inner in lists
        ]

    def end(self) -> None:
        """No field may be left unread."""
        if self._left:
            raise RequestInvalid("the message has fields that its kind does not have")

    def _listed(self, name: str) -> Sequence[Json]:
        value = self._taken(name)
        return value if isinstance(value, list) else _refuse(name)

    def _taken(self, name: str) -> Json:
        if name not in self._left:
            _refuse(name)
        self._left.discard(name)
        return self._fields[name]


def terms_message(terms: ProtectionTerms) -> Message:
    """Protection terms as an answer."""
    fields: Mapping[str, Json] = {
        "scheme": terms.scheme.value,
        "model": terms.model_id,
        "dimension": terms.dimension,
        "key": terms.key_id,
    }
    return Message(DONE, fields, (terms.material,))


def terms_in(message: Message) -> ProtectionTerms:
    """What `terms_message` made."""
    fields = Fields(message, blobs=1)
    scheme, model, dimension = fields.scheme(), fields.text("model"), fields.whole("dimension")
    terms = ProtectionTerms(scheme, model, dimension, fields.text("key"), message.blobs[0])
    fields.end()
    return terms


def references_message(kind: str, key_id: str, references: Sequence[StoredReference]) -> Message:
    """Stored references as a request; slot 0 of a segment is 1, and 0 means a reference that stands alone."""
    slots: Json = [0 if reference.slot is None else reference.slot + 1 for reference in references]
    return Message(kind, {"key": key_id, "slots": slots}, tuple(reference.content for reference in references))


def references_in(message: Message) -> tuple[str, list[StoredReference]]:
    """What `references_message` made.

    Raises:
        RequestInvalid: the message has another form.
    """
    fields = Fields(message, blobs=None)
    key_id, slots = fields.text("key"), fields.wholes("slots")
    fields.end()
    if len(slots) != len(message.blobs):
        raise RequestInvalid("expected a slot for each reference")
    return key_id, [
        StoredReference(content, slot - 1 if slot else None) for content, slot in zip(message.blobs, slots, strict=True)
    ]


def open_message(sealed: SealedScores, terms: OpenTerms) -> Message:
    """Sealed scores, and how to open them, as a request."""
    fields: Mapping[str, Json] = {
        "scheme": sealed.scheme.value,
        "model": sealed.model_id,
        "key": sealed.key_id,
        "compared_at": sealed.threshold,
        "threshold": terms.threshold,
        "limit": terms.limit,
        "bands": list(terms.bands),
    }
    rows = np.ascontiguousarray(sealed.rows, "<u4").tobytes()
    return Message(OPEN, fields, (rows, np.packbits(sealed.counted).tobytes(), sealed.payload))


def open_request_in(message: Message) -> tuple[SealedScores, OpenTerms]:
    """What `open_message` made.

    Raises:
        RequestInvalid: the message has another form.
    """
    fields = Fields(message, blobs=3)
    scheme, model, key, compared_at = (
        fields.scheme(),
        fields.text("model"),
        fields.text("key"),
        fields.number("compared_at"),
    )
    terms = OpenTerms(fields.number("threshold"), fields.whole("limit"), fields.numbers("bands"))
    fields.end()
    rows_bytes, bits, payload = message.blobs
    if len(rows_bytes) % 4 or len(bits) != (len(rows_bytes) // 4 + 7) // 8:
        raise RequestInvalid("expected rows of four bytes, and one bit for each")
    rows = np.frombuffer(rows_bytes, "<u4").astype(np.uint32, copy=False)
    counted = np.unpackbits(np.frombuffer(bits, np.uint8), count=rows.size).view(np.bool_)
    return SealedScores(scheme, model, key, compared_at, rows, counted, payload), terms


def opened_message(opened: Sequence[Opened]) -> Message:
    """Matches as an answer: rows, ranks and bands, and nothing that a score could hide in."""
    fields: Mapping[str, Json] = {
        "rows": [match.row for match in opened],
        "ranks": [match.rank for match in opened],
        "bands": [-1 if match.band is None else match.band for match in opened],
    }
    return Message(DONE, fields)


def opened_in(message: Message) -> list[Opened]:
    """What `opened_message` made.

    Raises:
        RequestInvalid: the message has another form.
    """
    fields = Fields(message, blobs=0)
    rows, ranks, bands = fields.wholes("rows"), fields.wholes("ranks"), fields.numbers("bands")
    fields.end()
    if not len(rows) == len(ranks) == len(bands):
        raise RequestInvalid("expected a rank and a band for each row")
    told = zip(rows, ranks, bands, strict=True)
    return [Opened(row, rank, None if band < 0 else int(band)) for row, rank, band in told]


def batches(payloads: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """`payloads` in order, in runs of about `size` bytes."""
    start = held = 0
    for end, payload in enumerate(payloads, start=1):
        held += len(payload)
        if held >= size:
            yield payloads[start:end]
            start, held = end, 0
    if start < len(payloads):
        yield payloads[start:]


def _finite(name: str, value: Json) -> float:
    # An int may be too large for a float, and is compared without becoming one.
    if (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) <= _ROWS):
        return float(value)
    return _refuse(name)


def _whole(name: str, value: Json) -> int:
    return value if type(value) is int and 0 <= value <= _ROWS else _refuse(name)


def _refuse(name: str) -> NoReturn:
    raise RequestInvalid(f"the message's {name} has another form than a key holder's messages have")
