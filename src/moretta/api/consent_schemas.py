"""The shapes of notices, challenges, consents and receipts, and how core's values turn into them and back.

Belongs here: what the API takes and shows of consent. Does not belong here: addresses, checking.
"""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from moretta.api.people_schemas import Attributes, PersonName
from moretta.core.consent import MAX_WORDS, Age, Consent, ConsentMethod, ConsentState, Notice, Receipt
from moretta.core.consent_proof import KeyProof, PaperProof, PasskeyProof, Proof, key_from_jwk, signed_bytes
from moretta.core.consent_receipts import RECEIPT_TYPE
from moretta.core.errors import FieldError, ProofRejected, RequestInvalid
from moretta.core.jws import from_base64url, to_base64url
from moretta.use_cases.consent.challenges import Asked
from moretta.use_cases.consent.end import Ended
from moretta.use_cases.consent.give import Agreement

_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

Id = Annotated[str, Field(max_length=64)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="In hexadecimal.")]
Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS, pattern=_LINE)]


class NewNotice(BaseModel, extra="forbid"):
    """A text that people of a collection are shown before they consent: the next version of it where there is one already."""

    collection_id: Id
    language: Annotated[str, Field(max_length=35, examples=["en"])]
    controller: Annotated[Words, Field(description="Who answers for it, and where they are reached.")]
    text: Annotated[str, Field(min_length=1, max_length=64 * 1024, description="Markdown.")]


class NoticeView(BaseModel):
    """One version of a notice; it never changes. `sha256` is that of the text's exact bytes (UTF-8)."""

    id: str
    version: int
    collection_id: str
    language: str
    controller: str
    purpose: str
    sha256: str
    text: str
    created_at: datetime


class NoticePage(BaseModel):
    """The newest version of each notice, in the order of their ids."""

    data: list[NoticeView]
    next_cursor: str | None


class NewChallenge(BaseModel, extra="forbid"):
    """What a subject is about to agree to. `person_id`: of somebody known already; null: of somebody new."""

    collection_id: Id
    notice_sha256: Sha256
    person_id: Id | None = None


class PasskeyOptionsView(BaseModel):
    """What a page hands to `navigator.credentials`: `registration` to `create` (null: the person has a passkey), then
    `authentication` to `get`, for a new passkey with its id in `allowCredentials`."""

    registration: dict[str, Any] | None
    authentication: dict[str, Any]


class ChallengeView(BaseModel):
    """What a subject signs once, before `expires_at`: `to_sign`, the canonical JSON of `statement` in URL-safe base64."""

    id: str
    expires_at: datetime
    statement: dict[str, str]
    to_sign: str
    notice: NoticeView
    passkey: PasskeyOptionsView | None


class PasskeyAnswer(BaseModel, extra="forbid"):
    """What the browser answered, as JSON; `registration` where the passkey was made for this consent."""

    challenge_id: Id
    assertion: dict[str, Any]
    registration: dict[str, Any] | None = None


class KeyAnswer(BaseModel, extra="forbid"):
    """The signature of a key of the subject's own (Ed25519, or ES256 as r and s) over `to_sign`, in URL-safe base64."""

    challenge_id: Id
    jwk: dict[str, Any]
    signature: Annotated[str, Field(max_length=200)]


class PaperAnswer(BaseModel, extra="forbid"):
    """A form that the subject signed by hand, which the operator keeps: the SHA-256 of its scan."""

    evidence_sha256: Sha256


class NewConsentBody(BaseModel, extra="forbid"):
    """A decision of a subject. Given: exactly one of `passkey`, `key` and `paper` proves it. Refused: none is needed."""

    collection_id: Id
    notice_sha256: Sha256
    decision: Literal["given", "refused"] = "given"
    person_id: Id | None = Field(default=None, description="null: somebody new, whom the consent makes.")
    passkey: PasskeyAnswer | None = None
    key: KeyAnswer | None = None
    paper: PaperAnswer | None = None
    age: Age = Age.UNKNOWN
    guardian: Annotated[str, Field(max_length=MAX_WORDS, pattern=_LINE)] = Field(
        default="", description="In which relation to the subject a guardian consented; no name."
    )
    expires_at: AwareDatetime | None = Field(default=None, description="null: until it is withdrawn.")
    name: PersonName = ""
    attributes: Attributes = {}


class ConsentView(BaseModel):
    """A decision of a subject. `age` and `guardian` are null where they were erased with the person."""

    id: str
    collection_id: str
    person_id: str | None
    purpose: str
    notice_sha256: str
    state: ConsentState
    method: ConsentMethod
    given_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None
    age: Age | None
    guardian: str | None


class ConsentPage(BaseModel):
    """Consents, in the order of their ids."""

    data: list[ConsentView]
    next_cursor: str | None


class WithdrawalView(BaseModel):
    """A consent after its end. `erased`: nothing of the person is left. `pending`: why that is still to be done, as a code; it is
    done later by itself, and the person takes part in no comparison meanwhile."""

    consent: ConsentView
    erased: bool
    pending: str | None


class WithdrawalsView(BaseModel):
    """Every consent of a person that this call ended."""

    data: list[WithdrawalView]


class ReceiptView(BaseModel):
    """What proves an event of a consent. Keep it as it is: `moretta verify` checks the file with the public key alone."""

    type: Literal["moretta.consent-receipt.v1"]
    consent_id: str
    event: ConsentState
    log_index: int
    jws: str


def notice_view(notice: Notice) -> NoticeView:
    """A notice as it is shown."""
    return NoticeView(
        id=notice.notice_id,
        version=notice.version,
        collection_id=notice.collection_id,
        language=notice.language,
        controller=notice.controller,
        purpose=notice.purpose,
        sha256=notice.sha256,
        text=notice.text,
        created_at=notice.created_at,
    )


def challenge_view(asked: Asked) -> ChallengeView:
    """A challenge as it is shown."""
    challenge, options = asked.challenge, asked.passkey
    passkey = None
    if options is not None:
        passkey = PasskeyOptionsView(
            registration=json.loads(options.registration) if options.registration else None,
            authentication=json.loads(options.authentication),
        )
    return ChallengeView(
        id=challenge.challenge_id,
        expires_at=challenge.expires_at,
        statement=challenge.statement(),
        to_sign=to_base64url(signed_bytes(challenge)),
        notice=notice_view(asked.notice),
        passkey=passkey,
    )


def consent_view(consent: Consent) -> ConsentView:
    """A consent as it is shown."""
    details = consent.details
    return ConsentView(
        id=consent.consent_id,
        collection_id=consent.collection_id,
        person_id=consent.person_id,
        purpose=consent.purpose,
        notice_sha256=consent.notice_sha256,
        state=consent.state,
        method=consent.method,
        given_at=consent.given_at,
        expires_at=consent.expires_at,
        withdrawn_at=consent.withdrawn_at,
        age=None if details is None else details.age,
        guardian=None if details is None else details.guardian,
    )


def withdrawal_view(ended: Ended) -> WithdrawalView:
    """A consent after its end as it is shown."""
    return WithdrawalView(consent=consent_view(ended.consent), erased=ended.erased, pending=ended.pending)


def receipt_view(receipt: Receipt) -> ReceiptView:
    """A receipt as it is shown."""
    return ReceiptView(
        type=RECEIPT_TYPE,
        consent_id=receipt.consent_id,
        event=receipt.event,
        log_index=receipt.log_index,
        jws=receipt.jws,
    )


def agreement_in(body: NewConsentBody, recorded_by: str) -> Agreement:
    """What is agreed to; `recorded_by` is who sends it.

    Raises:
        RequestInvalid: not exactly one proof, or one of another form.
    """
    return Agreement(
        collection_id=body.collection_id,
        notice_sha256=body.notice_sha256,
        proof=_proof(body, recorded_by),
        person_id=body.person_id,
        age=body.age,
        guardian=body.guardian,
        expires_at=body.expires_at,
        name=body.name,
        attributes=tuple(body.attributes.items()),
    )


def signature_in(text: str) -> bytes:
    """The bytes of a signature. Raises `RequestInvalid` where the text is no URL-safe base64."""
    try:
        return from_base64url(text)
    except ProofRejected as error:
        wrong = FieldError("key", error.detail)
        raise RequestInvalid("The signature cannot be read.", field_errors=(wrong,)) from None


def require_bare_refusal(body: NewConsentBody) -> None:
    """Raises `RequestInvalid` where a refusal carries what is kept of nobody who refuses."""
    if body.model_fields_set - {"collection_id", "notice_sha256", "decision", "person_id"}:
        wrong = FieldError("decision", "expected nothing but collection_id, notice_sha256 and maybe person_id")
        raise RequestInvalid("A refusal keeps nothing of whoever refuses.", field_errors=(wrong,))


def _proof(body: NewConsentBody, recorded_by: str) -> Proof:
    given = [one for one in (body.passkey, body.key, body.paper) if one is not None]
    if len(given) != 1:
        wrong = FieldError("body", "expected exactly one of passkey, key and paper")
        raise RequestInvalid("A consent is proved in one way.", field_errors=(wrong,))
    if body.paper is not None:
        return PaperProof(body.paper.evidence_sha256, recorded_by)
    if body.key is not None:
        return KeyProof(body.key.challenge_id, key_from_jwk(body.key.jwk), signature_in(body.key.signature))
    passkey = body.passkey
    if passkey is None:
        raise RequestInvalid("expected the answer of a passkey")
    made = "" if passkey.registration is None else json.dumps(passkey.registration)
    return PasskeyProof(passkey.challenge_id, json.dumps(passkey.assertion), made)
