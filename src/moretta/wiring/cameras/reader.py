"""The reader's side: one descriptor in, pictures into the memory. Runs in a process of its own for each camera.

Belongs here: what runs inside the confined process, and what it loads before it is confined: a decoder and nothing else.
"""

import os
import time
from collections.abc import Callable, Iterator

from moretta.core.cameras import SourceKind
from moretta.core.errors import RequestInvalid
from moretta.sandbox.slots import Picture, PictureMemory
from moretta.vision.cameras.conversation import Conversation
from moretta.vision.cameras.credentials import Credentials
from moretta.vision.cameras.decoding import decoded
from moretta.vision.cameras.devices import device
from moretta.vision.cameras.multipart import motion_jpeg
from moretta.vision.cameras.recorded import recorded
from moretta.vision.cameras.rtp import encoded_pictures
from moretta.vision.cameras.rtsp import RtspClient
from moretta.vision.cameras.sdp import Codec
from moretta.vision.cameras.shots import Decoded, Shot, shots
from moretta.vision.decode.warm import video_sample
from moretta.wiring.cameras.wire import ReadRequest, Taken, parse_read_request, read_request_json, taken_json

Tell = Callable[[bytes], None]
# A place is free again within a picture's analysis, some milliseconds.
_LOOK_AGAIN_S = 0.002


def reader_handler() -> Callable[..., bytes]:
    """The handler of requests to read, with the decoder loaded and every lazy import done."""
    rehearse()
    return read


def read(fd: int, request: bytes, tell: Tell, memory_fd: int | None = None) -> bytes:
    """Read until the source ends. Raises what the source's kind raises."""
    if memory_fd is None:
        raise RequestInvalid("expected memory for pictures with a request to read")
    wanted = parse_read_request(request)
    memory = PictureMemory(memory_fd)
    try:
        hand_on(shots(_pictures(fd, wanted), wanted.rate, wanted.most_pixels), wanted, memory, tell)
    finally:
        memory.unmap()
    return b"{}"


def hand_on(found: Iterator[Shot], wanted: ReadRequest, memory: PictureMemory, tell: Tell) -> None:
    """Put pictures into the memory as they come.

    Where nobody takes them fast enough, a recording that need not keep time waits, and a camera's newest are dropped until there
    is a place (the door gives back places of pictures that a newer one overtook, so that little is lost).
    """
    dropped, began_s = 0, time.monotonic()
    recording = wanted.kind is SourceKind.FILE
    for shot in found:
        if recording and wanted.paced:
            time.sleep(max(0.0, began_s + shot.time_s - time.monotonic()))
        place = memory.free_place()
        while place is None and not wanted.paced:
            time.sleep(_LOOK_AGAIN_S)
            place = memory.free_place()
        if place is None:
            dropped += 1
            continue
        height, width = shot.pixels.shape[:2]
        memory.put(place, shot.pixels.tobytes())
        tell(taken_json(Taken(Picture(place, width, height), shot.time_s, dropped)))


def _pictures(fd: int, wanted: ReadRequest) -> Iterator[Decoded]:
    match wanted.kind:
        case SourceKind.FILE:
            return recorded(fd, wanted.most_pixels)
        case SourceKind.RTSP:
            return _rtsp(fd, wanted)
        case SourceKind.MJPEG:
            host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
            credentials = Credentials(wanted.user, wanted.password, wanted.challenge)
            coming = motion_jpeg(Conversation(fd), f"{host}:{wanted.port}", wanted.target, credentials)
            return decoded(coming, Codec.JPEG, (), wanted.most_pixels, wanted.rate)
        case SourceKind.DEVICE:
            found = device(fd)
            if found.jpeg:
                return decoded(found.encoded(), Codec.JPEG, (), wanted.most_pixels, wanted.rate)
            return found.decoded()
    raise RequestInvalid("expected a source of a kind that readers know")


def _rtsp(fd: int, wanted: ReadRequest) -> Iterator[Decoded]:
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    url = f"{'rtsps' if wanted.tls else 'rtsp'}://{host}:{wanted.port}{wanted.target}"
    client = RtspClient(Conversation(fd), url, Credentials(wanted.user, wanted.password))
    offer = client.play()
    pictures = encoded_pictures(client.packets(), offer)
    return decoded(pictures, offer.codec, offer.parameter_sets, wanted.most_pixels, wanted.rate)


def rehearse() -> None:
    """Read a made-up clip, so that nothing is left to be imported or opened when the files are gone."""
    fd, memory = os.memfd_create("rehearsal"), PictureMemory.made()
    try:
        os.write(fd, video_sample())
        request = ReadRequest(SourceKind.FILE, 5.0, 2**20, paced=False)
        read(fd, read_request_json(request), lambda _: None, memory.fd)
    finally:
        memory.close()
        os.close(fd)
