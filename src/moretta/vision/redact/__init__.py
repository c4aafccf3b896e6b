"""Hiding faces in pictures without a network: blur, mosaic, solid; and following a face from picture to picture.

Belongs here: `core.redaction.Redactor` for methods that need the picture only. Does not belong here: the avatar
(`vision.avatar`), which faces are hidden (`use_cases.redaction`).
"""

from moretta.vision.redact.cells import BlurRedactor, MosaicRedactor
from moretta.vision.redact.follow import PatchFollower
from moretta.vision.redact.solid import SolidRedactor

__all__ = ["BlurRedactor", "MosaicRedactor", "PatchFollower", "SolidRedactor"]
