"""Certificates: what is said, its digest in the log, and the document that is signed.

Belongs here: the order of it. Does not belong here: checking a certificate (see `ledger.certificates`).

What the log commits to comes first and is kept in the same transaction; the document with the log's proof is made from it and can
be made again after a crash.
"""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

from moretta.core.clock import to_second
from moretta.core.erasure import Erasure, ErasureCertificate, NegativeSearch
from moretta.core.ledger import EntryKind, LogEntry, content_commitment
from moretta.core.protection import Scheme
from moretta.core.signing import signed_document
from moretta.core.usage import canonical_json
from moretta.use_cases.recognition.acts import by_whom
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights.means import RightsMeans

_SCOPE = "everything that this deployment keeps about one person of one collection"
_SCOPE_WITH_COLLECTION = (
    "everything that this deployment keeps about one person of one collection, erased with the whole collection"
)
_HOLD = "backups that were made before may hold the person's data as ciphertext together with its wrapped key: "
_BY_HAND = (
    "they can be read with the region's master key until they expire or that master key is changed (`moretta master-keys "
    "change`), whichever is first"
)
_PACKED_BY_HAND = (
    "; packed templates in them stand under the collection's key, and can be read with it until that is renewed "
    "(`moretta collections reissue`)"
)
_SCHEDULED = (
    "while the service runs, it changes the region's master key and destroys the old one by {by}; from then on the key holder "
    "opens nothing of the person. An entry key.changed of the log (change master-key, step done) whose begun_at is later than "
    "completed_at tells that it was done. Copies of the key holder's own folder or token from before would open them still"
)
_PACKED_SCHEDULED = (
    "; the key of the collection, under which packed templates stand in them, is destroyed with it where left of that entry "
    "is 0"
)
_SHARES = "; shares of the templates stand in the backups of three parties, which only their expiry ends"
# A round each quarter of an hour, minutes until no request can hold the old key, the wrapping of every key, and a night's outage.
_SPARE = timedelta(days=1)


def certified(means: RightsMeans, region: Region, erasure: Erasure) -> None:
    """Keep the next certificate of an erasure, with its entry of the log, and sign it."""
    following = replace(erasure, revision=erasure.revision + 1)
    body = canonical_json(_certificate(means, region, following).fields())
    facts = (
        ("certificate", following.certificate_id),
        ("collection", following.collection_id),
        ("revision", str(following.revision)),
        *by_whom(),
    )
    entry = LogEntry(
        kind=EntryKind.ERASED,
        time=to_second(means.recognition.clock()),
        company_id=following.company_id,
        facts=facts,
        nonce=following.nonce,
        subject=following.subject,
        content=content_commitment(following.nonce, hashlib.sha256(body).digest()),
    )
    means.recognition.checkpoint("erase:certify")
    region.erasures.certify(following, body, entry)
    means.recognition.checkpoint("erase:certified")
    signed(means, region, following)


def signed(means: RightsMeans, region: Region, erasure: Erasure) -> None:
    """Sign what was certified and not signed yet. Idempotent."""
    sign(means, region, erasure.certificate_id)


def sign(means: RightsMeans, region: Region, certificate_id: str) -> None:
    """Make the document of the newest body of that id that has none: body, proof of the log, signature."""
    found = region.erasures.uncertified(certificate_id)
    if found is None:
        return
    body, _, index = found
    fields = json.loads(body)
    document = signed_document({**fields, "log": dict(means.prove(region.log, index))}, region.signing.signer())
    means.recognition.checkpoint("erase:signed")
    region.erasures.keep_document(certificate_id, int(fields["revision"]), canonical_json(document))
    means.recognition.checkpoint("erase:kept")


def _certificate(means: RightsMeans, region: Region, erasure: Erasure) -> ErasureCertificate:
    completed_at = erasure.completed_at or means.recognition.clock()
    found = erasure.findings
    expire = None if means.backup_days is None else to_second(completed_at + timedelta(days=means.backup_days))
    shredded = (
        to_second(completed_at + timedelta(days=means.master_key_days) + _SPARE) if means.master_key_days else None
    )
    return ErasureCertificate(
        certificate_id=erasure.certificate_id,
        revision=erasure.revision,
        supersedes=_before(region, erasure),
        request_id=erasure.request_id,
        company_id=erasure.company_id,
        scope=_SCOPE_WITH_COLLECTION if erasure.with_collection else _SCOPE,
        collection_id=erasure.collection_id,
        purpose=erasure.purpose,
        scheme=erasure.scheme,
        nonce=erasure.nonce,
        subject=erasure.subject,
        requested_at=erasure.requested_at,
        started_at=erasure.started_at,
        completed_at=completed_at,
        stores=found.outcomes,
        destroyed_keys=(erasure.key_fingerprint,) if erasure.key_fingerprint else (),
        backups_expire_at=expire,
        backups=_backups(erasure.scheme, shredded),
        backups_shredded_by=shredded,
        exceptions=found.remainders,
        negative_search=found.negative_search or NegativeSearch(0, 0, "no probe was compared"),
        software=means.software,
        models=means.models_of(erasure.model_id),
    )


def _backups(scheme: str, shredded_by: str | None) -> str:
    """What is known of backups from before, in words."""
    said = _HOLD + (_BY_HAND if shredded_by is None else _SCHEDULED.format(by=shredded_by))
    if scheme == Scheme.HE:
        said += _PACKED_BY_HAND if shredded_by is None else _PACKED_SCHEDULED
    return said + (_SHARES if scheme == Scheme.SHARES else "")


def _before(region: Region, erasure: Erasure) -> str | None:
    """The digest of the certificate that this one takes the place of."""
    if erasure.revision == 1:
        return None
    before = region.erasures.certificate(erasure.company_id, erasure.certificate_id)
    return hashlib.sha256(before.document).hexdigest()
