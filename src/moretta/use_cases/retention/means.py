"""What retention works with. Belongs here: the parts, bundled. Does not belong here: any use of them."""

from collections.abc import Callable
from dataclasses import dataclass

from moretta.use_cases.recognition.means import Means

# Erases everything about a person (company, person, reason as a word); the id of the certificate, where one was issued.
# Idempotent but for `PersonErased`; raises `PersonHeld` where a hold keeps them.
Erase = Callable[[str, str, str], str | None]


@dataclass(frozen=True, slots=True)
class RetentionMeans:
    """Everything that retention needs. The policy is that of `recognition.guard`."""

    recognition: Means
    erase: Erase
