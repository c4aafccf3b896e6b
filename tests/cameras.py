"""Cameras on the loopback: RTSP with H.264, H.265 or JPEG over TCP, and motion JPEG over HTTP, well-behaved and not.

They know nothing of Moretta: packets and answers are made here from the specifications, so that reader and camera cannot share a
mistake. H.264 and H.265 are encoded by PyAV, JPEG by Pillow.
"""

import base64
import contextlib
import hashlib
import io
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from PIL import Image

NONCE = "f3a1c0ffee"
USER, PASSWORD = "viewer", "p@ss w0rd"
_PAYLOAD = 1200


@dataclass
class Manners:
    """How a camera behaves. Each count is of pictures of one connection; None: never.

    `stall_after`: sends nothing more, and keeps the connection. `rubbish_after`: sends what is no picture. `close_after`: closes.
    `resize_after`: goes on at half the size. `asks`: wants a password by that scheme.
    """

    width: int = 320
    height: int = 240
    rate: float = 10.0
    stall_after: int | None = None
    rubbish_after: int | None = None
    close_after: int | None = None
    resize_after: int | None = None
    asks: str = ""
    lose_every: int | None = None


def picture(number: int, width: int, height: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """A gradient that moves; its mean tells nothing, its first pixel the number."""
    ramp = (np.arange(width)[None, :] + np.arange(height)[:, None] + 4 * number) % 256
    return np.repeat(ramp[:, :, None], 3, axis=2).astype(np.uint8)


def jpeg(number: int, width: int, height: int, quality: int = 75) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture(number, width, height)).save(out, "JPEG", quality=quality, subsampling=2)
    return out.getvalue()


class Camera:
    """A server on a port of its own; counts connections and what was asked."""

    scheme = ""

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.connections = self.sent = 0
        self.requests: list[str] = []
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        user = f"{USER}:{PASSWORD.replace('@', '%40').replace(' ', '%20')}@" if self.manners.asks else ""
        return f"{self.scheme}://{user}127.0.0.1:{self.port}/stream?channel=1"

    def close(self) -> None:
        self._closing.set()
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> "Camera":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._served, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _served(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def beats(self) -> Iterator[tuple[int, int, int]]:
        """Number and size of each picture at the time when it is due; ends where the camera closes."""
        manners, began = self.manners, time.monotonic()
        number = 0
        while not self._closing.is_set():
            if manners.stall_after is not None and number >= manners.stall_after:
                self._closing.wait(60)
                return
            if manners.close_after is not None and number >= manners.close_after:
                return
            small = manners.resize_after is not None and number >= manners.resize_after
            self.sent = number
            yield number, manners.width // (2 if small else 1), manners.height // (2 if small else 1)
            number += 1
            if self._closing.wait(max(0.0, began + number / manners.rate - time.monotonic())):
                return

    def rubbish(self, number: int) -> bool:
        return self.manners.rubbish_after is not None and number >= self.manners.rubbish_after

    def admitted(self, method: str, uri: str, headers: dict[str, str]) -> bool:
        given = headers.get("authorization", "")
        if not self.manners.asks:
            return True
        if self.manners.asks == "Basic":
            return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', given.removeprefix("Digest ")))
        made = hashlib.md5 if "SHA" not in self.manners.asks else hashlib.sha256
        secret = made(f"{USER}:cam:{PASSWORD}".encode()).hexdigest()
        what = made(f"{method}:{uri}".encode()).hexdigest()
        middle = f"{fields.get('nc')}:{fields.get('cnonce')}:auth:" if "qop" in fields else ""
        return fields.get("response") == made(f"{secret}:{NONCE}:{middle}{what}".encode()).hexdigest()

    def challenge(self) -> str:
        if self.manners.asks == "Basic":
            return 'Basic realm="cam"'
        more = ', algorithm=SHA-256, qop="auth"' if "SHA" in self.manners.asks else ""
        return f'Digest realm="cam", nonce="{NONCE}"{more}'


class MjpegCamera(Camera):
    """Motion JPEG; `lengths` whether parts tell theirs. `status` and `location` instead of a stream."""

    scheme = "http"

    def __init__(
        self, manners: Manners | None = None, *, lengths: bool = True, status: int = 200, location: str = ""
    ) -> None:
        self._lengths, self._status, self._location = lengths, status, location
        super().__init__(manners)

    def serve(self, connection: socket.socket) -> None:
        method, uri, headers = read_request(connection)
        self.requests.append(f"{method} {uri}")
        if self._status != 200:
            connection.sendall(f"HTTP/1.1 {self._status} Moved\r\nLocation: {self._location}\r\n\r\n".encode())
            return
        if not self.admitted(method, uri, headers):
            connection.sendall(
                f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {self.challenge()}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n\r\n")
        for number, width, height in self.beats():
            content = b"\0" * 3000 if self.rubbish(number) else jpeg(number, width, height)
            length = f"Content-Length: {len(content)}\r\n" if self._lengths else ""
            connection.sendall(f"--cut\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + content + b"\r\n")


class RtspCamera(Camera):
    """RTSP over TCP with `codec` H264, H265 or JPEG."""

    scheme = "rtsp"

    def __init__(self, manners: Manners | None = None, codec: str = "H264") -> None:
        self._codec = codec
        self.keep_alives = 0
        super().__init__(manners)

    def serve(self, connection: socket.socket) -> None:
        while True:
            method, uri, headers = read_request(connection)
            self.requests.append(f"{method} {uri}")
            if not self.admitted(method, uri, headers):
                self._answer(connection, headers, 401, {"WWW-Authenticate": self.challenge()})
                continue
            if method == "DESCRIBE":
                kind = 26 if self._codec == "JPEG" else 96
                lines = [
                    "v=0",
                    "o=- 0 0 IN IP4 127.0.0.1",
                    "s=camera",
                    "m=audio 0 RTP/AVP 8",
                    "a=control:track0",
                    f"m=video 0 RTP/AVP {kind}",
                ]
                lines += [f"a=rtpmap:{kind} {self._codec}/90000", "a=control:track1", ""]
                base = {"Content-Base": f"rtsp://127.0.0.1:{self.port}/stream/", "Content-Type": "application/sdp"}
                self._answer(connection, headers, 200, base, "\r\n".join(lines).encode())
            elif method == "SETUP":
                more = {"Transport": "RTP/AVP/TCP;unicast;interleaved=2-3", "Session": "abc;timeout=10"}
                self._answer(connection, headers, 200, more)
            elif method == "PLAY":
                self._answer(connection, headers, 200, {"Session": "abc"})
                listener = threading.Thread(target=self._listen, args=(connection,), daemon=True)
                listener.start()
                self._play(connection)
                return
            else:
                self._answer(connection, headers, 200, {})

    def _listen(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                _, _, headers = read_request(connection)
                self.keep_alives += 1
                self._answer(connection, headers, 200, {"Session": "abc"})

    def _answer(
        self, connection: socket.socket, asked: dict[str, str], status: int, more: dict[str, str], body: bytes = b""
    ) -> None:
        lines = [f"RTSP/1.0 {status} {'OK' if status == 200 else 'Unauthorized'}", f"CSeq: {asked.get('cseq', '0')}"]
        lines += [f"{name}: {value}" for name, value in more.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def _play(self, connection: socket.socket) -> None:
        sequence, encoder = 65_500, _Encoder(self._codec)
        lost = 0
        for number, width, height in self.beats():
            stamp = (4_294_900_000 + round(number * 90_000 / self.manners.rate)) % 2**32
            if self.rubbish(number):
                payloads = [b"\x05" + bytes([number % 256]) * 900]
            elif self._codec == "JPEG":
                payloads = jpeg_payloads(jpeg(number, width, height))
            else:
                payloads = nal_payloads(encoder.units(number, width, height), self._codec)
            for at, payload in enumerate(payloads):
                marker = at == len(payloads) - 1
                head = struct.pack(
                    ">BBHII", 0x80, (26 if self._codec == "JPEG" else 96) | marker << 7, sequence % 65_536, stamp, 7
                )
                sequence += 1
                lost += 1
                if self.manners.lose_every is not None and lost % self.manners.lose_every == 0:
                    continue
                connection.sendall(struct.pack(">BBH", 0x24, 2, len(head) + len(payload)) + head + payload)
            # A sender report of RTCP, on the channel beside.
            connection.sendall(struct.pack(">BBH", 0x24, 3, 8) + bytes(8))


@dataclass
class _Encoder:
    codec: str
    _open: dict[tuple[int, int], object] = field(default_factory=dict)

    def units(self, number: int, width: int, height: int) -> list[bytes]:
        """The NAL units of one picture."""
        if (width, height) not in self._open:
            name = "libx264" if self.codec == "H264" else "libx265"
            made = av.CodecContext.create(name, "w")
            made.width, made.height, made.pix_fmt = width, height, "yuv420p"
            made.time_base, made.gop_size = Fraction(1, 10), 5
            made.options = {"preset": "ultrafast", "tune": "zerolatency"}
            if self.codec == "H265":
                made.options |= {"x265-params": "log-level=none:repeat-headers=1"}
            self._open[width, height] = made
        frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        stream = b"".join(bytes(packet) for packet in self._open[width, height].encode(frame))
        return [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.strip(b"\0")]


def nal_payloads(units: list[bytes], codec: str) -> list[bytes]:
    """RFC 6184 and RFC 7798: small units of the start together, large ones in fragments, others alone."""
    found: list[bytes] = []
    small = [unit for unit in units if len(unit) < 300]
    if len(small) > 1:
        head = b"\x78" if codec == "H264" else bytes([48 << 1, 1])
        found.append(head + b"".join(struct.pack(">H", len(unit)) + unit for unit in small))
        units = [unit for unit in units if unit not in small]
    for unit in units:
        if len(unit) <= _PAYLOAD:
            found.append(unit)
            continue
        if codec == "H264":
            head, kind, body = bytes([unit[0] & 0xE0 | 28]), unit[0] & 31, unit[1:]
        else:
            head, kind, body = bytes([unit[0] & 0x81 | 49 << 1, unit[1]]), unit[0] >> 1 & 63, unit[2:]
        pieces = [body[at : at + _PAYLOAD] for at in range(0, len(body), _PAYLOAD)]
        for at, piece in enumerate(pieces):
            found.append(head + bytes([(at == 0) << 7 | (at == len(pieces) - 1) << 6 | kind]) + piece)
    return found


def jpeg_payloads(content: bytes, quality: int = 255) -> list[bytes]:
    """RFC 2435: the scan in fragments, with the tables that the picture has (255), or by a quality that both sides know."""
    at, tables, width, height = 2, b"", 0, 0
    while content[at + 1] != 0xDA:
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at + 4 : at + 2 + length]
        if content[at + 1] == 0xDB:
            tables += b"".join(segment[place + 1 : place + 65] for place in range(0, len(segment), 65))
        elif content[at + 1] == 0xC0:
            height, width = struct.unpack(">HH", segment[1:5])
        at += 2 + length
    at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    scan = content[at:-2]
    found = []
    for offset in range(0, len(scan), _PAYLOAD):
        head = struct.pack(">I", offset) + bytes([1, quality, width // 8, height // 8])
        if offset == 0 and quality >= 128:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        found.append(head + scan[offset : offset + _PAYLOAD])
    return found


def read_request(connection: socket.socket) -> tuple[str, str, dict[str, str]]:
    """Method, address and headers; raises `ValueError` at the end of the connection."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            raise ValueError("closed")
        received += piece
    first, *lines = received.decode().split("\r\n")
    method, uri, _ = first.split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    return method, uri, headers
