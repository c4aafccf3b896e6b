"""Errors of people, their faces and their templates.

Belongs here: what enrolling, comparing, searching and changing people can meet. Does not belong here: policy and consent.
"""

from moretta.core.errors.root import MorettaError


class RecognitionError(MorettaError):
    """What was asked about people cannot be done."""

    code = "recognition.refused"
    title = "This cannot be done with these people or templates"
    status = 422
    exit_code = 65


class FaceNotFound(RecognitionError):
    """The photo shows no face."""

    code = "face.not_found"
    title = "No face was found"


class SeveralFaces(RecognitionError):
    """The photo shows more faces than the call allows."""

    code = "face.multiple"
    title = "More than one face was found"


class QualityTooLow(RecognitionError):
    """The quality gate of the collection refused the photo."""

    code = "quality.too_low"
    title = "The face's quality is too low"


class DuplicateFace(RecognitionError):
    """Somebody whose face is as alike as the collection's threshold for duplicates is enrolled already."""

    code = "face.duplicate"
    title = "The face is enrolled already"
    status = 409


class ModelMismatch(RecognitionError):
    """Templates of another model or dimension than the collection's."""

    code = "model.version_mismatch"
    title = "The templates are of another model"
    status = 409


class PersonErased(RecognitionError):
    """There was such a person, and everything about them was erased; `certificate_id` says how, where there is one."""

    code = "person.erased"
    title = "The person was erased"
    status = 410
    exit_code = 66

    def __init__(self, detail: str, certificate_id: str | None = None) -> None:
        super().__init__(detail if certificate_id is None else f"{detail} (certificate {certificate_id})")
        self.certificate_id = certificate_id


class PersonRestricted(RecognitionError):
    """The person is kept and must not be compared."""

    code = "person.restricted"
    title = "The person's data must not be used"
    status = 423
    exit_code = 77


class PurposeMismatch(RecognitionError):
    """The purpose that the caller names is not the collection's."""

    code = "purpose.mismatch"
    title = "The collection serves another purpose"
    status = 403
    exit_code = 77


class ProbeRejected(RecognitionError):
    """A probe, reference or sealed scores that no honest worker makes: malformed, of another key, or not of unit length."""

    code = "probe.rejected"
    title = "The protected template was refused"


class RegionRefused(RecognitionError):
    """A region in which the collection, or any part of it, may not be."""

    code = "region.refused"
    title = "The collection may not be in that region"
    status = 403
    exit_code = 77


class Conflict(RecognitionError):
    """What was to be changed has changed meanwhile."""

    code = "conflict"
    title = "It changed meanwhile"
    status = 409
    exit_code = 75
