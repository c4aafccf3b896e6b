"""What is said to and between parties, as messages of a link: kinds, and fields read with their types checked.

Belongs here: names and forms. Does not belong here: what a party does with them.
"""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.gallery import GallerySpec
from moretta.core.protection import Rows, Scheme
from moretta.links.frames import Json, Message

POSITION, STAGE, COMMIT, COMPARE = "shares.position", "shares.stage", "shares.commit", "shares.compare"
CHECK, ROWS, DROP, KEY = "shares.check", "shares.rows", "shares.drop", "shares.key"
STATUS, PREPARE, SWITCH = "shares.status", "shares.prepare", "shares.switch"
BAR, DISCARD, RESTORE = "shares.bar", "shares.discard", "shares.restore"
COPY, LIST = "shares.copy", "shares.list"

Value = TypeVar("Value", str, int, float)


def spec_fields(spec: GallerySpec) -> dict[str, Json]:
    """A gallery as a message's fields."""
    return {
        "collection": spec.collection_id,
        "model": spec.model_id,
        "dimension": spec.dimension,
        "key": spec.key_id,
        "regions": sorted(spec.regions),
    }


def spec_in(message: Message) -> GallerySpec:
    """The gallery that a message is about. Raises `RequestInvalid`."""
    regions = message.fields.get("regions")
    if not isinstance(regions, list) or not all(isinstance(region, str) for region in regions):
        raise malformed(message)
    return GallerySpec(
        value_in(message, "collection", str),
        Scheme.SHARES,
        value_in(message, "model", str),
        value_in(message, "dimension", int),
        value_in(message, "key", str),
        frozenset(regions),
    )


def value_in(message: Message, name: str, kind: type[Value]) -> Value:
    """A field of one type. Raises `RequestInvalid`."""
    value = message.fields.get(name)
    if kind is float and type(value) is int:
        return kind(value)
    if type(value) is not kind:
        raise malformed(message)
    return value


def id_in(message: Message, name: str) -> bytes:
    """A field of 16 bytes as hexadecimal digits. Raises `RequestInvalid`."""
    try:
        some_id = bytes.fromhex(value_in(message, name, str))
    except ValueError:
        some_id = b""
    if len(some_id) != 16:
        raise malformed(message)
    return some_id


def rows_in(message: Message, place: int) -> Rows:
    """The row numbers in a blob. Raises `RequestInvalid`."""
    if place >= len(message.blobs) or len(message.blobs[place]) % 4:
        raise malformed(message)
    return np.frombuffer(message.blobs[place], "<u4").astype(np.uint32)


def row_bytes(rows: Iterable[int] | Rows) -> bytes:
    """Row numbers as a blob."""
    numbers = rows if isinstance(rows, np.ndarray) else np.fromiter(rows, np.uint32)
    return numbers.astype("<u4").tobytes()


def galleries_in(answer: Message) -> dict[tuple[str, str], tuple[int, int]]:
    """Dimension and sequence of each gallery (collection, key) that a party lists.

    Raises:
        NodeUnavailable: it answered something else.
    """
    listed = answer.fields.get("galleries")
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for entry in listed if isinstance(listed, list) else [None]:
        if not isinstance(entry, list) or [type(part) for part in entry] != [str, str, int, int]:
            raise NodeUnavailable(
                "a party answered with something else than the list of its galleries; check its version"
            )
        found[entry[0], entry[1]] = (entry[2], entry[3])
    return found


def malformed(message: Message) -> RequestInvalid:
    """The error for a message that is none of this version's."""
    return RequestInvalid(f"expected another form of the message {message.kind[:40]!r}; run one version on all sides")
