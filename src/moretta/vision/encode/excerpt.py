"""The beginning of a clip as a clip of its own, copied packet by packet: nothing is decoded.

Belongs here: the copy, for demonstrations with a clip whose bytes are known. Does not belong here: strangers' media, which only
a worker opens.
"""

from pathlib import Path

import av


def excerpt(source: Path, target: Path, seconds: float) -> None:
    """Write the first `seconds` of `source` to `target`, in the same container."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        streams = {
            stream.index: part.add_stream_from_template(stream)
            for stream in whole.streams
            if stream.type in ("audio", "video")
        }
        for packet in whole.demux([whole.streams[index] for index in streams]):
            if packet.dts is None or packet.time_base is None or packet.dts * packet.time_base >= seconds:
                continue
            packet.stream = streams[packet.stream.index]
            part.mux(packet)
