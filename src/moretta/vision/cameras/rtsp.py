"""RTSP over a connection that is there already, with RTP interleaved on it.

Belongs here: the client's side of RTSP 1.0. Does not belong here: what is in the packets (see `rtp`), connecting.

UDP is left out on purpose: it would need a network. A camera that points elsewhere is not followed there.
Source: RFC 2326 (sections 10 and 12; 10.12 for interleaving).
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from moretta.core.errors import CameraUnavailable
from moretta.vision.cameras.conversation import Conversation
from moretta.vision.cameras.credentials import Credentials
from moretta.vision.cameras.sdp import VideoOffer, video_offer

_STATUS = re.compile(rb"RTSP/1\.\d (\d{3})\b.*")
_MAX_BODY = 256 * 1024
_INTERLEAVED = 0x24  # "$"
_CHANNEL = re.compile(r"interleaved=(\d{1,3})")
# RFC 2326, 12.37: a session without a timeout lasts 60 s.
_TIMEOUT_S = 60
_AGENT = "Moretta"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class RtspClient:
    """Plays one video.

    Args:
        url: `rtsp://host:port/path`, without user and password.
    Raises:
        CameraUnavailable: in every method: the camera refuses, is silent, or speaks something else.
    """

    def __init__(self, talk: Conversation, url: str, credentials: Credentials) -> None:
        self._talk, self._url, self._credentials = talk, url, credentials
        self._number = 0
        self._session = ""
        self._channel = 0
        self._base = url
        self._keep_alive_s = _TIMEOUT_S / 2.0

    def play(self) -> VideoOffer:
        """Choose the video, set it up and begin."""
        described = self._asked("DESCRIBE", self._url, {"Accept": "application/sdp"})
        self._base = described.headers.get("content-base") or described.headers.get("content-location") or self._url
        offer = video_offer(described.body.decode("utf-8", "replace"))
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        ready = self._asked("SETUP", self._control(offer.control), transport)
        channel = _CHANNEL.search(ready.headers.get("transport", ""))
        if channel is None:
            raise CameraUnavailable("expected a camera that sends its video over the RTSP connection (RTP over TCP)")
        self._channel = int(channel[1])
        self._session, _, timeout = ready.headers.get("session", "").partition(";")
        lasts = re.search(r"timeout\s*=\s*(\d{1,5})", timeout)
        self._keep_alive_s = max(5.0, int(lasts[1]) / 2) if lasts else _TIMEOUT_S / 2
        self._asked("PLAY", self._aggregate(), {"Range": "npt=0.000-"})
        return offer

    def packets(self) -> Iterator[bytes]:
        """RTP packets of the video as they come; what else comes is read over."""
        told_s = time.monotonic()
        while True:
            if time.monotonic() - told_s > self._keep_alive_s:
                # Its answer comes among the packets.
                self._send("GET_PARAMETER", self._aggregate(), {})
                told_s = time.monotonic()
            if self._talk.peek() != _INTERLEAVED:
                self._message()
                continue
            channel, packet = self._interleaved()
            if channel == self._channel:
                yield packet

    def _interleaved(self) -> tuple[int, bytes]:
        head = self._talk.exactly(4)
        return head[1], self._talk.exactly(int.from_bytes(head[2:4], "big"))

    def _asked(self, method: str, url: str, headers: dict[str, str]) -> _Answer:
        answer = self._exchange(method, url, headers)
        if answer.status == 401 and self._credentials.user:
            self._credentials.challenge = answer.headers.get("www-authenticate", "")
            answer = self._exchange(method, url, headers)
        if answer.status == 200:
            return answer
        raise refused(answer.status)

    def _exchange(self, method: str, url: str, headers: dict[str, str]) -> _Answer:
        self._send(method, url, headers)
        while True:
            if self._talk.peek() == _INTERLEAVED:
                self._interleaved()
                continue
            answer = self._message()
            if answer is not None and answer.headers.get("cseq", str(self._number)) == str(self._number):
                return answer

    def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._number += 1
        fields = {"CSeq": str(self._number), "User-Agent": _AGENT, **headers}
        if self._session:
            fields["Session"] = self._session
        authorization = self._credentials.header(method, url)
        if authorization is not None:
            fields["Authorization"] = authorization
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self._talk.send("\r\n".join(lines).encode("utf-8"))

    def _message(self) -> _Answer | None:
        """The next message: an answer, or None for a request of the camera's, which is read over."""
        first = self._talk.line()
        if not first:
            return None
        status = _STATUS.fullmatch(first)
        headers = self._talk.headers()
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY:
            raise CameraUnavailable("expected RTSP from the camera, got something else")
        body = self._talk.exactly(int(length))
        if status is None and not first.endswith((b"RTSP/1.0", b"RTSP/1.1")):
            raise CameraUnavailable("expected RTSP from the camera, got something else")
        return None if status is None else _Answer(int(status[1]), headers, body)

    def _control(self, control: str) -> str:
        """RFC 2326, C.1.1: absolute, or put to the base."""
        if not control or control == "*":
            return self._base
        if not control.isprintable() or " " in control:
            raise CameraUnavailable("expected RTSP from the camera, got something else")
        if control.startswith(("rtsp://", "rtsps://")):
            return control
        return f"{self._base}{'' if self._base.endswith('/') else '/'}{control.lstrip('/')}"

    def _aggregate(self) -> str:
        return self._base


def refused(status: int) -> CameraUnavailable:
    """The error for an answer that is no success."""
    if status in (401, 403):
        return CameraUnavailable("the camera refuses the user or the password")
    if 300 <= status < 400:
        return CameraUnavailable("the camera points to another address, which is not followed; name that one instead")
    if status == 404:
        return CameraUnavailable("the camera knows no stream of that path")
    return CameraUnavailable(f"the camera answered with status {status}")
