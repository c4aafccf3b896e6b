"""The name of a session.

Belongs here: making one. Nothing can be told from it but whether recordings are watched.
"""

import secrets

from moretta.core.statistics import RECORDED_SESSION


def new_session(recorded: bool = False) -> str:
    """A random id, 64 bits: what two sessions spend is never mixed up. `recorded`: whether it watches a recording."""
    return f"{RECORDED_SESSION if recorded else 'ws_'}{secrets.token_hex(8)}"
