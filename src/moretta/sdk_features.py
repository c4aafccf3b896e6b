"""The SDK's side of anonymised features: media in, movements without identity out.

Belongs here: what a Python caller sees. Does not belong here: any step of the work.
"""

from pathlib import Path
from typing import Self

from moretta.core.errors import FieldError, RequestInvalid
from moretta.core.features import Detail, FeatureExecutor, FeatureRequest, FeatureSet
from moretta.core.ports import OnProgress
from moretta.core.values import Profile
from moretta.sdk import Source, media_held, parse_profile
from moretta.sdk_worker import Worker
from moretta.settings import Settings


class FeatureExtractor:
    """Measures anonymised features in a confined worker process that starts at the first call.

    Use it as a context manager, or call `close()`. With the detail `amplitudes` it is told how far things move, too; people are
    then told apart better (the manifest of a file has the measured rates of both).
    """

    def __init__(
        self,
        detail: Detail | str = Detail.RELATIVE,
        profile: Profile | str = Profile.ACCURATE,
        settings: Settings | None = None,
        executor: FeatureExecutor | None = None,
        door: str = "sdk:features",
    ) -> None:
        self._request = FeatureRequest(parse_detail(detail), parse_profile(profile))
        self._settings = settings or Settings()
        self._worker = Worker(self._settings, executor, door)

    def features(self, source: Source, on_progress: OnProgress | None = None) -> FeatureSet:
        """How the faces of one video move, with their shape taken out.

        Args:
            source: a path, the bytes themselves, or an open binary file.
            on_progress: called now and then with a `Progress`; what it raises ends the work.

        Raises:
            MediaError, NotFound, ModelMissing, SandboxUnavailable, TimeLimitExceeded, WorkerLost: as `Analyzer.analyze`.
        """
        with media_held(source, self._settings.limits) as fd, self._worker.counted():
            return self._worker.executor().features(fd, self._request, on_progress)

    def close(self) -> None:
        """End the worker. Idempotent."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse_detail(text: Detail | str) -> Detail:
    """The detail of that name. Raises `RequestInvalid` where there is none."""
    try:
        return Detail(text)
    except ValueError:
        known = ", ".join(Detail)
        raise RequestInvalid(f"expected a detail out of {known}; got another word") from None


def file_bytes(features: FeatureSet, form: str) -> bytes:
    """`features` as a file of the form `csv`, `json` or `parquet`, with the manifest of what was taken out and what leaks.

    Raises:
        RequestInvalid: another form.
        ExtraMissing: Parquet without the extra `parquet`.
    """
    from moretta.wiring.feature_files import FileForm, features_file

    try:
        known = FileForm(form)
    except ValueError:
        forms = ", ".join(FileForm)
        raise RequestInvalid(
            f"expected a file that ends in one of {forms}; got another ending", field_errors=(FieldError("out", forms),)
        ) from None
    return features_file(features, known)


def form_of(path: Path) -> str:
    """The form that a file's ending asks for."""
    return path.suffix.removeprefix(".").lower()
