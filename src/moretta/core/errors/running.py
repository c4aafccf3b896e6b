"""Errors of the running deployment: a process, a node, the database or an optional part does not do its work.

Belongs here: what an operator mends. Does not belong here: what a caller can mend (see `requests`).
"""

from moretta.core.errors.root import MorettaError


class SandboxUnavailable(MorettaError):
    """`sandbox = required`, but the kernel does not give all of it."""

    code = "sandbox.unavailable"
    title = "The sandbox is not in force"
    status = 503
    exit_code = 78


class WorkerLost(MorettaError):
    """The worker process died while it held this request."""

    code = "worker.lost"
    title = "The analysis process died"
    status = 500
    exit_code = 70


class TimeLimitExceeded(MorettaError):
    """The analysis took longer than the time limit and was ended."""

    code = "analysis.time_limit"
    title = "The analysis took too long"
    status = 422
    exit_code = 75


class Overloaded(MorettaError):
    """No worker became free in time."""

    code = "service.overloaded"
    title = "The service is busy"
    status = 503
    exit_code = 75


class Cancelled(MorettaError):
    """The caller cancelled the work."""

    code = "job.cancelled"
    title = "The job was cancelled"
    status = 409
    exit_code = 130


class StorageUnusable(MorettaError):
    """The database cannot be used: written by a newer version, of another kind, or out of reach."""

    code = "storage.unusable"
    title = "The database cannot be used"
    status = 503
    exit_code = 78


class ExtraMissing(MorettaError):
    """An optional part is needed and not installed."""

    code = "extra.missing"
    title = "An optional part of Moretta is not installed"
    status = 503
    exit_code = 78


class NodeUnavailable(MorettaError):
    """A comparing node, a party or the key holder is down, slow, or does not answer as it should."""

    code = "node.unavailable"
    title = "A part of the deployment cannot be reached"
    status = 503
    exit_code = 75


class CameraUnavailable(MorettaError):
    """A camera cannot be reached, is silent, or sends something that is no picture; it is tried again."""

    code = "camera.unavailable"
    title = "A camera gives no pictures"
    status = 503
    exit_code = 75


class UsageRejected(MorettaError):
    """A usage record or batch does not have the closed schema, or its signature does not hold."""

    code = "usage.rejected"
    title = "The usage batch was refused"
    status = 422
    exit_code = 65
