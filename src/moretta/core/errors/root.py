"""The root of every error, and what names one wrong parameter.

Belongs here: what all errors have. Does not belong here: an error that can be met.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One parameter that is wrong: where it is, and what was expected."""

    field: str
    detail: str


class MorettaError(Exception):
    """The root. `code` is stable; `status` is the HTTP one; `exit_code` the CLI's; `detail` never holds personal data."""

    code = "internal"
    title = "Something went wrong inside Moretta"
    status = 500
    exit_code = 70

    def __init__(self, detail: str, *, field_errors: tuple[FieldError, ...] = (), legal_ref: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field_errors = field_errors
        self.legal_ref = legal_ref
