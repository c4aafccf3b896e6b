"""Where a camera's pictures come from, how it does, and what a watching process says of itself.

Belongs here: parsing a source, and the frozen values that doors show. Does not belong here: opening anything, pictures.

    rtsp://user:password@10.0.0.7:554/stream1     RTSP over TCP; rtsps:// by TLS
    http://host/video.mjpg                        motion JPEG; https:// by TLS
    recordings/monday.mp4, recordings/            a file, a folder of files
    /dev/video0                                   a camera of this machine

A source may hold a password: whatever is shown, logged or stored of it is its `place`.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from moretta.core.analysis import ModelUse
from moretta.core.errors import RequestInvalid


class SourceKind(StrEnum):
    """What a source is."""

    RTSP = "rtsp"
    MJPEG = "mjpeg"
    FILE = "file"
    FOLDER = "folder"
    DEVICE = "device"


NETWORK = frozenset({SourceKind.RTSP, SourceKind.MJPEG})
# What ends by itself; everything else goes on until somebody stops it.
RECORDED = frozenset({SourceKind.FILE, SourceKind.FOLDER})
MAX_SOURCE = 2000
# The field of an error in which a reader passes on what a camera asked before it closed the connection.
CHALLENGE = "challenge"

_SCHEMES = {
    "rtsp": (SourceKind.RTSP, False, 554),  # RFC 2326, 3.2
    "rtsps": (SourceKind.RTSP, True, 322),  # RFC 7826, 4.2
    "http": (SourceKind.MJPEG, False, 80),
    "https": (SourceKind.MJPEG, True, 443),
}
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://(?:(?P<user>[^\s:@/]*)(?::(?P<password>[^\s@/]*))?@)?"
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][\x21-\x7e]*)?"
)
_DEVICE = re.compile(r"/dev/video[0-9]{1,3}")
_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class CameraSource:
    """A parsed source. `path` is set of what lies on this machine; `host`, `port`, `tls`, `target`, `user` and `password` of what
    is reached by the network. Only `place` is fit to be shown."""

    kind: SourceKind
    path: Path = field(default=Path(), repr=False)
    host: str = ""
    port: int = 0
    tls: bool = False
    target: str = field(default="/", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Scheme, host and port, or only what kind of source it is: paths may hold passwords and names."""
        if self.kind in NETWORK:
            scheme = {SourceKind.RTSP: "rtsp", SourceKind.MJPEG: "http"}[self.kind] + ("s" if self.tls else "")
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"{scheme}://{host}:{self.port}"
        return str(self.path) if self.kind is SourceKind.DEVICE else self.kind.value


def parse_source(text: str) -> CameraSource:
    """The source that `text` names; a path that ends in a slash, or is a folder now, is a folder.

    Raises:
        RequestInvalid: another form; nothing of `text` is told.
    """
    if not 0 < len(text) <= MAX_SOURCE or "\0" in text:
        raise RequestInvalid(f"expected a camera source of 1 to {MAX_SOURCE} characters")
    if "://" in text:
        return _address(text)
    if _DEVICE.fullmatch(text):
        return CameraSource(SourceKind.DEVICE, Path(text))
    path = Path(text)
    return CameraSource(SourceKind.FOLDER if text.endswith("/") or path.is_dir() else SourceKind.FILE, path)


def _address(text: str) -> CameraSource:
    found = _ADDRESS.fullmatch(text)
    known = _SCHEMES.get(found["scheme"]) if found is not None else None
    if found is None or known is None or not 0 < int(found["port"] or 1) < 65536:
        raise RequestInvalid(
            "expected a camera source such as rtsp://host/path, http://host/path, a file, a folder or /dev/video0"
        )
    kind, tls, port = known
    target = found["target"] or "/"
    return CameraSource(
        kind,
        host=found["host"].strip("[]"),
        port=int(found["port"] or port),
        tls=tls,
        target=target if target.startswith("/") else f"/{target}",
        user=_unescaped(found["user"] or ""),
        password=_unescaped(found["password"] or ""),
    )


def _unescaped(text: str) -> str:
    """RFC 3986, 2.1, of UTF-8."""
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw


class CameraState(StrEnum):
    """How a camera does."""

    CONNECTING = "connecting"
    WATCHING = "watching"
    WAITING = "waiting"  # Before it is tried again.
    ENDED = "ended"  # A file or folder was read to its end, or watching was stopped.


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """How a camera does: `frames` were read at the analysed rate, `analysed` of them looked at, `dropped` came too fast.

    `reconnects` counts the attempts after the first, `trouble` says what the last one ended with; `place` is
    `CameraSource.place`.
    """

    camera: str
    place: str
    state: CameraState
    since: datetime
    frames: int = 0
    analysed: int = 0
    dropped: int = 0
    reconnects: int = 0
    width: int = 0
    height: int = 0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """One mechanism around a watching process: how much of it is in force (`full`, `partial`, `none`), in words."""

    name: str
    level: str
    detail: str


@dataclass(frozen=True, slots=True)
class WatchReceipt:
    """What a watching process says of itself before it sees a picture.

    `models` are all that it loaded, by the digests of the files; `recognises` is whether any of its models or modules could tell
    people apart, which ends it. `denials` are what the kernel took from it.
    """

    site: str
    session: str
    started_at: datetime
    models: tuple[ModelUse, ...]
    recognises: bool
    denials: tuple[Denial, ...] = ()
