"""Errors of consent: it is missing, or what was to prove it does not.

Belongs here: consents, notices, challenges and signatures, each with its article. Does not belong here: what policy forbids.
"""

from moretta.core.errors.root import MorettaError


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
