"""What a redaction comes to, as it is shown.

Belongs here: the result's shape and its address. Does not belong here: where the output is kept.
"""

from dataclasses import dataclass
from datetime import datetime

from moretta.core.analysis import Notice
from moretta.core.redaction import Redaction

# The address, and how usage records name it.
REDACTIONS = "/v1/redactions"


@dataclass(frozen=True, slots=True)
class RedactionResult:
    """What was done, and where the output is to be had until `expires_at`; both None where only tracks were asked for."""

    id: str | None
    media: str | None
    media_type: str | None
    expires_at: datetime | None
    redaction: Redaction

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """What its owner should know beside the result."""
        return self.redaction.warnings
