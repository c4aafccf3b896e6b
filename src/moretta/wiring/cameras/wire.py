"""What the door asks a camera's reader and what that answers, as JSON, strictly checked.

Belongs here: the shapes. Does not belong here: reading.
"""

import math
from dataclasses import dataclass, field
from functools import cache

from pydantic import TypeAdapter

from moretta.core.cameras import SourceKind
from moretta.sandbox.slots import Picture
from moretta.wiring.wire import not_a_result, parsed


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """How to read the descriptor that comes with it.

    `rate`: pictures a second. `paced`: recordings in their own time; otherwise as fast as pictures are taken from the memory, and
    none is dropped. `host`, `port`, `tls`, `target`, `user`, `password`: as `CameraSource`. `challenge`: what the camera asked
    when it closed the last connection.
    """

    kind: SourceKind
    rate: float
    most_pixels: int
    paced: bool = True
    host: str = ""
    port: int = 0
    tls: bool = False
    target: str = field(default="/", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    challenge: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture lies in the memory: where, and its time in seconds since the first. `dropped`: how many found no free place."""

    picture: Picture
    time_s: float
    dropped: int = 0


@cache
def _requests() -> TypeAdapter[ReadRequest]:
    return TypeAdapter(ReadRequest)


@cache
def _taken() -> TypeAdapter[Taken]:
    return TypeAdapter(Taken)


def read_request_json(request: ReadRequest) -> bytes:
    """`request` as JSON."""
    return _requests().dump_json(request)


def parse_read_request(raw: bytes) -> ReadRequest:
    """The request in `raw`."""
    return parsed(_requests(), raw)


def taken_json(taken: Taken) -> bytes:
    """`taken` as JSON."""
    return _taken().dump_json(taken)


def parse_taken(raw: bytes) -> Taken:
    """What a reader said, who may be anybody by now. Raises `WorkerLost`: something else."""
    taken = parsed(_taken(), raw)
    if not (math.isfinite(taken.time_s) and 0 <= taken.time_s < 2**40 and 0 <= taken.dropped < 2**31):
        raise not_a_result()
    return taken
