"""From what a worker says about a picture to what a caller is told.

Belongs here: refusals, with their reasons in words. Does not belong here: measuring.
"""

from moretta.core.errors import FaceNotFound, QualityTooLow, SeveralFaces
from moretta.core.recognising import EmbeddedFace
from moretta.core.recognition import FailureToEnrol, RefusalReason
from moretta.use_cases.recognition.results import SeenFace


def refusal(faces: tuple[EmbeddedFace, ...], protected: bool) -> FailureToEnrol | None:
    """Why a picture cannot be enrolled; None where it shows one face, and that one was `protected`."""
    if not faces:
        return FailureToEnrol(RefusalReason.NO_FACE, "expected a photo with one face, found none")
    if len(faces) > 1:
        detail = f"expected a photo with one face, found {len(faces)}: cut out the person"
        return FailureToEnrol(RefusalReason.SEVERAL_FACES, detail)
    face = faces[0]
    if protected:
        return None
    return FailureToEnrol(RefusalReason.LOW_QUALITY, face.reason, face.quality, face.components)


def the_face(faces: tuple[EmbeddedFace, ...], protected: bool, which: str = "the photo") -> SeenFace:
    """The one usable face of a picture that is compared.

    Raises:
        FaceNotFound, SeveralFaces, QualityTooLow: it does not show exactly one.
    """
    found = refusal(faces, protected)
    if found is None:
        return seen(faces[0])
    kind = {RefusalReason.NO_FACE: FaceNotFound, RefusalReason.SEVERAL_FACES: SeveralFaces}.get(
        found.reason, QualityTooLow
    )
    raise kind(f"{which}: {found.detail}")


def seen(face: EmbeddedFace) -> SeenFace:
    """What a caller is told of a face."""
    return SeenFace(face.box, face.quality, face.components)
