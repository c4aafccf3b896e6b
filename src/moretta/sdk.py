"""The SDK: the same analysis as the command line's, as typed values.

Belongs here: what a Python caller sees. Does not belong here: any step of the analysis.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from moretta.core.analysis import DEFAULT_FEATURES, Analysis, AnalysisRequest, Feature
from moretta.core.errors import MediaTooLarge, NotFound, RequestInvalid
from moretta.core.limits import MediaLimits
from moretta.core.ports import Executor, OnProgress
from moretta.core.values import Profile
from moretta.sdk_worker import Worker
from moretta.settings import Settings
from moretta.use_cases.guard import require_expression
from moretta.wiring.policy import policy_in_force

_CHUNK = 1 << 20

Source = str | os.PathLike[str] | bytes | BinaryIO


class Analyzer:
    """Analyses images and videos in a confined worker process that starts at the first call.

    Use it as a context manager, or call `close()`. `purpose` is one of the policy's; only reading expressions asks for it.
    """

    def __init__(
        self,
        profile: Profile | str = Profile.ACCURATE,
        features: Iterable[Feature | str] | None = None,
        settings: Settings | None = None,
        executor: Executor | None = None,
        door: str = "sdk:analyze",
        purpose: str | None = None,
    ) -> None:
        self._request = AnalysisRequest(parse_profile(profile), parse_features(features))
        self._settings = settings or Settings()
        if Feature.EXPRESSION in self._request.features:
            require_expression(policy_in_force(self._settings), purpose)
        self._worker = Worker(self._settings, executor, door)

    def analyze(self, source: Source, on_progress: OnProgress | None = None) -> Analysis:
        """Analyse one image or video.

        Args:
            source: a path, the bytes themselves, or an open binary file.
            on_progress: called now and then with a `Progress`; what it raises ends the analysis.

        Raises:
            MediaError: the media is at fault.
            NotFound: there is no readable file at the path.
            ModelMissing: the models are not installed; `moretta models install` mends it.
            SandboxUnavailable: the kernel does not give what the `sandbox` setting requires.
            TimeLimitExceeded, WorkerLost: this item is lost; the analyzer goes on.
        """
        with media_held(source, self._settings.limits) as fd, self._worker.counted():
            return self._worker.executor().analyse(fd, self._request, on_progress)

    def close(self) -> None:
        """End the worker. Idempotent."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse_profile(text: Profile | str) -> Profile:
    """The profile of that name.

    Raises:
        RequestInvalid: there is none.
    """
    try:
        return Profile(text)
    except ValueError:
        known = ", ".join(Profile)
        raise RequestInvalid(f"expected a profile out of {known}; got another word") from None


def parse_features(features: Iterable[Feature | str] | None) -> frozenset[Feature]:
    """The features of those names; `+name` adds to the default ones; None gives the default ones.

    Raises:
        RequestInvalid: a name is unknown.
    """
    if features is None:
        return DEFAULT_FEATURES
    names = [str(name).strip() for name in features]
    base = DEFAULT_FEATURES if any(name.startswith("+") for name in names) else frozenset[Feature]()
    try:
        return base | {Feature(name.removeprefix("+")) for name in names if name}
    except ValueError:
        known = ", ".join(Feature)
        raise RequestInvalid(f"expected features out of: {known}; at least one word was none of them") from None


def media_in_memory(source: Source, limits: MediaLimits) -> int:
    """A new anonymous memory file (`memfd`) that holds the media; the caller closes it.

    Raises:
        NotFound: no readable file at the path.
        MediaTooLarge: over the limit of bytes; nothing is kept.
    """
    fd = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        if isinstance(source, bytes):
            _write(fd, [source], limits)
        elif isinstance(source, str | os.PathLike):
            try:
                with Path(source).open("rb") as file:
                    _write(fd, iter(lambda: file.read(_CHUNK), b""), limits)
            except OSError as error:
                reason = error.strerror or "it cannot be read"
                raise NotFound(f"expected the path of a readable file, got one that is not: {reason}") from None
        else:
            _write(fd, iter(lambda: source.read(_CHUNK), b""), limits)
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextmanager
def media_held(source: Source, limits: MediaLimits) -> Iterator[int]:
    """As `media_in_memory`, closed at the end."""
    fd = media_in_memory(source, limits)
    try:
        yield fd
    finally:
        os.close(fd)


def _write(fd: int, chunks: Iterable[bytes], limits: MediaLimits) -> None:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limits.bytes:
            raise MediaTooLarge(
                f"expected at most {limits.bytes} bytes, got more; the setting MORETTA_MAX_BYTES moves this limit"
            )
        view = memoryview(chunk)
        while view:
            view = view[os.write(fd, view) :]
