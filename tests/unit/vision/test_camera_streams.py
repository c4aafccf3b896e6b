"""What cameras send, put together again: RTP, JPEG, motion JPEG, session descriptions, passwords, devices."""

import io
import os
import socket
import struct
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from tests.cameras import NONCE, PASSWORD, USER, jpeg, jpeg_payloads, nal_payloads, picture

from moretta.core.errors import CameraUnavailable
from moretta.vision.cameras.conversation import Conversation
from moretta.vision.cameras.credentials import Credentials
from moretta.vision.cameras.decoding import decoded
from moretta.vision.cameras.devices import Device
from moretta.vision.cameras.multipart import motion_jpeg
from moretta.vision.cameras.rtp import Encoded, encoded_pictures, parse_rtp
from moretta.vision.cameras.sdp import Codec, VideoOffer, video_offer
from moretta.vision.cameras.shots import Chooser, Decoded, Scaler, shots

H264 = VideoOffer(Codec.H264, 96, 90_000, "track1")
JPEG = VideoOffer(Codec.JPEG, 26, 90_000, "track1")


def rtp(payload: bytes, sequence: int, stamp: int, *, marker: bool, kind: int = 96, head: int = 0x80) -> bytes:
    return struct.pack(">BBHII", head, kind | marker << 7, sequence % 65_536, stamp % 2**32, 7) + payload


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Conversation]]:
    camera, ours = socket.socketpair()
    with camera, ours:
        yield camera, Conversation(ours.fileno(), silence_s=2.0)


def test_fragments_and_aggregates_become_units_of_a_byte_stream() -> None:
    units = [b"\x67" + b"s" * 20, b"\x68" + b"p" * 5, b"\x65" + bytes(range(256)) * 20]
    payloads = nal_payloads(units, "H264")
    assert len(payloads) == 6
    packets = [rtp(one, 65_534 + at, 0, marker=at == 5) for at, one in enumerate(payloads)]
    (found,) = encoded_pictures(iter(packets), H264)
    assert found.data == b"".join(b"\0\0\0\1" + unit for unit in units)


def test_a_picture_of_which_a_packet_was_lost_is_left_out_and_the_next_is_not() -> None:
    units = [b"\x65" + bytes(4000)]
    packets, number = [], 0
    for shot in range(3):
        for at, payload in enumerate(nal_payloads(units, "H264")):
            packets.append(rtp(payload, number, shot * 9000, marker=at == 3))
            number += 1
    del packets[5]
    assert [one.time_s for one in encoded_pictures(iter(packets), H264)] == [0.0, pytest.approx(0.2)]


def test_time_goes_on_where_the_timestamp_begins_again() -> None:
    packets = [rtp(b"\x65ab", at, 2**32 - 9000 + at * 9000, marker=True) for at in range(3)]
    assert [one.time_s for one in encoded_pictures(iter(packets), H264)] == pytest.approx([0.0, 0.1, 0.2])


def test_a_marker_that_was_lost_ends_with_the_next_timestamp() -> None:
    packets = [rtp(b"\x65ab", 0, 0, marker=False), rtp(b"\x65cd", 1, 9000, marker=True)]
    assert [one.data[4:] for one in encoded_pictures(iter(packets), H264)] == [b"\x65ab", b"\x65cd"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80" * 11,
        rtp(b"x", 0, 0, marker=True, head=0x40),
        rtp(b"", 0, 0, marker=True),
        rtp(b"\0\0", 0, 0, marker=True, head=0x90),
        rtp(b"\0\0\xff\xff", 0, 0, marker=True, head=0x90),
        rtp(b"ab\xff", 0, 0, marker=True, head=0xA0),
    ],
)
def test_what_is_no_packet_is_none(raw: bytes) -> None:
    assert parse_rtp(raw) is None


def test_padding_extension_and_sources_are_not_payload() -> None:
    raw = rtp(b"\0\0\0\1" + b"\xbe\xde\0\1" + b"extd" + b"payload" + b"\0\2", 5, 9, marker=True, head=0xB1)
    found = parse_rtp(raw)
    assert found is not None and (found.payload, found.sequence) == (b"payload", 5)


@pytest.mark.parametrize("quality", [255, 75, 30])
def test_a_jpeg_is_the_one_that_was_sent(quality: int) -> None:
    # Pillow's quality and tables are those of the same annex that RTP refers to.
    content = jpeg(3, 320, 240, quality if quality < 100 else 90)
    payloads = jpeg_payloads(content, quality)
    packets = [rtp(one, at, 0, marker=at == len(payloads) - 1, kind=26) for at, one in enumerate(payloads)]
    (found,) = encoded_pictures(iter(packets), JPEG)
    sent, got = (np.asarray(Image.open(io.BytesIO(one)), np.int16) for one in (content, found.data))
    assert np.array_equal(sent, got)


def test_random_bytes_in_packets_give_no_picture_and_no_error() -> None:
    random = np.random.default_rng(0)
    for offer, kind in ((H264, 96), (VideoOffer(Codec.H265, 96, 90_000, ""), 96), (JPEG, 26)):
        packets = [
            rtp(random.bytes(int(random.integers(1, 40))), at, at // 3, marker=at % 3 == 2, kind=kind)
            for at in range(600)
        ]
        list(decoded(encoded_pictures(iter(packets), offer), offer.codec, (), 2**20, 5.0))


def test_a_camera_that_only_sends_what_is_no_picture_is_left() -> None:
    with pytest.raises(CameraUnavailable, match="no picture"):
        list(decoded((Encoded(at / 10, b"\0\0\0\1\x65" + bytes(50)) for at in range(2000)), Codec.H264, (), 2**20, 5.0))


def test_the_video_of_a_description_is_found_with_its_parameter_sets() -> None:
    text = (
        "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\nm=video 0 RTP/AVP 97 96\r\na=rtpmap:97 VP8/90000\r\n"
        "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IACg==,aM4=,!!\r\n"
        "a=control:trackID=2\r\n"
    )
    assert video_offer(text) == VideoOffer(Codec.H264, 96, 90_000, "trackID=2", (b"gB\0\n", b"h\xce"))
    assert video_offer("m=video 0 RTP/AVP 26\n").codec is Codec.JPEG


@pytest.mark.parametrize(
    "text", ["", "m=audio 0 RTP/AVP 26", "m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP9/90000", "m=video"]
)
def test_a_description_without_video_that_we_read_is_refused(text: str) -> None:
    with pytest.raises(CameraUnavailable, match=r"H\.264"):
        video_offer(text)


def test_digest_answers_the_example_of_its_standard() -> None:
    # RFC 2617, section 3.5, without qop as RFC 2069 has it (errata of that example: response 1949323746fe6a43ef61f9606e7febea).
    made = Credentials(
        "Mufasa", "CircleOfLife", 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in (made.header("GET", "/dir/index.html") or "")


@pytest.mark.parametrize("challenge", ["Bearer x", 'Digest realm="a"', 'Digest nonce="a", algorithm=MD4'])
def test_a_challenge_that_we_cannot_answer_is_an_error_without_the_password(challenge: str) -> None:
    with pytest.raises(CameraUnavailable) as refused:
        Credentials(USER, PASSWORD, challenge).header("GET", "/")
    assert PASSWORD not in str(refused.value) and PASSWORD not in repr(Credentials(USER, PASSWORD, challenge))
    assert Credentials("", "", challenge).header("GET", "/") is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.0 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "another address"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "no stream of that path"),
        (b"SSH-2.0-OpenSSH_9\r\n", "expected HTTP"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "motion JPEG"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n" + b"x" * 70_000, "at most"),
        (
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n--b\r\n"
            b"Content-Length: 99999999\r\n\r\n",
            "sensible size",
        ),
        (b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 200, "fewer headers"),
        (b"HTTP/1.0 200 OK\r\n" + b"X" * 9000, "lines of text"),
    ],
)
def test_what_is_no_motion_jpeg_is_refused_in_words(
    ends: tuple[socket.socket, Conversation], answer: bytes, told: str
) -> None:
    camera, talk = ends
    camera.sendall(answer)
    camera.shutdown(socket.SHUT_WR)
    with pytest.raises(CameraUnavailable, match=told):
        next(motion_jpeg(talk, "host", "/x", Credentials("", "")))


def test_a_question_for_the_password_is_passed_on(ends: tuple[socket.socket, Conversation]) -> None:
    camera, talk = ends
    camera.sendall(
        f'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="c"\r\nwww-authenticate: Digest nonce="{NONCE}"\r\n\r\n'.encode()
    )
    with pytest.raises(CameraUnavailable) as asked:
        next(motion_jpeg(talk, "host", "/x", Credentials(USER, PASSWORD)))
    assert [(one.field, one.detail) for one in asked.value.field_errors] == [("challenge", f'Digest nonce="{NONCE}"')]


def test_a_silent_camera_is_noticed(ends: tuple[socket.socket, Conversation]) -> None:
    _, talk = ends
    quick = Conversation(os.dup(talk._fd), silence_s=0.05)
    with pytest.raises(CameraUnavailable, match="said nothing"):
        quick.line()
    os.close(quick._fd)


def test_five_pictures_a_second_are_chosen_of_any_rate() -> None:
    for rate in (5.0, 6.0, 25.0, 30.0, 60.0):
        chooser = Chooser(5.0)
        chosen = sum(chooser.wants(at / rate) for at in range(int(rate * 20)))
        assert 95 <= chosen <= 101, rate
    slow = Chooser(5.0)
    assert all(slow.wants(at / 2) for at in range(20))


def test_a_clock_that_jumps_does_not_stop_the_choosing() -> None:
    chooser = Chooser(5.0)
    assert chooser.wants(1000.0) and chooser.wants(3.0) and not chooser.wants(3.05) and chooser.wants(9000.0)


def test_pictures_are_scaled_into_640_by_480_and_never_enlarged() -> None:
    import av

    for size, expected in (((1920, 1080), (640, 360)), ((480, 640), (360, 480)), ((320, 240), (320, 240))):
        frame = av.VideoFrame.from_ndarray(picture(1, *size), format="rgb24")
        assert Scaler().scaled(frame).shape == (expected[1], expected[0], 3)


def test_a_picture_that_is_too_large_is_refused() -> None:
    import av

    from moretta.core.errors import DimensionsTooLarge

    frame = av.VideoFrame.from_ndarray(picture(1, 320, 240), format="rgb24")
    with pytest.raises(DimensionsTooLarge):
        list(shots(iter([Decoded(0.0, frame)]), 5.0, 1000))


class FakeDevice:
    """A driver of two buffers that gives one format."""

    def __init__(self, gives: bytes, content: bytes, silent: bool = False) -> None:
        self._gives, self._content, self._silent = gives, content, silent
        self._queued: list[int] = []
        self.buffers = [bytearray(len(content) + 64) for _ in range(2)]

    def ioctl(self, request: int, argument: bytearray) -> None:
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        assert size == len(argument)
        if number == 5:
            struct.pack_into("=4sII", argument, 16, self._gives, 1, 640)
        elif number == 8:
            struct.pack_into("=I", argument, 0, 2)
        elif number == 9:
            struct.pack_into("=I4xI", argument, 64, 4096 * argument[0], len(self.buffers[argument[0]]))
        elif number == 15:
            self._queued.append(argument[0])
        elif number == 17:
            index = self._queued.pop(0)
            self.buffers[index][: len(self._content)] = self._content
            struct.pack_into("=III", argument, 0, index, 1, len(self._content))
        elif number != 18:
            raise OSError(25, "Inappropriate ioctl for device")

    def map(self, length: int, offset: int) -> bytearray:
        assert length == len(self.buffers[offset // 4096])
        return self.buffers[offset // 4096]

    def wait(self, timeout_s: float) -> bool:
        return not self._silent


def test_a_device_gives_jpeg_where_it_can() -> None:
    content = jpeg(1, 640, 480)
    device = Device(FakeDevice(b"MJPG", content))
    found = device.encoded()
    assert device.jpeg and [next(found).data for _ in range(5)] == [content] * 5


def test_a_device_without_jpeg_gives_its_pixels() -> None:
    device = Device(FakeDevice(b"YUYV", bytes([180, 128]) * 640 * 480))
    frame = next(device.decoded()).frame
    assert not device.jpeg and (frame.width, frame.height) == (640, 480)
    assert abs(int(frame.to_ndarray(format="rgb24").mean()) - 190) < 5


def test_a_device_that_captures_nothing_or_falls_silent_is_unavailable() -> None:
    with pytest.raises(CameraUnavailable, match="no video"):
        Device(FakeDevice(b"NV12", b"x"))
    with pytest.raises(CameraUnavailable, match="no picture"):
        next(Device(FakeDevice(b"MJPG", b"x", silent=True)).encoded())


def test_a_conversation_ends_in_words_when_the_camera_closes(ends: tuple[socket.socket, Conversation]) -> None:
    camera, talk = ends
    threading.Timer(0.05, camera.shutdown, [socket.SHUT_WR]).start()
    with pytest.raises(CameraUnavailable, match="closed"):
        talk.exactly(1)
