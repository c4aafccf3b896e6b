"""Galleries on a link: how specs, deltas, probes and sealed scores become messages, and back.

Belongs here: the form, and refusing anything else. Does not belong here: sockets, what is done with it.

Numbers by the thousand (rows, lengths) and bytes travel as blobs, little-endian uint32, because the head of a message is small
JSON. A delta may be larger than a message (1,000,000 references of 192 dimensions are 768 MB under `plain`), so that its
payloads go ahead in parts, and the message that ends it names how many there were.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from moretta.core.errors import RequestInvalid
from moretta.core.gallery import GalleryDelta, GallerySpec, SegmentInfo
from moretta.core.protection import ProtectedProbe, Scheme, SealedScores
from moretta.core.recognition import REGION
from moretta.links.frames import Json, Message
from moretta.nodes.galleries import SAFE_ID

POSITION, HELD, LACKS, KEEP = "node.position", "node.held", "node.lacks", "node.keep"
PART, APPLY, COMPARE, DROP = "node.part", "node.apply", "node.compare", "node.drop"
DONE, ABSENT = "node.done", "node.absent"

# Small enough that a slow link is not held for long by one message, large enough that a part's own cost does not count.
PART_BYTES = 16 * 2**20

_MODEL = re.compile(r"[\w.:+-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIMENSIONS = 1 << 14
_SEGMENT_BYTES = 256 * 2**20
SEQUENCE_MAX = 1 << 62


def spec_fields(spec: GallerySpec) -> dict[str, Json]:
    """A spec as fields."""
    return {
        "collection": spec.collection_id,
        "scheme": spec.scheme.value,
        "model": spec.model_id,
        "dimension": spec.dimension,
        "key": spec.key_id,
        "regions": sorted(spec.regions),
    }


def spec_in(fields: Mapping[str, Json]) -> GallerySpec:
    """The spec in a message's fields. Raises `RequestInvalid`, as all readers here do."""
    regions = texts(fields, "regions", REGION)
    return GallerySpec(
        text(fields, "collection", SAFE_ID),
        _scheme(fields),
        text(fields, "model", _MODEL),
        number(fields, "dimension", 1, _DIMENSIONS),
        text(fields, "key", SAFE_ID),
        frozenset(regions),
    )


def parts_of(delta: GalleryDelta, token: str, part_bytes: int = PART_BYTES) -> Iterator[Message]:
    """The payloads of a delta, in messages of about `part_bytes`; each may be sent twice."""
    batch: list[tuple[int, bytes]] = []
    size = sent = 0
    for row, payload in delta.added:
        batch.append((row, payload))
        size += len(payload)
        if size >= part_bytes:
            yield _part(delta.spec, token, sent, batch)
            batch, size, sent = [], 0, sent + 1
    if batch:
        yield _part(delta.spec, token, sent, batch)


def _part(spec: GallerySpec, token: str, place: int, batch: Sequence[tuple[int, bytes]]) -> Message:
    fields = spec_fields(spec) | {"token": token, "place": place}
    rows = packed([row for row, _ in batch])
    return Message(PART, fields, (rows, packed([len(entry) for _, entry in batch]), b"".join(e for _, e in batch)))


def added_in(part: Message) -> tuple[tuple[int, bytes], ...]:
    """The rows and payloads of one part.

    Raises:
        RequestInvalid: rows, lengths and payloads do not fit together.
    """
    rows, lengths, content = numbers(part, 0), numbers(part, 1), blob(part, 2)
    ends = np.cumsum(lengths, dtype=np.int64)
    if rows.size != lengths.size or (int(ends[-1]) if ends.size else 0) != len(content):
        raise RequestInvalid("expected a length for each row that together make the payloads")
    cut = zip(rows.tolist(), (ends - lengths).tolist(), ends.tolist(), strict=True)
    return tuple((row, content[start:end]) for row, start, end in cut)


def apply_message(delta: GalleryDelta, token: str, parts: int) -> Message:
    """The message that ends a delta whose payloads went ahead in `parts` parts."""
    fields = spec_fields(delta.spec) | {
        "since": delta.since,
        "sequence": delta.sequence,
        "token": token,
        "parts": parts,
        # A delta from 0 replaces the gallery and all of its files, whatever was dropped before.
        "dropped": list(delta.dropped_segments) if delta.since else [],
    }
    listed, rows = segments_fields(delta.segments)
    blobs = (packed(delta.removed), rows, packed(delta.excluded), packed(delta.settled))
    return Message(APPLY, fields | listed, blobs)


def delta_in(message: Message, added: tuple[tuple[int, bytes], ...]) -> GalleryDelta:
    """The delta that the message ends."""
    fields = message.fields
    since = number(fields, "since", 0, SEQUENCE_MAX)
    return GalleryDelta(
        spec_in(fields),
        since,
        number(fields, "sequence", since, SEQUENCE_MAX),
        added,
        tuple(numbers(message, 0).tolist()),
        segments_in(message, 1),
        texts(fields, "dropped", SAFE_ID),
        tuple(numbers(message, 2).tolist()),
        tuple(numbers(message, 3).tolist()),
    )


def segments_fields(segments: Sequence[SegmentInfo]) -> tuple[dict[str, Json], bytes]:
    """Segments as fields, and a blob of their rows."""
    listed: list[Json] = [[info.segment_id, info.sha256, info.length, int(info.rows.size)] for info in segments]
    return {"segments": listed}, b"".join(np.ascontiguousarray(info.rows, "<u4").tobytes() for info in segments)


def segments_in(message: Message, place: int) -> tuple[SegmentInfo, ...]:
    """The segments that a message lists, with their rows from the blob at `place`."""
    rows, found, start = numbers(message, place), [], 0
    listed = message.fields.get("segments")
    for entry in listed if isinstance(listed, list) else _refuse("segments"):
        if not isinstance(entry, list) or len(entry) != 4:
            _refuse("segments")
        one = dict(zip(("id", "sha256", "length", "count"), entry, strict=True))
        count = number(one, "count", 0, rows.size - start)
        own = rows[start : start + count]
        start += count
        length = number(one, "length", 1, _SEGMENT_BYTES)
        found.append(SegmentInfo(text(one, "id", SAFE_ID), own, text(one, "sha256", _SHA256), length))
    if start != rows.size:
        _refuse("segments")
    return tuple(found)


def compare_message(spec: GallerySpec, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None) -> Message:
    """A comparison as a message."""
    fields = spec_fields(spec) | {
        "threshold": threshold,
        "only": only is not None,
        "probe": {"scheme": probe.scheme.value, "model": probe.model_id, "key": probe.key_id},
    }
    return Message(COMPARE, fields, (probe.payload, packed(only or ())))


def comparison_in(message: Message) -> tuple[GallerySpec, ProtectedProbe, float, list[int] | None]:
    """What `compare_message` made."""
    fields, told = message.fields, message.fields.get("probe")
    if not isinstance(told, Mapping):
        _refuse("probe")
    probe = ProtectedProbe(_scheme(told), text(told, "model", _MODEL), text(told, "key", SAFE_ID), blob(message, 0))
    only = numbers(message, 1).tolist() if fields.get("only") is True else None
    return spec_in(fields), probe, _fraction(fields, "threshold"), only


def scores_message(sealed: SealedScores) -> Message:
    """Sealed scores as a message."""
    fields: dict[str, Json] = {
        "scheme": sealed.scheme.value,
        "model": sealed.model_id,
        "key": sealed.key_id,
        "threshold": sealed.threshold,
    }
    rows = np.ascontiguousarray(sealed.rows, "<u4").tobytes()
    return Message(DONE, fields, (rows, np.packbits(sealed.counted).tobytes(), sealed.payload))


def scores_in(message: Message) -> SealedScores:
    """What `scores_message` made.

    Raises:
        RequestInvalid: the message has another form.
    """
    fields, rows = message.fields, numbers(message, 0)
    bits = np.frombuffer(blob(message, 1), np.uint8)
    if bits.size != (rows.size + 7) // 8:
        raise RequestInvalid("expected one bit for each row")
    counted = np.unpackbits(bits, count=rows.size).astype(np.bool_)
    return SealedScores(
        _scheme(fields),
        text(fields, "model", _MODEL),
        text(fields, "key", SAFE_ID),
        _fraction(fields, "threshold"),
        rows,
        counted,
        blob(message, 2),
    )


def packed(values: Sequence[int]) -> bytes:
    """Numbers as a blob."""
    return np.asarray(values, "<u4").tobytes()


def numbers(message: Message, place: int) -> npt.NDArray[np.uint32]:
    """The numbers in the blob at `place`.

    Raises:
        RequestInvalid: there is no such blob, or its length is no multiple of four bytes.
    """
    content = blob(message, place)
    if len(content) % 4:
        raise RequestInvalid("expected numbers of four bytes")
    return np.frombuffer(content, "<u4").astype(np.uint32, copy=False)


def blob(message: Message, place: int) -> bytes:
    """The blob at `place`.

    Raises:
        RequestInvalid: the message has fewer.
    """
    if place >= len(message.blobs):
        raise RequestInvalid(f"expected more than {len(message.blobs)} attachments")
    return message.blobs[place]


def text(fields: Mapping[str, Json], name: str, form: re.Pattern[str]) -> str:
    """A text of the given form."""
    value = fields.get(name)
    return value if isinstance(value, str) and form.fullmatch(value) else _refuse(name)


def texts(fields: Mapping[str, Json], name: str, form: re.Pattern[str]) -> tuple[str, ...]:
    """Texts of the given form."""
    values = fields.get(name)
    if not isinstance(values, list):
        _refuse(name)
    return tuple(text({name: value}, name, form) for value in values)


def number(fields: Mapping[str, Json], name: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    value = fields.get(name)
    return value if type(value) is int and least <= value <= most else _refuse(name)


def _fraction(fields: Mapping[str, Json], name: str) -> float:
    value = fields.get(name)
    return float(value) if type(value) in (int, float) and -2.0 <= value <= 2.0 else _refuse(name)  # type: ignore[operator,arg-type]


def _scheme(fields: Mapping[str, Json]) -> Scheme:
    value = fields.get("scheme")
    return Scheme(value) if value in {scheme.value for scheme in Scheme} else _refuse("scheme")


def _refuse(name: str) -> NoReturn:
    raise RequestInvalid(f"the message's {name} has another form than a node's messages have")
