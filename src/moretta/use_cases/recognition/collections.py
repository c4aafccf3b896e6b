"""Collections: make, list, change, take down.

Belongs here: the rules of a collection's settings and the order in which its parts are made and destroyed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from moretta.core.errors import NotFound, PurposeMismatch, RegionRefused, RequestInvalid
from moretta.core.policy import Action, Output
from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import Collection, CollectionState, IdKind, Thresholds, new_id, region_of
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.leftovers import sweep, undone_on_failure
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.new_key import new_key
from moretta.use_cases.recognition.thresholds import default_thresholds, require_usable

Value = TypeVar("Value")

MAX_NAME = 200
MAX_PURPOSE = 500
MAX_RETENTION_DAYS = 36_500
DEFAULT_MIN_QUALITY = 40.0
MAX_PAGE = 1000


class Unchanged:
    """Stands for a value that is left as it is, where None is a value."""


UNCHANGED = Unchanged()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a new collection shall be."""

    name: str
    purpose: str
    scheme: Scheme
    region: str | None
    replicas: frozenset[str]
    retention_days: int | None
    model: str | None
    min_quality: float | None
    bands: bool
    thresholds: Thresholds | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What of a collection shall change."""

    name: str | Unchanged
    purpose: str | Unchanged
    retention_days: int | Unchanged | None
    min_quality: float | Unchanged
    bands: bool | Unchanged
    thresholds: Thresholds | Unchanged
    replicas: Iterable[str] | Unchanged


def create(means: Means, company_id: str, wishes: Wishes) -> Collection:
    """See `Recognition.create_collection`."""
    region = means.region(wishes.region)
    card = means.card(wishes.model)
    thresholds = require_usable(wishes.thresholds or default_thresholds(card), card)
    draft = Collection(
        collection_id=new_id(IdKind.COLLECTION, region.name),
        company_id=company_id,
        name=wishes.name,
        purpose=wishes.purpose,
        scheme=wishes.scheme,
        model_id=card.model_id,
        dimension=card.dimension,
        key_id="",
        thresholds=thresholds,
        home=region.name,
        replicas=_known(means, wishes.replicas) - {region.name},
        created_at=means.clock(),
        retention_days=wishes.retention_days,
        min_quality=DEFAULT_MIN_QUALITY if wishes.min_quality is None else wishes.min_quality,
        bands=wishes.bands,
    )
    _require_sound(draft)
    _require_allowed(means, draft)
    with undone_on_failure(means, region) as made:
        terms = new_key(means, region, draft.scheme, card, made)
        made_now = replace(draft, key_id=terms.key_id)
        region.store.create_collection(made_now, entries=[acts.collection_created(means.clock, made_now)])
    means.checkpoint("create:committed")
    return region.store.collection(company_id, draft.collection_id)


def listed(means: Means, company_id: str, limit: int, after: str | None) -> list[Collection]:
    """See `Recognition.collections`: an id starts with its region, so regions follow each other in the order of ids."""
    require_page(limit)
    start = None if after is None else region_of(after, IdKind.COLLECTION)
    found: list[Collection] = []
    # `col_ab_...` sorts before `col_abc_...` because `_` sorts before letters; digits sort before `_`.
    for name in sorted(means.regions, key=lambda region: f"{region}_"):
        if start is not None and f"{name}_" < f"{start}_":
            continue
        left = limit - len(found)
        if left:
            store = means.regions[name].store
            found += store.collections(company_id, left, after if name == start else None)
    return found


def update(means: Means, company_id: str, collection_id: str, changes: Changes) -> Collection:
    """See `Recognition.update_collection`."""
    region, collection = means.opened(company_id, collection_id)
    thresholds = _or(changes.thresholds, collection.thresholds)
    if thresholds != collection.thresholds:
        require_usable(thresholds, _card_of(means, collection))
    replicas = collection.replicas
    if not isinstance(changes.replicas, Unchanged):
        replicas = _known(means, frozenset(changes.replicas)) - {collection.home}
    changed = replace(
        collection,
        name=_or(changes.name, collection.name),
        purpose=_or(changes.purpose, collection.purpose),
        retention_days=_or(changes.retention_days, collection.retention_days),
        min_quality=_or(changes.min_quality, collection.min_quality),
        bands=_or(changes.bands, collection.bands),
        thresholds=thresholds,
        replicas=replicas,
    )
    _require_sound(changed)
    _require_allowed(means, changed)
    if changed.purpose != collection.purpose:
        _require_nobody(region, collection)
    entries = [acts.collection_changed(means.clock, collection, changed)] if changed != collection else []
    region.store.update_collection(changed, entries=entries)
    if changed.replicas != collection.replicas:
        region.galleries.follow(changed)
    return region.store.collection(company_id, collection_id)


def close(means: Means, company_id: str, collection_id: str) -> Collection:
    """Take a collection out of use for good: whoever is in it is compared no more, and is to be erased (`rights.collection`).

    Idempotent. Raises `PersonHeld` where a hold keeps somebody who is in it; nothing has changed then.
    """
    region = means.home(collection_id, IdKind.COLLECTION)
    with means.locks.of(collection_id):
        collection = region.store.collection(company_id, collection_id)
        means.guard.on(collection, Action.DELETE)
        closed = replace(collection, state=CollectionState.DELETED)
        if closed != collection:
            region.store.update_collection(closed, entries=[acts.collection_closed(means.clock, collection)])
            means.checkpoint("delete_collection:closed")
    return closed


def take_down(means: Means, region: Region, collection: Collection) -> None:
    """Delete a closed collection that nobody is in any more, with its key and galleries."""
    entries = [acts.collection_deleted(means.clock, collection)]
    region.store.delete_collection(collection.company_id, collection.collection_id, entries=entries)
    means.checkpoint("delete_collection:committed")
    sweep(means, region)
    region.galleries.drop(collection)


def refresh_shares(means: Means, company_id: str, collection_id: str) -> None:
    """See `Recognition.refresh_shares`."""
    region, collection = means.opened(company_id, collection_id)
    means.guard.on(collection, Action.UPKEEP)
    if collection.scheme is not Scheme.SHARES:
        raise RequestInvalid("expected a collection of the scheme shares; `reissue` renews the key of the others")
    region.galleries.refresh(collection)
    region.log.append([acts.key_changed(means.clock, collection, collection.key_id, "shares")])


def require_page(limit: int) -> None:
    """Raises `RequestInvalid` where a page is of no size or a huge one."""
    if not 1 <= limit <= MAX_PAGE:
        raise RequestInvalid(f"expected a page of 1 to {MAX_PAGE} entries")


def _known(means: Means, regions: frozenset[str]) -> frozenset[str]:
    known = means.places | set(means.regions)
    if not regions <= known:
        raise RegionRefused(f"expected replicas in regions out of {', '.join(sorted(known))}; got another name")
    return regions


def _card_of(means: Means, collection: Collection) -> EmbedderCard:
    for card in means.cards:
        if card.model_id == collection.model_id:
            return card
    raise NotFound(
        "the collection's model is not installed, so its floor is not known: install it to change thresholds"
    )


def _require_allowed(means: Means, collection: Collection) -> None:
    """Raises as `Guard.require` where the policy does not allow a collection to be like this."""
    outputs = frozenset({Output.BANDS}) if collection.bands else frozenset()
    means.guard.on(collection, Action.COLLECTION, outputs=outputs)


def _require_nobody(region: Region, collection: Collection) -> None:
    """Raises `PurposeMismatch` where people were enrolled for the present purpose."""
    if region.store.persons(collection.company_id, collection.collection_id, 1):
        raise PurposeMismatch(
            "expected the purpose that the people of this collection were enrolled for: make another collection for another "
            "purpose, and ask them for it",
            legal_ref="GDPR Art. 5(1)(b)",
        )


def _require_sound(collection: Collection) -> None:
    if not 1 <= len(collection.name) <= MAX_NAME:
        raise RequestInvalid(f"expected a name of 1 to {MAX_NAME} characters")
    if not 1 <= len(collection.purpose) <= MAX_PURPOSE:
        raise RequestInvalid(f"expected a purpose of 1 to {MAX_PURPOSE} characters: people are enrolled for one")
    if not 0 <= collection.min_quality <= 100:
        raise RequestInvalid("expected a least quality of 0 to 100")
    days = collection.retention_days
    if days is not None and not 1 <= days <= MAX_RETENTION_DAYS:
        raise RequestInvalid(f"expected a retention of 1 to {MAX_RETENTION_DAYS} days")


def _or(wish: Value | Unchanged, present: Value) -> Value:
    return present if isinstance(wish, Unchanged) else wish
