"""Streams: watched sites that are made, started, stopped and removed through the API.

Belongs here: a stream as it stands, and what the API asks of them. Does not belong here: watching (see `wiring.streams`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from moretta.core.cameras import CameraHealth, WatchReceipt
from moretta.core.site import Site


class StreamState(StrEnum):
    """Whether a stream is being watched."""

    STOPPED = "stopped"
    STARTING = "starting"
    WATCHING = "watching"
    STOPPING = "stopping"
    ENDED = "ended"  # Its recordings were read to their end.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it stands. `trouble`: why it failed, or what it lost last."""

    stream_id: str
    created_at: datetime
    site: Site
    rate: float
    state: StreamState
    cameras: tuple[CameraHealth, ...] = ()
    receipt: WatchReceipt | None = None
    trouble: str | None = None


class StreamDesk(Protocol):
    """The streams of all companies of a deployment. Safe for threads."""

    def create(self, company_id: str, site: Site, sources: Mapping[str, str], rate: float) -> Stream:
        """A new stream, stopped; `sources` by camera name, `rate` in pictures a second and camera.

        Raises:
            RequestInvalid: a source that the settings do not allow, or of no camera of the site; or a site under the name of a
                made-up one.
            RateLimited: too many streams.
        """

    def streams(self, company_id: str) -> Sequence[Stream]:
        """All of a company, the oldest first."""

    def stream(self, company_id: str, stream_id: str) -> Stream:
        """That one. Raises `NotFound`."""

    def start(
        self,
        company_id: str,
        stream_id: str,
        sources: Mapping[str, str] | None = None,
        *,
        purpose: str | None = None,
        key_id: str | None = None,
    ) -> Stream:
        """Watch it; one that is being watched stays as it is. `sources` stand in place of or beside those that are known.

        Raises:
            NotFound, Conflict, RateLimited: no such stream, just being stopped, or too many under way.
            PolicyProhibited: the policy does not allow counting for that purpose.
            RequestInvalid: a camera has no source, or one that the settings do not allow.
        """

    def stop(self, company_id: str, stream_id: str) -> Stream:
        """Stop watching it, in order: the bucket under way is released. Raises `NotFound`."""

    def signed_receipt(self, company_id: str, stream_id: str) -> bytes:
        """What the watching process of its last session said of itself, as a signed document. Raises `NotFound`: no such stream,
        or none that has begun and was signed."""

    def remove(self, company_id: str, stream_id: str) -> None:
        """Stop and forget it; what it released stays. Raises `NotFound`."""
