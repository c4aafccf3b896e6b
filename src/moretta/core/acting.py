"""Who acts: the API key, the local user or the person themself for whom work is done now.

Belongs here: saying it at a door, and asking for it where an act is told to the log. Does not belong here: whether they may (a
door and the policy decide), and who was asked about (see `audit`).

It goes with the work rather than through every call: what a thread is handed with `anyio.to_thread` or as a job runs in a copy of
the caller's context, so that one request never sees another's. A thread that nobody's call began acts for nobody until it says
for whom, as the housekeeping's does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Stands for whoever acts on their own pages: who that is, the entry's commitment says, and nothing else may.
THE_SUBJECT = "subject"
# Stands for a running service that ends what is over and finishes what was left.
HOUSEKEEPING = "housekeeping"

_who: ContextVar[str] = ContextVar("moretta_who_acts", default="")


def acting() -> str:
    """Who acts: an API key's id, `uid:` and a local user's number, `subject`, `housekeeping`; empty where nobody said."""
    return _who.get()


def local_user() -> str:
    """Whose process it is, as log and records name them: `uid:` and the number of the user, never a name."""
    return f"uid:{os.getuid()}"


def act_as(who: str) -> None:
    """Let the rest of this context (one request, one task) act for `who`."""
    _who.set(who)


@contextmanager
def acting_as(who: str) -> Iterator[None]:
    """Act for `who` until it ends."""
    before = _who.set(who)
    try:
        yield
    finally:
        _who.reset(before)
