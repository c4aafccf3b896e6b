"""Faces read and protected in confined workers.

Belongs here: the `FaceReader` over a pool. Does not belong here: what a worker does.
"""

import os

from moretta.core.recognising import Compared, CompareRequest, Embedded, EmbedRequest
from moretta.sandbox.pool import WorkerPool
from moretta.wiring.recognising_wire import compare_request_json, embed_request_json, parse_compared, parse_embedded
from moretta.wiring.requests import RequestKind, tagged

_PIECE = 1 << 20


class PoolFaceReader:
    """`core.recognising.FaceReader` over a pool of workers, whose every word is checked."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        """As `FaceReader.embed`."""
        asked = tagged(RequestKind.EMBED, embed_request_json(request))
        return parse_embedded(self._pool.run(media_fd, asked), request)

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        """As `FaceReader.compare`."""
        both = os.memfd_create("photos", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            first_bytes = _append(both, first_fd)
            _append(both, second_fd)
            asked = tagged(RequestKind.COMPARE, compare_request_json(request, first_bytes))
            return parse_compared(self._pool.run(both, asked))
        finally:
            os.close(both)


def _append(target_fd: int, media_fd: int) -> int:
    """Append all of the media to the target; how many bytes."""
    offset = 0
    while piece := os.pread(media_fd, _PIECE, offset):
        view = memoryview(piece)
        while view:
            view = view[os.write(target_fd, view) :]
        offset += len(piece)
    return offset
