"""Errors of a person's own pages: links, codes, visits and forms.

Belongs here: why the pages stay closed. Does not belong here: what is refused behind them.
"""

from moretta.core.errors.root import MorettaError


class SubjectAccessError(MorettaError):
    """A person's own pages stay closed."""

    code = "subject.refused"
    title = "These pages stay closed"
    status = 403
    exit_code = 77


class CodeRejected(SubjectAccessError):
    """The code does not belong to the link, or there is no such link, or too many codes were tried."""

    code = "subject.code_invalid"
    title = "This link and code do not open anything"


class CodeExpired(SubjectAccessError):
    """It was the right code, and its time is over."""

    code = "subject.code_expired"
    title = "The code has expired"
    status = 410


class CodeUsed(SubjectAccessError):
    """It was the right code, and it was used before."""

    code = "subject.code_used"
    title = "The code was used already"
    status = 409


class SessionEnded(SubjectAccessError):
    """No session, or one that is over."""

    code = "subject.session_ended"
    title = "Your visit is over"


class FormRejected(SubjectAccessError):
    """What was sent does not come from a form of the person's own page."""

    code = "subject.form_rejected"
    title = "This did not come from your own page"
