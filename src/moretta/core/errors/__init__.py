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
├── LeakFound                      a redacted item still shows a face
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
│   ├── BudgetExhausted            the site's privacy budget of that day is spent (`dp.budget_exhausted`)
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
├── CameraUnavailable              a camera is out of reach, silent, or sends what is no picture
└── UsageRejected                  a usage record or batch has another shape or signature than the closed schema

Belongs here: the drawing, and every class by name, whichever module of this package defines it. Does not belong here: a class.
"""

from moretta.core.errors.consent import (
    AgeUnknown,
    ChallengeExpired,
    ChallengeUsed,
    ConsentError,
    ConsentExpired,
    ConsentRequired,
    ConsentWithdrawn,
    GuardianRequired,
    NoticeChanged,
    SignatureRejected,
    SubjectMismatch,
)
from moretta.core.errors.keys import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.core.errors.media import (
    DimensionsTooLarge,
    LeakFound,
    MediaEmpty,
    MediaError,
    MediaTooLarge,
    MediaTruncated,
    MediaUnreadable,
    MediaUnsupported,
    MediaWithoutFrames,
    MediaWithoutVideo,
)
from moretta.core.errors.models import ModelCorrupt, ModelError, ModelMissing, ModelRejected
from moretta.core.errors.policy import (
    ApprovalRequired,
    BudgetExhausted,
    PersonHeld,
    PolicyProhibited,
    PurposeUnknown,
    RetentionExceeded,
    ReviewClosed,
    ReviewError,
    SameReviewer,
)
from moretta.core.errors.proof import DrillFailed, LogBroken, ProofRejected
from moretta.core.errors.recognition import (
    Conflict,
    DuplicateFace,
    FaceNotFound,
    ModelMismatch,
    PersonErased,
    PersonRestricted,
    ProbeRejected,
    PurposeMismatch,
    QualityTooLow,
    RecognitionError,
    RegionRefused,
    SeveralFaces,
)
from moretta.core.errors.requests import (
    IdempotencyMismatch,
    NotAuthenticated,
    NotFound,
    RateLimited,
    RequestInvalid,
    ScopeMissing,
)
from moretta.core.errors.root import FieldError, MorettaError
from moretta.core.errors.running import (
    CameraUnavailable,
    Cancelled,
    ExtraMissing,
    NodeUnavailable,
    Overloaded,
    SandboxUnavailable,
    StorageUnusable,
    TimeLimitExceeded,
    UsageRejected,
    WorkerLost,
)
from moretta.core.errors.subject import (
    CodeExpired,
    CodeRejected,
    CodeUsed,
    FormRejected,
    SessionEnded,
    SubjectAccessError,
)

__all__ = [
    "NOT_PROCESSED",
    "AgeUnknown",
    "ApprovalRequired",
    "BudgetExhausted",
    "CameraUnavailable",
    "Cancelled",
    "ChallengeExpired",
    "ChallengeUsed",
    "CodeExpired",
    "CodeRejected",
    "CodeUsed",
    "Conflict",
    "ConsentError",
    "ConsentExpired",
    "ConsentRequired",
    "ConsentWithdrawn",
    "DimensionsTooLarge",
    "DrillFailed",
    "DuplicateFace",
    "ExtraMissing",
    "FaceNotFound",
    "FieldError",
    "FormRejected",
    "GuardianRequired",
    "IdempotencyMismatch",
    "KeyDestroyed",
    "KeyRejected",
    "KeyUnusable",
    "LeakFound",
    "LogBroken",
    "MediaEmpty",
    "MediaError",
    "MediaTooLarge",
    "MediaTruncated",
    "MediaUnreadable",
    "MediaUnsupported",
    "MediaWithoutFrames",
    "MediaWithoutVideo",
    "ModelCorrupt",
    "ModelError",
    "ModelMismatch",
    "ModelMissing",
    "ModelRejected",
    "MorettaError",
    "NodeUnavailable",
    "NotAuthenticated",
    "NotFound",
    "NoticeChanged",
    "Overloaded",
    "PersonErased",
    "PersonHeld",
    "PersonRestricted",
    "PolicyProhibited",
    "ProbeRejected",
    "ProofRejected",
    "PurposeMismatch",
    "PurposeUnknown",
    "QualityTooLow",
    "RateLimited",
    "RecognitionError",
    "RegionRefused",
    "RequestInvalid",
    "RetentionExceeded",
    "ReviewClosed",
    "ReviewError",
    "SameReviewer",
    "SandboxUnavailable",
    "ScopeMissing",
    "SessionEnded",
    "SeveralFaces",
    "SignatureRejected",
    "StorageUnusable",
    "SubjectAccessError",
    "SubjectMismatch",
    "TimeLimitExceeded",
    "UsageRejected",
    "WorkerLost",
]

# Met before a worker has seen a byte of the media: nothing was processed, and nothing is counted.
NOT_PROCESSED = (ModelError, Overloaded, PolicyProhibited, RequestInvalid, SandboxUnavailable)
