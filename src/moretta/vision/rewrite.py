"""A picture written anew as JPEG: its pixels and nothing else of the file that it came from.

Belongs here: writing. Does not belong here: where it is kept, and encryption.

What is kept of a photo is this: no place or time of taking, no thumbnail of an uncropped original, and no byte that the sender
chose, so that a browser shown it later meets nothing but pixels.
"""

import cv2

from moretta.core.values import Pixels

# A face of a tenth of such a picture still has 100 px between the eyes; templates of a later model lose nothing that matters.
LONGEST_SIDE = 2048
# Recompression at 95 is far below what recognition notices.
JPEG_QUALITY = 95


def rewritten(pixels: Pixels) -> bytes:
    """RGB (h, w, 3) as JPEG, its longer side at most `LONGEST_SIDE` px.

    Raises:
        ValueError: the picture cannot be written as JPEG.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError("expected a picture that can be written as JPEG")
    return encoded.tobytes()
