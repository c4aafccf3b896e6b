"""Where the commands print, and who sits at them.

Belongs here: how wide a line may be. Does not belong here: what is printed.
"""

from rich.console import Console

from moretta.core.acting import local_user

__all__ = ["console", "local_user"]

# Into a pipe or a file there is no edge to break lines at; the widest row, a cue with its explanation, stays under this.
_PIPE_WIDTH = 200


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; elsewhere so wide that no row of a table is broken."""
    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=_PIPE_WIDTH)
