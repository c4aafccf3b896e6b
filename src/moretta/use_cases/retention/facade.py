"""The one object through which doors reach retention and holds.

Belongs here: what can be asked. Does not belong here: how it is done (the modules beside this one).
"""

from dataclasses import dataclass
from datetime import datetime

from moretta.core.errors import RequestInvalid
from moretta.core.ledger import EntryKind
from moretta.core.recognition import Collection, IdKind
from moretta.core.retention import CollectionSwept, Hold, RetentionRule, RetentionRun, kept_days
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.collections import require_page
from moretta.use_cases.retention import holds, sweep
from moretta.use_cases.retention.means import RetentionMeans


@dataclass(frozen=True, slots=True)
class Kept:
    """How long people are kept: `days` is the shorter of the collection's `own` and `policy` (None: the rule alone limits)."""

    rule: RetentionRule
    own: int | None
    policy: int | None
    days: int | None


class Retention:
    """Rules, sweeps and holds. Safe for several threads. What is not the company's own is not there: `NotFound`."""

    def __init__(self, means: RetentionMeans) -> None:
        self._means = means

    def kept(self, company_id: str, collection_id: str) -> Kept:
        """How long a collection keeps people."""
        region, collection = self._means.recognition.opened(company_id, collection_id)
        return self._kept(collection, region.retention.rule(collection_id))

    def set_rule(self, company_id: str, rule: RetentionRule) -> Kept:
        """Set from when a collection's retention counts, how long photos stay, when the purpose ends, whether BIPA's limit holds.

        Raises:
            RequestInvalid: photos would be kept longer than their person.
        """
        means = self._means.recognition
        region, collection = means.opened(company_id, rule.collection_id)
        kept = self._kept(collection, rule)
        if rule.photo_days is not None and kept.days is not None and rule.photo_days > kept.days:
            raise RequestInvalid(f"expected photos to be kept for at most {kept.days} days, as long as their person")
        facts: dict[str, acts.Fact] = {
            "change": "rule",
            "collection": rule.collection_id,
            "counts_from": rule.counts_from.value,
            "photo_days": "none" if rule.photo_days is None else rule.photo_days,
            "purpose_ends": "none" if rule.purpose_ends is None else rule.purpose_ends.date().isoformat(),
            "bipa": rule.bipa,
        }
        entry = acts.entry(EntryKind.RETENTION, means.clock, company_id, facts)
        region.retention.set_rule(company_id, rule, [entry])
        return kept

    def sweep(self, *, dry_run: bool = False) -> list[CollectionSwept]:
        """Erase what is over its time, in every region and of every company; with `dry_run` tell only what that would be.

        Held persons are skipped and told. An erasure that cannot be done now is told by its code and done by a later sweep.
        """
        return sweep.sweep(self._means, dry_run=dry_run)

    def place_hold(
        self, company_id: str, person_id: str, *, reason: str, placed_by: str, until: datetime, recorded_by: str
    ) -> Hold:
        """Keep a person from being erased or compared, whatever retention, withdrawal or a request says.

        Raises:
            RequestInvalid: no reason, nobody who placed it, or an end that is not in the future.
            Conflict: they are held already.
        """
        return holds.place(self._means.recognition, company_id, person_id, reason, placed_by, until, recorded_by)

    def release_hold(self, company_id: str, hold_id: str, *, reason: str, released_by: str) -> Hold:
        """Release a hold. The person stays restricted until somebody lifts that, or is erased by the next sweep.

        Raises:
            Conflict: it was released before.
        """
        return holds.release(self._means.recognition, company_id, hold_id, reason, released_by)

    def hold(self, company_id: str, hold_id: str) -> Hold:
        """The hold as it stands."""
        return self._means.recognition.home(hold_id, IdKind.HOLD).retention.hold(company_id, hold_id)

    def holds(self, company_id: str, *, active: bool = False, limit: int = 200) -> list[Hold]:
        """The company's holds, at most `limit` of each region."""
        require_page(limit)
        regions = self._means.recognition.regions
        return [
            one for name in sorted(regions) for one in regions[name].retention.holds(company_id, limit, active=active)
        ]

    def runs(self, company_id: str, *, limit: int = 200) -> list[RetentionRun]:
        """The reports of sweeps, at most `limit` of each region."""
        require_page(limit)
        regions = self._means.recognition.regions
        return [one for name in sorted(regions) for one in regions[name].retention.runs(company_id, limit)]

    def _kept(self, collection: Collection, rule: RetentionRule) -> Kept:
        purpose = self._means.recognition.guard.policy.purpose(collection.purpose)
        policy = None if purpose is None else purpose.retention_days
        return Kept(rule, collection.retention_days, policy, kept_days(collection.retention_days, policy))
