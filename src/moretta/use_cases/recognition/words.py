"""What operators may write about a person.

Belongs here: limits. Does not belong here: what is done with it.
"""

from collections.abc import Sequence

from moretta.core.errors import RequestInvalid

MAX_NAME = 200
MAX_ATTRIBUTES, MAX_ATTRIBUTE_CHARACTERS = 50, 500


def require_words(name: str, attributes: Sequence[tuple[str, str]]) -> None:
    """Raises `RequestInvalid` where a person's name or attributes are too long or too many."""
    if len(name) > MAX_NAME:
        raise RequestInvalid(f"expected a name of at most {MAX_NAME} characters")
    longest = max((max(len(key), len(value)) for key, value in attributes), default=0)
    if len(attributes) > MAX_ATTRIBUTES or longest > MAX_ATTRIBUTE_CHARACTERS:
        raise RequestInvalid(
            f"expected at most {MAX_ATTRIBUTES} attributes of at most {MAX_ATTRIBUTE_CHARACTERS} characters"
        )
    if len({key for key, _ in attributes}) != len(attributes):
        raise RequestInvalid("expected each attribute once")
