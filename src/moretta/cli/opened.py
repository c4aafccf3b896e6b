"""This deployment, opened in a command's own process.

Belongs here: what it takes to work beside a running service. Does not belong here: what a command does with it.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moretta.core.recognising import Compared, CompareRequest, Embedded, EmbedRequest, FaceReader
from moretta.settings import Settings

if TYPE_CHECKING:
    from moretta.use_cases.recognition.means import Means
    from moretta.use_cases.rights import Rights
    from moretta.wiring.service import Deployment


@dataclass(frozen=True, slots=True)
class Opened:
    """What the settings name, with the means of recognition over it."""

    settings: Settings
    deployment: "Deployment"
    means: "Means"

    @property
    def company_id(self) -> str:
        """The deployment's own company."""
        return self.deployment.company_id

    def rights(self) -> "Rights":
        """People's rights over it."""
        from moretta.wiring.rights import rights_as_set

        return rights_as_set(self.means, self.settings)


@contextmanager
def opened_here() -> Iterator[Opened]:
    """This deployment, until the context ends; its worker starts when the first photo comes."""
    from moretta.wiring.recognition import opened_means
    from moretta.wiring.service import opened

    settings = Settings()
    with (
        opened(settings) as deployment,
        closing(LazyWorker(settings)) as worker,
        opened_means(settings, deployment.engine, worker) as means,
    ):
        yield Opened(settings, deployment, means)


class LazyWorker:
    """A confined worker process that starts when the first photo comes: a list of persons needs none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._executor: Any = None

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        """As `FaceReader.embed`."""
        return self._reader().embed(media_fd, request)

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        """As `FaceReader.compare`."""
        return self._reader().compare(first_fd, second_fd, request)

    def close(self) -> None:
        """End the worker. Idempotent."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _reader(self) -> FaceReader:
        if self._executor is None:
            from moretta.wiring.executor import start_executor

            self._executor = start_executor(self._settings, workers=1)
        reader: FaceReader = self._executor.faces
        return reader
