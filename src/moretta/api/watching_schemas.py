"""Watched sites in JSON.

Belongs here: the shape of requests and answers. No answer has a source: it may hold a password.
"""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from moretta.core.cameras import CameraHealth, CameraState, WatchReceipt
from moretta.core.streams import Stream, StreamState
from moretta.wiring.site_file import SiteForm

Source = Annotated[str, Field(min_length=1, max_length=2000)]


class NewStream(BaseModel, extra="forbid"):
    """A site to watch, as in a site file; sources may also come when it is started, and are kept in memory only."""

    site: SiteForm
    rate: float = Field(default=5.0, ge=1, le=30, description="Pictures analysed a second and camera.")


class StreamStart(BaseModel, extra="forbid"):
    """Sources by camera name, in place of or beside those that are known; the policy's purpose where several allow counting."""

    sources: dict[str, Source] = Field(default_factory=dict, max_length=16)
    purpose: str | None = Field(default=None, max_length=500)


class CameraView(BaseModel):
    """How a camera does; `place` is scheme, host and port, or what kind of source it is."""

    camera: str
    place: str
    state: CameraState
    since: datetime
    frames: int
    analysed: int
    dropped: int
    reconnects: int
    width: int
    height: int
    trouble: str | None


class LoadedModelView(BaseModel):
    """A model that the watching process loaded."""

    name: str
    sha256: str


class DenialView(BaseModel):
    """Something that the kernel took from the watching process."""

    name: str
    level: str
    detail: str


class ReceiptView(BaseModel):
    """What the watching process said of itself before it saw a picture; `recognises` is always false, or it would have ended."""

    session: str
    started_at: datetime
    recognises: bool
    models: list[LoadedModelView]
    denials: list[DenialView]


class StreamView(BaseModel):
    """A watched site."""

    id: str
    site: str
    created_at: datetime
    rate: float
    state: StreamState
    cameras: list[CameraView]
    receipt: ReceiptView | None
    trouble: str | None


class StreamList(BaseModel):
    """All streams, the oldest first."""

    data: list[StreamView]


def stream_view(stream: Stream) -> StreamView:
    """As the API shows it."""
    return StreamView(
        id=stream.stream_id,
        site=stream.site.name,
        created_at=stream.created_at,
        rate=stream.rate,
        state=stream.state,
        cameras=[_camera(one) for one in stream.cameras],
        receipt=_receipt(stream.receipt) if stream.receipt is not None else None,
        trouble=stream.trouble,
    )


def _camera(health: CameraHealth) -> CameraView:
    return CameraView(**{name: getattr(health, name) for name in CameraView.model_fields})


def _receipt(receipt: WatchReceipt) -> ReceiptView:
    return ReceiptView(
        session=receipt.session,
        started_at=receipt.started_at,
        recognises=receipt.recognises,
        models=[LoadedModelView(name=one.name, sha256=one.sha256) for one in receipt.models],
        denials=[DenialView(name=one.name, level=one.level, detail=one.detail) for one in receipt.denials],
    )
