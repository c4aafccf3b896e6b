"""Change the master key of a region, and tell the log when it begins and when it is done."""

from moretta.core.ledger import EntryKind
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Means


def change(means: Means, name: str | None) -> str:
    """See `Recognition.rotate_master_key`. The key is the deployment's, and so is the entry: no company's."""
    region = means.region(name)
    begun = acts.entry(EntryKind.KEY_CHANGED, means.clock, "", {"change": "master-key", "step": "begun"})
    region.log.append([begun])
    active = region.change_master_key()
    facts = {"change": "master-key", "step": "done", "new": active}
    region.log.append([acts.entry(EntryKind.KEY_CHANGED, means.clock, "", facts)])
    return active
