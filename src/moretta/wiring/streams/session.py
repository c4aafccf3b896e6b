"""The name of a session.

Belongs here: making one. Nothing can be told from it.
"""

import secrets


def new_session() -> str:
    """A random id, 64 bits: what two sessions spend is never mixed up."""
    return f"ws_{secrets.token_hex(8)}"
