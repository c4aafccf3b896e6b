"""Notices that were shown and consents that rest on them, as values.

Belongs here: notices, consents, challenges, receipts, their states, and the pure checks on them. Does not belong here: where they
are kept (see `consent_store`), signatures, WebAuthn, HTTP.

A consent is given for one collection and its purpose, on one exact notice, before anything is enrolled: giving it makes the
person, without a face. What is sensitive of it (`ConsentDetails`) is sealed under that person's data key; the rest is ids,
hashes and moments, and stays as evidence that there was a consent when the person is erased.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from moretta.core.errors import RequestInvalid

# Longer notices are not read; a page of text has about 3,000 characters.
MAX_NOTICE_BYTES = 64 * 1024
MAX_WORDS = 200
# A person reads the notice before the challenge is fetched; what remains is a touch on a sensor (WebAuthn L3, 5.4: 300-600 s).
CHALLENGE_LIFE = timedelta(minutes=5)
NONCE_BYTES = 32

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")  # the usual forms of RFC 5646
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ConsentState(StrEnum):
    """`GIVEN` is the only state on which anything rests; also then it may have run out (`Consent.is_valid`)."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class ConsentMethod(StrEnum):
    """How the subject said it: with a passkey, with a key of their own, or on paper, which an operator records.

    `NONE`: a refusal, which nobody needs to sign.
    """

    PASSKEY = "passkey"
    KEY = "key"
    PAPER = "paper"
    NONE = "none"


class Age(StrEnum):
    """What the subject, or who records it, says about age (GDPR Art. 8). Nothing here guesses it."""

    ADULT = "adult"
    MINOR = "minor"
    UNKNOWN = "unknown"


class WithdrawnBy(StrEnum):
    """Who withdrew: the subject on a page of theirs, an operator whom the subject told, or the end of its time."""

    SUBJECT = "subject"
    OPERATOR = "operator"
    SWEEPER = "sweeper"


@dataclass(frozen=True, slots=True)
class Notice:
    """One version of a text that is shown before consent is asked; never changed: another text is another version.

    A collection shows the newest version of its notice in each language. `text` is Markdown; `purpose` is the collection's when
    the notice was made; `controller` is who answers for the processing, with an address at which they are reached.

    Raises:
        RequestInvalid: a field is empty, too long, or of another form.
    """

    notice_id: str
    version: int
    company_id: str
    collection_id: str
    language: str
    controller: str
    purpose: str
    text: str = field(repr=False)
    created_at: datetime

    def __post_init__(self) -> None:
        if not _LANGUAGE.fullmatch(self.language):
            raise RequestInvalid("expected the notice's language as a tag such as en or pt-BR")
        if not 1 <= len(self.controller.strip()) <= MAX_WORDS:
            raise RequestInvalid(f"expected who is the controller in 1 to {MAX_WORDS} characters")
        if not self.text.strip() or len(self.text.encode()) > MAX_NOTICE_BYTES:
            raise RequestInvalid(f"expected the notice's text, at most {MAX_NOTICE_BYTES} bytes")

    @property
    def sha256(self) -> str:
        """The SHA-256 of the text's exact bytes (UTF-8), in hexadecimal: what a consent is bound to."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ConsentDetails:
    """What is sealed of a consent.

    `evidence_sha256` (hexadecimal): of `proof`, or of the scanned paper. `proof`: what the subject signed and how, as JSON, so
    that others can check it; empty on paper. `public_key`: the subject's (Ed25519: 32 bytes raw; P-256: 65 bytes, uncompressed;
    a passkey's: as COSE); `credential_id`: the passkey's; `sign_count`: its counter as last seen. `guardian`: in which relation
    to the subject a guardian consented (`mother`, `legal guardian`), empty where the subject did. `recorded_by`: the API key of
    an operator who recorded paper.
    """

    evidence_sha256: str
    age: Age = Age.UNKNOWN
    guardian: str = ""
    proof: str = ""
    public_key: bytes = b""
    credential_id: bytes = b""
    sign_count: int = 0
    recorded_by: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """A decision of one subject about one collection and its purpose.

    `person_id` is None for a refusal before there was a person. `given_at` is when it was given or refused; `expires_at` None:
    until it is withdrawn. `details` is None for a refusal, and once the person's data key is destroyed. `erasure_due`: it
    ended, and what rested on it is not erased yet.
    """

    consent_id: str
    company_id: str
    collection_id: str
    person_id: str | None
    purpose: str
    notice_sha256: str
    state: ConsentState
    method: ConsentMethod
    given_at: datetime
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None
    erasure_due: bool = False
    details: ConsentDetails | None = field(default=None, repr=False)

    @property
    def subject(self) -> str:
        """The pseudonym under which documents name the subject: random, and nobody's name."""
        return self.person_id or self.consent_id

    def is_valid(self, now: datetime) -> bool:
        """Whether processing may rest on it at `now`."""
        return self.state is ConsentState.GIVEN and not self.has_run_out(now)

    def has_run_out(self, now: datetime) -> bool:
        """Whether its time is over, whether or not it was marked `EXPIRED`."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a subject signs, once and within `CHALLENGE_LIFE`, to consent to one notice.

    `person_id` is who may answer it: None for somebody who is not a person of the collection yet.
    """

    challenge_id: str
    company_id: str
    collection_id: str
    purpose: str
    notice_sha256: str
    person_id: str | None
    nonce: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None

    def statement(self) -> dict[str, str]:
        """What the subject declares, as a JSON object.

        A key of the subject's own signs its canonical form (`usage.canonical_json`).
        """
        return {
            "type": "moretta.consent/1",
            "decision": "given",
            "collection_id": self.collection_id,
            "purpose": self.purpose,
            "notice_sha256": self.notice_sha256,
            "subject": self.person_id or "new",
            "nonce": self.nonce.hex(),
            "expires_at": self.expires_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What proves an event of a consent: `jws` is compact (RFC 7515), signed by the deployment; `log_index` where the log tells
    it.

    Its payload holds the fields of ISO/IEC TS 27560 in the terms of the W3C Data Privacy Vocabulary, the subject's signature
    where there is one, and the log entry that commits to both.
    """

    consent_id: str
    event: ConsentState
    log_index: int
    jws: str


def require_sha256(text: str, what: str) -> str:
    """`text`, or raises `RequestInvalid` where it is not a SHA-256 in hexadecimal."""
    if not _SHA256.fullmatch(text):
        raise RequestInvalid(f"expected the SHA-256 of {what} as 64 hexadecimal digits")
    return text
