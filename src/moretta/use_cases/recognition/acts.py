"""What recognition tells the transparency log: one function for each act.

Belongs here: which facts an entry holds; never a name, a file's name or a person's id: people are salted commitments under their
own data keys. Does not belong here: how entries are kept.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import fields

from moretta.core.acting import acting
from moretta.core.audit import SearchKind, SearchRecord
from moretta.core.clock import Clock, to_second
from moretta.core.errors import KeyDestroyed, KeyRejected, NotFound, PersonErased
from moretta.core.key_service import SubjectKey
from moretta.core.ledger import NONCE_BYTES, VALUE, EntryKind, LogEntry, content_commitment, subject_commitment
from moretta.core.recognition import Collection, Person
from moretta.use_cases.recognition.means import Means, Region

Fact = str | int | bool
# Facts that name who acted: where an act has none of them, `by` is added.
_ACTORS = frozenset({"by", "caller", "made_by", "reviewer"})


def entry(
    kind: EntryKind,
    clock: Clock,
    company_id: str,
    facts: Mapping[str, Fact],
    *,
    subject: SubjectKey | None = None,
    document: bytes | None = None,
) -> LogEntry:
    """An entry of now, which names who acts. `subject`: about whom it is; `document`: the SHA-256 (32 bytes) of what belongs
    to it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    told = {**facts, **({} if _ACTORS & facts.keys() else dict(by_whom()))}
    return LogEntry(
        kind=kind,
        time=to_second(clock()),
        company_id=company_id,
        facts=tuple((name, _text(value)) for name, value in sorted(told.items())),
        nonce=nonce,
        subject=b"" if subject is None else subject_commitment(subject.key, subject.subject_id, nonce),
        content=b"" if document is None else content_commitment(nonce, document),
    )


def by_whom() -> tuple[tuple[str, str], ...]:
    """The fact of who acts; none where it is the deployment's own doing."""
    who = acting()
    return (("by", word(who)),) if who else ()


def word(text: str) -> str:
    """Operators' own words as a fact: as they are where they are one word, else `sha256:` and their digest."""
    return text if VALUE.fullmatch(text) else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def data_key(region: Region, person_id: str) -> SubjectKey:
    """The person's data key, opened. Raises `PersonErased`, `NotFound`."""
    return region.cipher.opened(person_id, region.store.subject_key(person_id))


def key_if_it_opens(region: Region, person_id: str) -> SubjectKey | None:
    """As `data_key`; None where its master key is gone: deleting must not wait for a key. Raises `PersonErased`, `NotFound`."""
    try:
        return data_key(region, person_id)
    except (KeyDestroyed, KeyRejected):
        return None


def collection_created(clock: Clock, collection: Collection) -> LogEntry:
    """A collection was made."""
    facts = _of(collection) | {"change": "created", "scheme": collection.scheme.value, "key": collection.key_id}
    return entry(EntryKind.COLLECTION_CHANGED, clock, collection.company_id, facts)


def collection_changed(clock: Clock, before: Collection, after: Collection) -> LogEntry:
    """Settings of a collection were changed: which, and what those are now that say how people are compared."""
    changed = sorted(one.name for one in fields(after) if getattr(before, one.name) != getattr(after, one.name))
    facts: dict[str, Fact] = _of(after) | {"change": "settings", "fields": ",".join(changed)}
    if "thresholds" in changed:
        facts["threshold"] = f"{after.thresholds.match:.6f}"
    if "retention_days" in changed:
        facts["retention_days"] = "none" if after.retention_days is None else after.retention_days
    return entry(EntryKind.COLLECTION_CHANGED, clock, after.company_id, facts)


def collection_closed(clock: Clock, collection: Collection) -> LogEntry:
    """A collection was taken out of use: everybody in it is to be erased from here on."""
    return entry(EntryKind.COLLECTION_CHANGED, clock, collection.company_id, _of(collection) | {"change": "closed"})


def collection_deleted(clock: Clock, collection: Collection) -> LogEntry:
    """A collection was deleted, once everybody in it was erased."""
    return entry(EntryKind.COLLECTION_CHANGED, clock, collection.company_id, _of(collection) | {"change": "deleted"})


def enrolled(
    clock: Clock, collection: Collection, subject: SubjectKey, *, faces: int, replaced: int, photos: int
) -> LogEntry:
    """Faces of a person were kept."""
    facts = _of(collection) | {"faces": faces, "replaced": replaced, "photos": photos}
    return entry(EntryKind.ENROLLED, clock, collection.company_id, facts, subject=subject)


def person_changed(clock: Clock, before: Person, after: Person, subject: SubjectKey) -> list[LogEntry]:
    """Words about a person were put right, or comparing them was stopped or permitted again."""
    collection: dict[str, Fact] = {"collection": after.collection_id}
    told = []
    changed = [name for name in ("name", "attributes") if getattr(before, name) != getattr(after, name)]
    if changed:
        facts = collection | {"fields": ",".join(changed)}
        told.append(entry(EntryKind.RECTIFIED, clock, after.company_id, facts, subject=subject))
    if before.state is not after.state:
        facts = collection | {"before": before.state.value, "state": after.state.value}
        told.append(entry(EntryKind.RESTRICTED, clock, after.company_id, facts, subject=subject))
    return told


def erased(clock: Clock, person: Person, subject: SubjectKey | None, *, faces: int) -> LogEntry:
    """A person was erased."""
    facts: dict[str, Fact] = {"collection": person.collection_id, "faces": faces}
    return entry(EntryKind.ERASED, clock, person.company_id, facts, subject=subject)


def face_removed(clock: Clock, company_id: str, collection_id: str, subject: SubjectKey | None) -> LogEntry:
    """One face of a person was deleted."""
    return entry(EntryKind.FACE_REMOVED, clock, company_id, {"collection": collection_id}, subject=subject)


def photo_viewed(clock: Clock, person: Person, subject: SubjectKey) -> LogEntry:
    """A stored photo of a person was handed out."""
    return entry(
        EntryKind.PHOTO_VIEWED, clock, person.company_id, {"collection": person.collection_id}, subject=subject
    )


def searched(clock: Clock, search: SearchRecord, matched: Sequence[SubjectKey], *, faces: int = 1) -> list[LogEntry]:
    """People were compared: the act itself first, then one entry for each person who matched.

    A verification names one person: that entry of its own is about them whether they matched or not.
    """
    kind = EntryKind.SEARCHED if search.kind is SearchKind.SEARCH else EntryKind.VERIFIED
    common: dict[str, Fact] = {"search": search.search_id, "collection": search.collection_id}
    facts = common | {
        "purpose": word(search.purpose),
        "caller": word(search.caller),
        "faces": faces,
        "compared": search.compared,
        "matched": len(search.matched),
    }
    return [
        entry(kind, clock, search.company_id, facts),
        *(entry(kind, clock, search.company_id, common | {"role": _role(search, key)}, subject=key) for key in matched),
    ]


def record(means: Means, region: Region, search: SearchRecord, *, faces: int = 1) -> int:
    """Keep the record of an act of comparing together with its entries; where the act stands in the log.

    Whoever was erased meanwhile is left out of both.
    """
    named = [*([search.claimed] if search.claimed else []), *search.matched]
    keys = []
    for person_id in dict.fromkeys(named):
        with contextlib.suppress(NotFound, PersonErased, KeyDestroyed):
            keys.append(data_key(region, person_id))
    return region.audit.record(search, searched(means.clock, search, keys, faces=faces))


def compared(clock: Clock, company_id: str, caller: str, model_id: str) -> LogEntry:
    """Two photos were compared of which nobody was enrolled."""
    facts: dict[str, Fact] = {"caller": word(caller), "model": word(model_id)}
    return entry(EntryKind.COMPARED, clock, company_id, facts)


def exported(clock: Clock, collection: Collection) -> LogEntry:
    """A collection is handed out."""
    return entry(EntryKind.EXPORTED, clock, collection.company_id, _of(collection))


def key_changed(clock: Clock, collection: Collection, new_key_id: str, change: str) -> LogEntry:
    """A collection's key was changed, and the old one is destroyed."""
    facts = _of(collection) | {"change": change, "old": collection.key_id, "new": new_key_id}
    return entry(EntryKind.KEY_CHANGED, clock, collection.company_id, facts)


def _of(collection: Collection) -> dict[str, Fact]:
    return {"collection": collection.collection_id}


def _role(search: SearchRecord, key: SubjectKey) -> str:
    claimed, matched = key.subject_id == search.claimed, key.subject_id in search.matched
    return ("claimed,matched" if matched else "claimed") if claimed else "matched"


def _text(value: Fact) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
