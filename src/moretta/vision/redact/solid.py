"""Solid: one colour that has nothing to do with the face.

Belongs here: the method. Does not belong here: which faces.
"""

from collections.abc import Sequence

import numpy as np

from moretta.core.redaction import FaceToHide
from moretta.core.values import Pixels
from moretta.vision.redact.ellipse import laid_over, patch_of

# Dark grey: nothing of the face, not even its mean colour, is in the output.
COLOUR = (32, 32, 32)


class SolidRedactor:
    """Covers each face with one colour. Implements `Redactor`."""

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """See `Redactor`."""
        for face in faces:
            patch = patch_of(pixels, face.box)
            if patch is not None:
                laid_over(patch, np.full(patch.pixels.shape, COLOUR, np.uint8))
