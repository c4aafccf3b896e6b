"""A connection that sends no whole request is closed: it would hold a descriptor of the service, without any key, for ever.

Belongs here: the time until a request's head is complete. Does not belong here: the body's time (see `uploads`).
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# From the connection, or the first byte after an answer, to the end of the head; Apache's mod_reqtimeout begins with as much.
HEAD_S = 20.0


class PatientOnce(H11Protocol):
    """uvicorn's protocol, which gives up on a head that takes longer than `head_s` seconds."""

    head_s = HEAD_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The first head is due."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """More of a head, or of a body that somebody or nobody reads."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
