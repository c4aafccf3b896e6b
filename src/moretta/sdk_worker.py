"""The worker behind the SDK's classes, and the usage record that each piece of its work leaves.

Belongs here: the life that they have in common. Does not belong here: what a worker is asked, anything that a caller sees.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

from moretta.core.errors import NOT_PROCESSED, Cancelled, MorettaError
from moretta.core.features import FeatureExecutor
from moretta.core.ports import Executor
from moretta.core.redaction import RedactionExecutor
from moretta.settings import Settings
from moretta.wiring.requests import Duty

if TYPE_CHECKING:
    from moretta.wiring.executor import PoolExecutor

# Loaded while the process loads its models, and not after its work.
_COUNTING = "moretta.wiring.service"

Given = TypeVar("Given", Executor, FeatureExecutor, RedactionExecutor)


class Worker(Generic[Given]):
    """One confined worker process, which starts when it is first asked for.

    Args:
        settings: how it is confined, and where usage is counted.
        executor: instead of a process of its own; closed as that would be.
        door: as which usage is counted.
        duty: what the process is started for.
    """

    def __init__(self, settings: Settings, executor: Given | None, door: str, duty: Duty = Duty.ALL) -> None:
        self._settings, self._door, self._duty = settings, door, duty
        self._executor: Given | PoolExecutor | None = executor

    @property
    def present(self) -> bool:
        """Whether there is an executor already: given, or started."""
        return self._executor is not None

    def executor(self) -> "Given | PoolExecutor":
        """What does the work; a process of its own that cannot start says so when it is asked for some."""
        if self._executor is None:
            from moretta.wiring.executor import start_executor

            self._executor = start_executor(self._settings, workers=1, duty=self._duty)
            import_module(_COUNTING)
        return self._executor

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the work within as one item, failed or not, unless it never came to a worker.

        The record (time, endpoint, exit status, company, a count of one) is durable before anything after this runs.
        """
        try:
            yield
        except NOT_PROCESSED:
            raise
        except BaseException as error:
            self._count(_exit_status(error))
            raise
        self._count(0)

    def close(self) -> None:
        """End the process. Idempotent; asked again, another starts."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _count(self, exit_status: int) -> None:
        from moretta.wiring.service import opened

        with opened(self._settings) as deployment:
            deployment.meter.record(self._door, exit_status, deployment.company_id)


def _exit_status(error: BaseException) -> int:
    if isinstance(error, MorettaError):
        return error.exit_code
    return Cancelled.exit_code if isinstance(error, KeyboardInterrupt) else MorettaError.exit_code
