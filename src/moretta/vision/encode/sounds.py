"""The sound of a video on its way into the output.

Belongs here: copying sound tracks as they are stored. Does not belong here: changing a voice (see `voices`).
"""

from collections.abc import Iterator
from typing import Any, Protocol

import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from moretta.core.analysis import Notice
from moretta.core.redaction import SoundTreatment
from moretta.vision.decode.container import Container
from moretta.vision.decode.videos import VideoReader
from moretta.vision.encode.voices import open_changed

# Sound goes this far ahead of the pictures into the container, so that players find both together.
_AHEAD_S = 0.5


class Sound(Protocol):
    """Sound that is written beside the pictures."""

    notices: list[Notice]

    def write_until(self, time_s: float) -> None:
        """Write what is heard up to a little after `time_s`, counted from the first picture."""

    def write_rest(self, end_s: float | None) -> None:
        """Write what is left, up to `end_s` where the pictures were cut there, and give everything back."""


class NoSound:
    """Nothing to be heard."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def write_until(self, time_s: float) -> None:
        """Nothing."""

    def write_rest(self, end_s: float | None) -> None:
        """Nothing."""


class CopiedSound:
    """Every sound track, packet by packet as it is stored."""

    def __init__(self, container: Container, output: OutputContainer, origin_s: float) -> None:
        self.notices: list[Notice] = []
        self._container, self._output, self._origin_s = container, output, origin_s
        tracks = container.sounds()
        self._made: dict[int, AudioStream] = {t.index: output.add_stream_from_template(t) for t in tracks}
        self._packets: Iterator[Packet[Any]] = container.copies(tracks)
        self._waiting: Packet[Any] | None = None

    def write_until(self, time_s: float) -> None:
        """See `Sound`."""
        self._write(time_s + _AHEAD_S)

    def write_rest(self, end_s: float | None) -> None:
        """See `Sound`."""
        self._write(None)
        self._container.close()

    def _write(self, until_s: float | None) -> None:
        while (packet := self._next()) is not None:
            if until_s is not None and self._time_s(packet) > until_s:
                self._waiting = packet
                return
            packet.stream = self._made[packet.stream.index]
            try:
                self._output.mux(packet)
            except (av.error.FFmpegError, ValueError):
                self._skipped()

    def _next(self) -> "Packet[Any] | None":
        waiting, self._waiting = self._waiting, None
        return waiting if waiting is not None else next(self._packets, None)

    def _time_s(self, packet: "Packet[Any]") -> float:
        stamp = packet.dts if packet.dts is not None else packet.pts
        return float((stamp or 0) * packet.time_base) - self._origin_s

    def _skipped(self) -> None:
        if not self.notices:
            self.notices.append(Notice("redaction.sound_damaged", "Damaged packets of the sound were left out."))


def open_sound(reader: VideoReader, output: OutputContainer, wanted: SoundTreatment, seed: int) -> Sound:
    """The sound of `reader` as `wanted`, with its tracks added to `output`."""
    container = reader.another_container()
    if wanted is SoundTreatment.CHANGE:
        return open_changed(container, output, reader.origin_s, reader.info.format, seed)
    return CopiedSound(container, output, reader.origin_s)
