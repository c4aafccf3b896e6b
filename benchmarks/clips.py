"""The media that is measured on, made anew in a temporary folder from one clip.

Belongs here: encoding. Does not belong here: measuring.
"""

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 640, 480
# What phones and web cameras record; the source's own rate is kept below it.
MOST_FRAMES_PER_S = 30
SOUND_RATE_HZ = 16_000
SYLLABLES_HZ = 4  # the beat of speech, so that the voice meter has segments to keep


@dataclass(frozen=True, slots=True)
class Clip:
    """A made clip."""

    path: Path
    frames: int
    seconds: float

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size


def make_clip(source: Path, target: Path, seconds: float) -> Clip:
    """The first `seconds` of `source` as H.264 of 640x480 without sound: cut to 4:3 about the middle, then scaled."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = given.streams.video[0]
        rate = min(Fraction(MOST_FRAMES_PER_S), Fraction(stream.average_rate or 25))
        out = made.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "medium"})
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        out.time_base = 1 / rate
        count = 0
        for frame in given.decode(stream):
            if count >= seconds * rate:
                break
            if frame.time is not None and frame.time < float(count / rate) - 1e-3:
                continue  # a faster source is thinned
            picture = av.VideoFrame.from_ndarray(_four_by_three(frame.to_ndarray(format="rgb24")), format="rgb24")
            picture = picture.reformat(WIDTH, HEIGHT, "yuv420p", interpolation="BICUBIC")
            picture.pts, picture.time_base = count, 1 / rate
            made.mux(out.encode(picture))
            count += 1
        made.mux(out.encode())
    if not count:
        raise SystemExit("expected a video with frames; got none")
    return Clip(target, count, float(count / rate))


def loop_clip(source: Clip, target: Path, times: int) -> Clip:
    """`source`, its packets repeated `times` times, with a track of made-up speech-like sound."""
    with av.open(str(target), "w") as made:
        with av.open(str(source.path)) as given:
            template = given.streams.video[0]
            video = made.add_stream_from_template(template)
            rate, time_base = template.average_rate, template.time_base
        sound = made.add_stream("aac", rate=SOUND_RATE_HZ, layout="mono")
        one_round = round(source.frames / rate / time_base)
        per_round = round(source.frames / rate * SOUND_RATE_HZ)
        samples = _speechlike(per_round)
        for turn in range(times):
            with av.open(str(source.path)) as given:
                for packet in given.demux(given.streams.video[0]):
                    if packet.dts is None:
                        continue
                    packet.pts += turn * one_round
                    packet.dts += turn * one_round
                    packet.stream = video
                    made.mux(packet)
            block = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = SOUND_RATE_HZ, turn * per_round, Fraction(1, SOUND_RATE_HZ)
            made.mux(sound.encode(block))
        made.mux(sound.encode())
    return Clip(target, source.frames * times, source.seconds * times)


def still_of(clip: Clip) -> bytes:
    """The middle frame as a JPEG."""
    with av.open(str(clip.path)) as given:
        for index, frame in enumerate(given.decode(video=0)):
            if index == clip.frames // 2:
                raw = io.BytesIO()
                Image.fromarray(frame.to_ndarray(format="rgb24")).save(raw, "JPEG", quality=90)
                return raw.getvalue()
    raise SystemExit("expected the clip to have a middle frame; it ended early")


def _four_by_three(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    wide, high = min(width, height * WIDTH // HEIGHT), min(height, width * HEIGHT // WIDTH)
    left, top = (width - wide) // 2, (height - high) // 2
    return np.ascontiguousarray(pixels[top : top + high, left : left + wide])


def _speechlike(count: int) -> np.ndarray:
    time_s = np.arange(count) / SOUND_RATE_HZ
    loudness = np.clip(np.sin(2 * np.pi * SYLLABLES_HZ * time_s), 0, 1) * (np.sin(2 * np.pi * time_s / 5) > -0.5)
    tone = sum(np.sin(2 * np.pi * 120 * harmonic * time_s) / harmonic for harmonic in range(1, 9))
    return (loudness * tone * 6000).astype(np.int16)
