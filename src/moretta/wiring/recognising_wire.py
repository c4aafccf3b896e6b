"""Requests and results of recognition as bytes between the service and its workers.

Belongs here: the one place where they become bytes and bytes become them. What a worker sends is checked field by field: it has
read hostile media, and nothing about it is taken on trust.
"""

from dataclasses import asdict
from functools import cache
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import (
    MAX_FACES,
    MAX_PAYLOAD_BYTES,
    MAX_PHOTO_BYTES,
    MAX_TRACKS,
    Compared,
    CompareRequest,
    Embedded,
    EmbeddedFace,
    EmbedRequest,
    ProbedTrack,
    ProbedTracks,
    ProbeTracksRequest,
    Wanted,
)
from moretta.core.values import TrackId
from moretta.wiring.wire import not_a_result, parsed

# What a picture's sides stay under, by far.
_MOST_PX = 1e6
_JPEG = b"\xff\xd8\xff"

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Pixel = Annotated[float, Field(ge=-_MOST_PX, le=_MOST_PX, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=0, le=int(_MOST_PX))]
Payload = Annotated[bytes, Field(max_length=MAX_PAYLOAD_BYTES)]
Name = Annotated[str, Field(max_length=200)]
Words = Annotated[str, Field(max_length=500)]
Model = TypeVar("Model", bound="_Strict")


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64"
    )


class _Terms(_Strict):
    scheme: Scheme
    model_id: Name
    dimension: int
    key_id: Name
    material: bytes


class _EmbedRequest(_Strict):
    terms: _Terms
    wanted: Wanted
    min_quality: float
    max_faces: int
    photo: bool


class _CompareRequest(_Strict):
    model_id: Name
    threshold: float
    first_bytes: Annotated[int, Field(ge=0)]


class _Face(_Strict):
    box: tuple[Pixel, Pixel, Pixel, Pixel]
    quality: Percent
    components: Annotated[tuple[tuple[Name, Percent], ...], Field(max_length=16)]
    reference: Payload | None
    probe: Payload | None
    reason: Words


class _Embedded(_Strict):
    faces: Annotated[tuple[_Face, ...], Field(max_length=MAX_FACES)]
    photo: Annotated[bytes, Field(max_length=MAX_PHOTO_BYTES)] | None
    size: tuple[Side, Side]


class _Compared(_Strict):
    match: bool | None
    first: Annotated[tuple[_Face, ...], Field(max_length=MAX_FACES)]
    second: Annotated[tuple[_Face, ...], Field(max_length=MAX_FACES)]


class _ProbeTracksRequest(_Strict):
    terms: _Terms
    threshold: float
    min_quality: float


class _Track(_Strict):
    track_id: Annotated[int, Field(ge=1)]
    faces: Annotated[int, Field(ge=0)]
    probe: Payload | None


class _ProbedTracks(_Strict):
    tracking: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    tracks: tuple[_Track, ...]


def embed_request_json(request: EmbedRequest) -> bytes:
    """`request` as one line of JSON."""
    return _EmbedRequest.model_validate(asdict(request)).model_dump_json().encode()


def parse_embed_request(raw: bytes) -> EmbedRequest:
    """The request in `raw`."""
    found = parsed(_adapter(_EmbedRequest), raw)
    terms = ProtectionTerms(**found.terms.__dict__)
    return EmbedRequest(terms, found.wanted, found.min_quality, found.max_faces, found.photo)


def compare_request_json(request: CompareRequest, first_bytes: int) -> bytes:
    """`request` as one line of JSON, for a descriptor in which the first picture has `first_bytes` and the second follows."""
    return _CompareRequest(first_bytes=first_bytes, **asdict(request)).model_dump_json().encode()


def parse_compare_request(raw: bytes) -> tuple[CompareRequest, int]:
    """The request in `raw`, and how many bytes the first picture has."""
    found = parsed(_adapter(_CompareRequest), raw)
    return CompareRequest(found.model_id, found.threshold), found.first_bytes


def embedded_json(embedded: Embedded) -> bytes:
    """`embedded` as one line of JSON."""
    return _Embedded.model_validate(asdict(embedded)).model_dump_json().encode()


def parse_embedded(raw: bytes, request: EmbedRequest) -> Embedded:
    """What a worker answered to `request`.

    Raises:
        WorkerLost: another shape, or more than was asked for.
    """
    found = parsed(_adapter(_Embedded), raw)
    faces = tuple(map(_face, found.faces))
    protected = sum(face.reference is not None or face.probe is not None for face in faces)
    alone = request.wanted is not Wanted.PROBE
    asked = all(face.reference is None for face in faces) or request.wanted is Wanted.REFERENCE
    if (alone and len(faces) > 1 and protected) or not asked or len(faces) > request.max_faces:
        raise not_a_result()
    if any((face.probe is None) != bool(face.reason) for face in faces) and not (alone and len(faces) > 1):
        raise not_a_result()
    if found.photo is not None and not (request.photo and found.photo.startswith(_JPEG)):
        raise not_a_result()
    return Embedded(faces, found.photo, found.size)


def compared_json(compared: Compared) -> bytes:
    """`compared` as one line of JSON."""
    return _Compared.model_validate(asdict(compared)).model_dump_json().encode()


def parse_compared(raw: bytes) -> Compared:
    """What a worker answered; raises as `parse_embedded` does."""
    found = parsed(_adapter(_Compared), raw)
    first, second = tuple(map(_face, found.first)), tuple(map(_face, found.second))
    if any(face.reference is not None or face.probe is not None for face in (*first, *second)):
        raise not_a_result()
    usable = all(len(faces) == 1 and not faces[0].reason for faces in (first, second))
    if (found.match is not None) != usable:
        raise not_a_result()
    return Compared(found.match, first, second)


def probe_tracks_request_json(request: ProbeTracksRequest) -> bytes:
    """`request` as one line of JSON."""
    return _ProbeTracksRequest.model_validate(asdict(request)).model_dump_json().encode()


def parse_probe_tracks_request(raw: bytes) -> ProbeTracksRequest:
    """The request in `raw`."""
    found = parsed(_adapter(_ProbeTracksRequest), raw)
    return ProbeTracksRequest(ProtectionTerms(**found.terms.__dict__), found.threshold, found.min_quality)


def probed_tracks_json(probed: ProbedTracks) -> bytes:
    """`probed` as one line of JSON."""
    return _ProbedTracks.model_validate(asdict(probed)).model_dump_json().encode()


def parse_probed_tracks(raw: bytes) -> ProbedTracks:
    """What a worker answered; raises as `parse_embedded` does."""
    found = parsed(_adapter(_ProbedTracks), raw)
    tracks = tuple(ProbedTrack(TrackId(track.track_id), track.faces, track.probe) for track in found.tracks)
    protected = [track for track in tracks if track.probe is not None]
    twice = len({track.track_id for track in tracks}) < len(tracks)
    if twice or len(protected) > MAX_TRACKS or any(track.faces < 1 for track in protected):
        raise not_a_result()
    return ProbedTracks(found.tracking, tracks)


def _face(found: _Face) -> EmbeddedFace:
    return EmbeddedFace(**found.__dict__)


@cache
def _adapter(model: type[Model]) -> TypeAdapter[Model]:
    return TypeAdapter(model)
