"""What tests of consent share: subjects who sign, with a key or a passkey in software, and consents to keep."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from moretta.core.clock import to_second
from moretta.core.consent import Challenge, Consent, ConsentDetails, ConsentMethod, ConsentState, Notice
from moretta.core.consent_proof import KeyProof, PasskeyOptions, PasskeyProof, signed_bytes
from moretta.core.consent_receipts import Circumstances, declaration, document_sha256, first_record
from moretta.core.consent_store import NewConsent
from moretta.core.jws import from_base64url, to_base64url
from moretta.core.key_service import SubjectCipher
from moretta.core.ledger import EntryKind, LogEntry, content_commitment
from moretta.core.recognition import Collection, IdKind, Person, new_id
from tests.storage_rig import NOW

ORIGIN = "https://privacy.example.org"
CONTROLLER = "Example Ltd, 1 Canal Street"
TEXT = "# Your face at the door\n\nWe keep a template of your face to open the door.\n"


@dataclass
class Ed25519Subject:
    """A subject with a key of their own."""

    private: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def proof(self, challenge: Challenge) -> KeyProof:
        return KeyProof(challenge.challenge_id, self.public_key, self.sign(signed_bytes(challenge)))


@dataclass
class P256Subject:
    """As `Ed25519Subject`, with the kind of key that every browser makes."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_key(self) -> bytes:
        return _point(self.private)

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def proof(self, challenge: Challenge) -> KeyProof:
        return KeyProof(challenge.challenge_id, self.public_key, self.sign(signed_bytes(challenge)))


@dataclass
class Authenticator:
    """An authenticator in software with one passkey: P-256, no attestation (W3C Web Authentication, 6.5.4 and 8.7)."""

    origin: str = ORIGIN
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    count: int = 0
    verifies_user: bool = True

    @property
    def flags(self) -> int:
        present, verified = 0x01, 0x04
        return present | (verified if self.verifies_user else 0)

    def create(self, options: str) -> str:
        """What `navigator.credentials.create` answers, as JSON."""
        asked = json.loads(options)
        client = self._client("webauthn.create", asked["challenge"])
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._cose()
        attested_data = 0x40
        data = self._data(asked["rp"]["id"], self.flags | attested_data) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer({"clientDataJSON": to_base64url(client), "attestationObject": to_base64url(statement)})

    def get(self, options: str) -> str:
        """What `navigator.credentials.get` answers, as JSON."""
        asked = json.loads(options)
        self.count += 1
        client = self._client("webauthn.get", asked["challenge"])
        data = self._data(asked["rpId"], self.flags)
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": to_base64url(client),
                "authenticatorData": to_base64url(data),
                "signature": to_base64url(signature),
            }
        )

    def proof(self, challenge: Challenge, options: PasskeyOptions) -> PasskeyProof:
        """Both answers where a passkey is to be made, the one signature else."""
        made = self.create(options.registration) if options.registration else ""
        return PasskeyProof(challenge.challenge_id, self.get(options.authentication), made)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _cose(self) -> bytes:
        point = _point(self.private)
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})

    def _answer(self, response: dict[str, str]) -> str:
        own = to_base64url(self.credential_id)
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": response})


def altered(answer: str, part: str) -> str:
    """A browser's answer with one bit of the last byte of a part turned."""
    fields = json.loads(answer)
    content = from_base64url(fields["response"][part])
    fields["response"][part] = to_base64url(content[:-1] + bytes([content[-1] ^ 1]))
    return json.dumps(fields)


def a_notice(collection: Collection, text: str = TEXT, language: str = "en", version: int = 1) -> Notice:
    return Notice(
        notice_id=new_id(IdKind.NOTICE, "local"),
        version=version,
        company_id=collection.company_id,
        collection_id=collection.collection_id,
        language=language,
        controller=CONTROLLER,
        purpose=collection.purpose,
        text=text,
        created_at=NOW,
    )


def a_challenge(notice: Notice, person_id: str | None = None) -> Challenge:
    return Challenge(
        challenge_id=new_id(IdKind.CHALLENGE, "local"),
        company_id=notice.company_id,
        collection_id=notice.collection_id,
        purpose=notice.purpose,
        notice_sha256=notice.sha256,
        person_id=person_id,
        nonce=secrets.token_bytes(32),
        created_at=NOW,
        expires_at=NOW.replace(minute=5),
    )


def a_consent(
    collection: Collection,
    notice: Notice,
    person_id: str | None,
    *,
    given_at: datetime = NOW,
    expires_at: datetime | None = None,
) -> Consent:
    """On paper; a refusal where nobody is named."""
    consent = Consent(
        consent_id=new_id(IdKind.CONSENT, "local"),
        company_id=collection.company_id,
        collection_id=collection.collection_id,
        person_id=person_id,
        purpose=collection.purpose,
        notice_sha256=notice.sha256,
        state=ConsentState.GIVEN,
        method=ConsentMethod.PAPER,
        given_at=given_at,
        expires_at=expires_at,
        details=ConsentDetails(
            hashlib.sha256(b"scan").hexdigest(), guardian="grandmother", recorded_by="9d8c7b6a59483726"
        ),
    )
    if person_id is None:
        return replace(consent, state=ConsentState.REFUSED, method=ConsentMethod.NONE, details=None)
    return consent


def to_keep(
    cipher: SubjectCipher,
    collection: Collection,
    notice: Notice,
    consent: Consent,
    person: Person | None = None,
    challenge_id: str | None = None,
) -> NewConsent:
    """As `ConsentStore.keep` takes it; with `person`, one whom the consent makes."""
    wrapped = None if person is None else cipher.new_key(person.person_id).wrapped
    return NewConsent(consent, first_record(consent, Circumstances(notice, collection)), person, wrapped, challenge_id)


def told(new: NewConsent) -> list[LogEntry]:
    """The entry that commits to it."""
    nonce = secrets.token_bytes(16)
    sha256 = document_sha256(new.record, declaration(new.consent.details))
    kind = EntryKind.CONSENT_GIVEN if new.consent.state is ConsentState.GIVEN else EntryKind.CONSENT_REFUSED
    content = content_commitment(nonce, sha256)
    return [LogEntry(kind, to_second(NOW), new.consent.company_id, nonce=nonce, content=content)]


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = private.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
