"""Every error a user can meet, one class per different reaction.

MorettaError
├── MediaError                     the media item is at fault
│   ├── MediaEmpty                 no bytes
│   ├── MediaUnsupported           no picture or video that we read
│   ├── MediaUnreadable            a known format, but broken (`image.unreadable`)
│   ├── MediaTruncated             ends before its first picture is complete
│   ├── MediaWithoutVideo          sound only
│   ├── MediaWithoutFrames         a video track of no length
│   ├── MediaTooLarge              over the limit of bytes, frames or seconds
│   └── DimensionsTooLarge         over the limit of pixels
├── ModelError
│   ├── ModelMissing               not installed
│   ├── ModelCorrupt               the file is not the one the catalogue names
│   └── ModelRejected              a user's own file does not fit
├── SandboxUnavailable             required, but the kernel does not give it
├── WorkerLost                     the worker died; its request is lost, the service goes on
├── TimeLimitExceeded              the worker was ended
├── Overloaded                     no worker free in time
├── PolicyProhibited               policy, or the law above it, forbids it
│   ├── PurposeUnknown             no such purpose in the policy (`purpose.unknown`)
│   ├── ApprovalRequired           nobody approved it yet (`approval.required`)
│   └── RetentionExceeded          kept longer than the purpose allows (`retention.exceeded`)
├── ReviewError                    a match that people must confirm
│   ├── ReviewClosed               decided already, or its time is over (`review.closed`)
│   └── SameReviewer               this person confirmed it before (`review.same_person`)
├── PersonHeld                     a legal hold keeps it from being erased (`person.held`)
├── RequestInvalid                 a parameter is wrong
│   └── IdempotencyMismatch        the same key with another request
├── NotAuthenticated, ScopeMissing, NotFound
├── RateLimited                    more requests or jobs than this caller may have
├── Cancelled                      the caller asked for it
├── StorageUnusable                the database is of a newer version, of another kind, or out of reach
├── RecognitionError               people and their templates
│   ├── FaceNotFound               no face in the photo (`face.not_found`)
│   ├── SeveralFaces               more faces than the call allows (`face.multiple`)
│   ├── QualityTooLow              the quality gate refused the photo (`quality.too_low`)
│   ├── DuplicateFace              somebody with that face is enrolled already (`face.duplicate`)
│   ├── ModelMismatch              templates of another model (`model.version_mismatch`)
│   ├── PersonErased               the person was there and was erased (`person.erased`)
│   ├── PersonRestricted           kept, but must not be compared (`person.restricted`)
│   ├── PurposeMismatch            not the collection's purpose (`purpose.mismatch`)
│   ├── ProbeRejected              a probe or sealed scores that no honest worker makes
│   ├── RegionRefused              a place where the collection may not be
│   └── Conflict                   it changed meanwhile; try again
├── ProofRejected                  a signature, proof or signed document does not hold
├── DrillFailed                    an erasure drill found something of whom it erased
├── LogBroken                      the transparency log was changed, cut, forked or rolled back
├── ConsentError                   consent is missing, or what was to prove it does not
│   ├── ConsentRequired            the policy asks for a consent, and there is none (`consent.required`)
│   ├── ConsentExpired             its time is over (`consent.expired`)
│   ├── ConsentWithdrawn           the subject withdrew it (`consent.withdrawn`)
│   ├── AgeUnknown                 the policy asks for the subject's age (`consent.age_unknown`)
│   ├── GuardianRequired           a minor, and no guardian consented (`consent.guardian_required`)
│   ├── NoticeChanged              another notice is shown by now (`consent.notice_changed`)
│   ├── ChallengeExpired           not answered in time (`consent.challenge_expired`)
│   ├── ChallengeUsed              answered before: a replay (`consent.challenge_used`)
│   ├── SubjectMismatch            somebody else's signature, challenge or consent (`consent.wrong_subject`)
│   └── SignatureRejected          no signature of that key over that statement (`consent.signature_invalid`)
├── SubjectAccessError             a person's own pages stay closed
│   ├── CodeRejected               no code of that link (`subject.code_invalid`)
│   ├── CodeExpired                the right code, too late (`subject.code_expired`)
│   ├── CodeUsed                   the right code, used before (`subject.code_used`)
│   ├── SessionEnded               no session, or it is over (`subject.session_ended`)
│   └── FormRejected               not sent from the person's own page (`subject.form_rejected`)
├── KeyUnusable
│   ├── KeyDestroyed               it was destroyed, for good
│   └── KeyRejected                another key, another place, or altered bytes
├── ExtraMissing                   an optional part is not installed
├── NodeUnavailable                a node, party or key holder is down, slow or answers with rubbish
└── UsageRejected                  a usage record or batch has another shape or signature than the closed schema
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One parameter that is wrong: where it is, and what was expected."""

    field: str
    detail: str


class MorettaError(Exception):
    """The root. `code` is stable; `status` is the HTTP one; `exit_code` the CLI's; `detail` never holds personal data."""

    code = "internal"
    title = "Something went wrong inside Moretta"
    status = 500
    exit_code = 70

    def __init__(self, detail: str, *, field_errors: tuple[FieldError, ...] = (), legal_ref: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field_errors = field_errors
        self.legal_ref = legal_ref


class MediaError(MorettaError):
    """The media item is at fault."""

    code = "media.unreadable"
    title = "The media could not be read"
    status = 400
    exit_code = 65


class MediaEmpty(MediaError):
    """No bytes."""

    code = "media.empty"
    title = "The media is empty"


class MediaUnsupported(MediaError):
    """Not a picture or a video in a format that we read."""

    code = "media.unsupported"
    title = "The media format is not supported"
    status = 415


class MediaUnreadable(MediaError):
    """A known format, but its content is broken."""

    code = "image.unreadable"
    title = "The media could not be decoded"


class MediaTruncated(MediaError):
    """The media ends before its first picture is complete."""

    code = "media.truncated"
    title = "The media is cut off"


class MediaWithoutVideo(MediaError):
    """The media holds sound only."""

    code = "media.no_video"
    title = "The media holds no pictures"
    status = 422


class MediaWithoutFrames(MediaError):
    """The video track has no length."""

    code = "media.no_frames"
    title = "The video has no frames"
    status = 422


class MediaTooLarge(MediaError):
    """Over the configured limit of bytes, frames or seconds."""

    code = "media.too_large"
    title = "The media is over a limit"
    status = 413


class DimensionsTooLarge(MediaTooLarge):
    """Over the configured limit of pixels."""

    code = "media.dimensions_too_large"
    title = "The picture is over the pixel limit"


class ModelError(MorettaError):
    """A model is missing or not what it should be."""

    code = "model.unusable"
    title = "A model cannot be used"
    status = 503
    exit_code = 78


class ModelMissing(ModelError):
    """A model is not installed."""

    code = "model.missing"
    title = "A model is not installed"


class ModelCorrupt(ModelError):
    """A model file is not the one the catalogue names."""

    code = "model.corrupt"
    title = "A model file is not the expected one"


class ModelRejected(ModelError):
    """A user's own model file does not have the shape that its task needs."""

    code = "model.rejected"
    title = "The model file does not fit"
    status = 422
    exit_code = 65


class SandboxUnavailable(MorettaError):
    """`sandbox = required`, but the kernel does not give all of it."""

    code = "sandbox.unavailable"
    title = "The sandbox is not in force"
    status = 503
    exit_code = 78


class WorkerLost(MorettaError):
    """The worker process died while it held this request."""

    code = "worker.lost"
    title = "The analysis process died"
    status = 500
    exit_code = 70


class TimeLimitExceeded(MorettaError):
    """The analysis took longer than the time limit and was ended."""

    code = "analysis.time_limit"
    title = "The analysis took too long"
    status = 422
    exit_code = 75


class Overloaded(MorettaError):
    """No worker became free in time."""

    code = "service.overloaded"
    title = "The service is busy"
    status = 503
    exit_code = 75


class PolicyProhibited(MorettaError):
    """The policy forbids what was asked."""

    code = "policy.prohibited_use"
    title = "The policy does not allow this"
    status = 403
    exit_code = 77


class PurposeUnknown(PolicyProhibited):
    """The policy has no such purpose, or it cannot be told which one is meant."""

    code = "purpose.unknown"
    title = "The policy does not have this purpose"


class ApprovalRequired(PolicyProhibited):
    """This must be approved first, and no approval that holds is on record."""

    code = "approval.required"
    title = "An approval is needed"


class RetentionExceeded(PolicyProhibited):
    """It would be kept longer than the purpose allows."""

    code = "retention.exceeded"
    title = "The retention is too long for this purpose"


class ReviewError(MorettaError):
    """What was asked of a proposed match cannot be done."""

    code = "review.refused"
    title = "This proposal cannot be reviewed so"
    status = 409
    exit_code = 77


class ReviewClosed(ReviewError):
    """The proposal was confirmed or rejected, or its time is over."""

    code = "review.closed"
    title = "The proposal is closed"


class SameReviewer(ReviewError):
    """Two different persons must confirm, and this one did already."""

    code = "review.same_person"
    title = "Another person must confirm"
    status = 403


class PersonHeld(MorettaError):
    """A legal hold keeps the person: nothing of them may be erased until it is released."""

    code = "person.held"
    title = "A legal hold keeps this person"
    status = 423
    exit_code = 77

    def __init__(self, detail: str) -> None:
        super().__init__(detail, legal_ref="GDPR Art. 17(3)(e)")


class RequestInvalid(MorettaError):
    """A parameter is missing or wrong."""

    code = "request.invalid"
    title = "The request is not valid"
    status = 422
    exit_code = 64


class IdempotencyMismatch(RequestInvalid):
    """The idempotency key was used before with another request."""

    code = "idempotency.mismatch"
    title = "The idempotency key belongs to another request"
    status = 409


class NotAuthenticated(MorettaError):
    """No API key, or one that is unknown, expired or revoked."""

    code = "key.invalid"
    title = "A valid API key is needed"
    status = 401
    exit_code = 77


class ScopeMissing(MorettaError):
    """The API key lacks the scope that this call needs."""

    code = "key.scope_missing"
    title = "The API key may not do this"
    status = 403
    exit_code = 77


class NotFound(MorettaError):
    """Nothing with that id for this caller."""

    code = "not_found"
    title = "Not found"
    status = 404
    exit_code = 66


class RateLimited(MorettaError):
    """The caller has more requests or jobs under way than it may; `retry_after_s` says when to try again."""

    code = "rate.limited"
    title = "Too many requests"
    status = 429
    exit_code = 75

    def __init__(self, detail: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Cancelled(MorettaError):
    """The caller cancelled the work."""

    code = "job.cancelled"
    title = "The job was cancelled"
    status = 409
    exit_code = 130


class UsageRejected(MorettaError):
    """A usage record or batch does not have the closed schema, or its signature does not hold."""

    code = "usage.rejected"
    title = "The usage batch was refused"
    status = 422
    exit_code = 65


class StorageUnusable(MorettaError):
    """The database cannot be used: written by a newer version, of another kind, or out of reach."""

    code = "storage.unusable"
    title = "The database cannot be used"
    status = 503
    exit_code = 78


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


class ProofRejected(MorettaError):
    """A signature, proof or signed document does not hold: altered, another key's, or of another form."""

    code = "proof.rejected"
    title = "The proof does not hold"
    status = 422
    exit_code = 65


class DrillFailed(MorettaError):
    """An erasure drill found something of the made-up subject after it was erased, or could not look."""

    code = "drill.failed"
    title = "The erasure drill failed"
    status = 500
    exit_code = 76


class LogBroken(MorettaError):
    """The transparency log is not what was signed: changed, cut, forked or rolled back."""

    code = "log.broken"
    title = "The transparency log was tampered with"
    status = 500
    exit_code = 76


class ConsentError(MorettaError):
    """Consent is missing, or what was to prove it does not. `article` is the rule of law behind it."""

    code = "consent.refused"
    title = "There is no consent for this"
    status = 403
    exit_code = 77
    article = "GDPR Art. 7(1)"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, legal_ref=self.article)


class ConsentRequired(ConsentError):
    """The policy asks for a consent of this person to this purpose, and there is none."""

    code = "consent.required"
    title = "Consent is needed"
    article = "GDPR Art. 9(2)(a)"


class ConsentExpired(ConsentError):
    """There was a consent, and its time is over."""

    code = "consent.expired"
    title = "The consent has expired"
    article = "GDPR Art. 5(1)(e)"


class ConsentWithdrawn(ConsentError):
    """The subject withdrew the consent."""

    code = "consent.withdrawn"
    title = "The consent was withdrawn"
    article = "GDPR Art. 7(3)"


class AgeUnknown(ConsentError):
    """The policy asks for the subject's age, and nobody stated it."""

    code = "consent.age_unknown"
    title = "The subject's age must be stated"
    article = "GDPR Art. 8(2)"


class GuardianRequired(ConsentError):
    """The subject is a minor, and no guardian consented."""

    code = "consent.guardian_required"
    title = "A guardian must consent"
    article = "GDPR Art. 8(1)"


class NoticeChanged(ConsentError):
    """The notice that was agreed to is not the one that the collection shows."""

    code = "consent.notice_changed"
    title = "Another notice is shown by now"
    status = 409
    article = "GDPR Art. 13"


class ChallengeExpired(ConsentError):
    """The challenge was not answered in time."""

    code = "consent.challenge_expired"
    title = "The challenge has expired"


class ChallengeUsed(ConsentError):
    """The challenge was answered before: it can be answered once."""

    code = "consent.challenge_used"
    title = "The challenge was used already"
    status = 409


class SubjectMismatch(ConsentError):
    """A signature, challenge or consent of somebody else."""

    code = "consent.wrong_subject"
    title = "This is somebody else's"


class SignatureRejected(ConsentError):
    """No signature of that key over what was to be signed."""

    code = "consent.signature_invalid"
    title = "The signature does not hold"


class SubjectAccessError(MorettaError):
    """A person's own pages stay closed."""

    code = "subject.refused"
    title = "These pages stay closed"
    status = 403
    exit_code = 77


class CodeRejected(SubjectAccessError):
    """The code does not belong to the link, or there is no such link, or too many codes were tried."""

    code = "subject.code_invalid"
    title = "This link and code do not open anything"


class CodeExpired(SubjectAccessError):
    """It was the right code, and its time is over."""

    code = "subject.code_expired"
    title = "The code has expired"
    status = 410


class CodeUsed(SubjectAccessError):
    """It was the right code, and it was used before."""

    code = "subject.code_used"
    title = "The code was used already"
    status = 409


class SessionEnded(SubjectAccessError):
    """No session, or one that is over."""

    code = "subject.session_ended"
    title = "Your visit is over"


class FormRejected(SubjectAccessError):
    """What was sent does not come from a form of the person's own page."""

    code = "subject.form_rejected"
    title = "This did not come from your own page"


class KeyUnusable(MorettaError):
    """A key cannot be used."""

    code = "key_service.unusable"
    title = "A key cannot be used"
    status = 503
    exit_code = 78


class KeyDestroyed(KeyUnusable):
    """The key was destroyed, for good: what it protected cannot be read again."""

    code = "key_service.destroyed"
    title = "The key was destroyed"
    status = 410


class KeyRejected(KeyUnusable):
    """The key does not open this: another key's, moved from another place, or altered."""

    code = "key_service.rejected"
    title = "The key does not open this"
    status = 500


class ExtraMissing(MorettaError):
    """An optional part is needed and not installed."""

    code = "extra.missing"
    title = "An optional part of Moretta is not installed"
    status = 503
    exit_code = 78


class NodeUnavailable(MorettaError):
    """A comparing node, a party or the key holder is down, slow, or does not answer as it should."""

    code = "node.unavailable"
    title = "A part of the deployment cannot be reached"
    status = 503
    exit_code = 75


# Met before a worker has seen a byte of the media: nothing was processed, and nothing is counted.
NOT_PROCESSED = (ModelError, Overloaded, PolicyProhibited, RequestInvalid, SandboxUnavailable)
