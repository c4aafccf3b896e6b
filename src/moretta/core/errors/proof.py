"""Errors of proofs: what was to show that something was done does not show it.

Belongs here: signed documents, the transparency log, erasure drills. Does not belong here: proofs of consent (see `consent`).
"""

from moretta.core.errors.root import MorettaError


class ProofRejected(MorettaError):
    """A signature, proof or signed document does not hold: altered, another key's, or of another form."""

    code = "proof.rejected"
    title = "The proof does not hold"
    status = 422
    exit_code = 65


class DrillFailed(MorettaError):
    """An erasure drill found something of the made-up subject after it was erased, or could not look."""

    code = "drill.failed"
    title = "The erasure drill failed"
    status = 500
    exit_code = 76


class LogBroken(MorettaError):
    """The transparency log is not what was signed: changed, cut, forked or rolled back."""

    code = "log.broken"
    title = "The transparency log was tampered with"
    status = 500
    exit_code = 76
