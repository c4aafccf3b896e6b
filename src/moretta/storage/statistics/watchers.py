"""One watcher of a site at a time.

Belongs here: the lock. Does not belong here: watching.

What two sessions of a site spend is not added up (`core.accounting.spent`), since they are about different visits. Two that watch
at the same time would be about the same people.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from moretta.core.errors import Conflict
from moretta.storage.alone import alone


@contextmanager
def watched_alone(engine: Engine, company_id: str, site: str) -> Iterator[None]:
    """Hold the company's site against every other watcher that uses this database; it is free again where the holder dies.

    Raises:
        Conflict: it is being watched already.
    """
    # A site's name has no slash (`core.site`); the name of a company is not fit for a file's.
    name = "watching-" + hashlib.sha256(f"{company_id}/{site}".encode()).hexdigest()[:32]
    with alone(engine, name) as held:
        if not held:
            raise _taken()
        yield


def _taken() -> Conflict:
    return Conflict(
        "expected a site that nobody watches, but this one is being watched: two watchers would count the same people twice "
        "against one budget; end the other one, or give the second one's cameras to it"
    )
