"""The marked subject of a drill: a name, a photo and a template like nobody else's, and who "reads" them.

Belongs here: making the subject up, and a reader that needs no camera and no model. Does not belong here: what is looked for.

Protecting, storing, packing, comparing and erasing are the deployment's own; only the vision is left out, so that a drill needs
no face of anybody.
"""

import os
import secrets
from dataclasses import dataclass, field

import numpy as np

from moretta.core.errors import MediaUnreadable
from moretta.core.recognising import (
    Compared,
    CompareRequest,
    Embedded,
    EmbeddedFace,
    EmbedderCard,
    EmbedRequest,
    Wanted,
)
from moretta.core.values import Embedding, Floats
from moretta.protection.schemes import protector

DIMENSION = 128
# The similarity of two random directions in 128 dimensions has a standard deviation of 1/sqrt(128) = 0.088: 0.4 is 4.5 of it.
CARD = EmbedderCard("erasure-drill", "erasure-drill:1", DIMENSION, ((1e-2, 0.3), (1e-4, 0.4), (1e-6, 0.45)), "made up")
PHOTO_BYTES = 16 * 1024
_HEAD = b"\xff\xd8\xffmoretta drill "
_BOX = (0.0, 0.0, 100.0, 100.0)


@dataclass(frozen=True, slots=True)
class Somebody:
    """Somebody made up: a word that is their name, a photo, a template (unit vector)."""

    name: str
    photo: bytes = field(repr=False)
    template: Floats = field(repr=False)


def somebody() -> Somebody:
    """A new one; 128 bits make the name like no other."""
    vector = np.frombuffer(secrets.token_bytes(8 * DIMENSION), "<u8").astype(np.float64) / 2.0**63 - 1.0
    name = f"drill{secrets.token_hex(16)}"
    photo = _HEAD + name[5:13].encode() + secrets.token_bytes(PHOTO_BYTES)
    return Somebody(name, photo, (vector / np.linalg.norm(vector)).astype(np.float32))


class DrillReader:
    """`FaceReader` that knows a few made-up people by their photos, and protects their templates as a worker does."""

    def __init__(self, *people: Somebody) -> None:
        self._templates = {one.photo: one.template for one in people}

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        """As `FaceReader.embed`."""
        photo = os.pread(media_fd, 2 * PHOTO_BYTES, 0)
        template = self._templates.get(photo)
        if template is None:
            raise MediaUnreadable("expected a photo of somebody of this drill")
        protects = protector(request.terms)
        embedding = Embedding(template, CARD.model_id)
        reference = protects.protect_reference(embedding).payload if request.wanted is Wanted.REFERENCE else None
        face = EmbeddedFace(_BOX, 100.0, (), reference, protects.protect_probe(embedding).payload)
        return Embedded((face,), photo if request.photo else None, (100, 100))

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        """A drill compares with a gallery alone."""
        raise MediaUnreadable("expected a drill to compare with a gallery, not two photos")
