"""The SDK gives what the executor gives, counts it once, and keeps nothing of the media."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from moretta import Analysis, Analyzer, Feature, Profile
from moretta.core.analysis import DEFAULT_FEATURES, AnalysisRequest, MediaInfo, Progress
from moretta.core.errors import (
    MediaTooLarge,
    MediaUnreadable,
    ModelMissing,
    NotFound,
    PolicyProhibited,
    RequestInvalid,
    SandboxUnavailable,
    WorkerLost,
)
from moretta.core.ports import OnProgress
from moretta.core.values import MediaKind
from moretta.sdk import parse_features
from moretta.settings import Settings
from moretta.wiring.service import opened

RESULT = Analysis(
    MediaInfo(MediaKind.IMAGE, "png", 4, 3, 1, None, None, False, 0, False, 5), (), None, None, (), (), Profile.FAST
)


@dataclass
class StagedExecutor:
    """Notes what it is given and does what it is told."""

    act: Callable[[OnProgress | None], None] = lambda _: None
    media: list[bytes] = field(default_factory=list)
    requests: list[AnalysisRequest] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    closed: bool = False

    def analyse(self, media_fd: int, request: AnalysisRequest, on_progress: OnProgress | None = None) -> Analysis:
        self.media.append(os.pread(media_fd, 1 << 20, 0))
        self.descriptors.append(media_fd)
        self.requests.append(request)
        self.act(on_progress)
        return RESULT

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", max_bytes=100)


def counted(settings: Settings) -> list[tuple[str, int, int]]:
    with opened(settings) as deployment:
        return [(count.endpoint, count.status, count.items) for count in deployment.usage.counts()]


def test_a_path_bytes_and_an_open_file_are_the_same_media(settings: Settings, tmp_path: Path) -> None:
    executor = StagedExecutor()
    (tmp_path / "media").write_bytes(b"media")
    with Analyzer("fast", settings=settings, executor=executor) as analyzer:
        for source in (b"media", str(tmp_path / "media"), tmp_path / "media", io.BytesIO(b"media")):
            assert analyzer.analyze(source) is RESULT
    assert executor.media == [b"media"] * 4
    assert executor.requests == [AnalysisRequest(Profile.FAST, DEFAULT_FEATURES)] * 4
    assert executor.closed
    assert counted(settings) == [("sdk:analyze", 0, 4)]
    for descriptor in executor.descriptors:
        assert not _is_media(descriptor)


def test_too_many_bytes_are_refused_from_every_kind_of_source(settings: Settings, tmp_path: Path) -> None:
    executor = StagedExecutor()
    (tmp_path / "media").write_bytes(bytes(101))
    analyzer = Analyzer(settings=settings, executor=executor)
    for source in (bytes(101), tmp_path / "media", io.BytesIO(bytes(101))):
        with pytest.raises(MediaTooLarge, match="MORETTA_MAX_BYTES"):
            analyzer.analyze(source)
    assert executor.media == []
    assert analyzer.analyze(bytes(100)) is RESULT


@pytest.mark.parametrize("make", [lambda path: path / "missing", lambda path: path])
def test_a_path_that_is_no_readable_file_is_told_without_its_name(
    settings: Settings, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    with pytest.raises(NotFound) as refused:
        Analyzer(settings=settings, executor=StagedExecutor()).analyze(make(tmp_path))
    assert str(tmp_path) not in repr(refused.value)
    assert refused.value.__cause__ is None
    assert counted(settings) == []


def _raises(error: BaseException) -> Callable[[OnProgress | None], None]:
    def act(_: OnProgress | None) -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "records"),
    [
        (MediaUnreadable("broken"), [("sdk:analyze", 65, 1)]),
        (WorkerLost("gone"), [("sdk:analyze", 70, 1)]),
        (RuntimeError("of the caller's own"), [("sdk:analyze", 70, 1)]),
        (KeyboardInterrupt(), [("sdk:analyze", 130, 1)]),
        (ModelMissing("none"), []),
        (SandboxUnavailable("none"), []),
    ],
)
def test_what_a_worker_had_in_its_hands_is_counted_and_what_it_never_saw_is_not(
    settings: Settings, error: BaseException, records: list[tuple[str, int, int]]
) -> None:
    analyzer = Analyzer(settings=settings, executor=StagedExecutor(_raises(error)))
    with pytest.raises(type(error)):
        analyzer.analyze(b"media")
    assert counted(settings) == records


def test_the_record_is_kept_before_the_result_is_returned(settings: Settings) -> None:
    """Where the record cannot be kept, there is no result either."""
    executor = StagedExecutor()
    settings.data_dir.parent.mkdir(exist_ok=True)
    settings.data_dir.write_bytes(b"a file, where a folder should be")
    with pytest.raises(Exception, match=r"."):
        Analyzer(settings=settings, executor=executor).analyze(b"media")
    assert executor.media == [b"media"]


def test_progress_is_passed_on(settings: Settings) -> None:
    step = Progress("frames", 1, 10, 25.0, 0.4, 1)
    seen: list[Progress] = []
    executor = StagedExecutor(lambda tell: tell(step) if tell is not None else None)
    Analyzer(settings=settings, executor=executor).analyze(b"media", seen.append)
    assert seen == [step]


@pytest.mark.parametrize(
    ("words", "features"),
    [
        (None, DEFAULT_FEATURES),
        (["pose", " gaze "], frozenset({Feature.POSE, Feature.GAZE})),
        (["+age"], DEFAULT_FEATURES | {Feature.AGE}),
        (["+age", "mesh"], DEFAULT_FEATURES | {Feature.AGE, Feature.MESH}),
        ([], frozenset[Feature]()),
    ],
)
def test_features_are_named_alone_or_added_to_the_default_ones(
    words: list[str] | None, features: frozenset[Feature]
) -> None:
    assert parse_features(words) == features


@pytest.mark.parametrize("arguments", [{"profile": "best"}, {"features": ["aura"]}, {"features": ["race"]}])
def test_an_unknown_word_is_refused_with_the_known_ones(settings: Settings, arguments: dict[str, object]) -> None:
    with pytest.raises(RequestInvalid, match=r"expected a profile out of|expected features out of"):
        Analyzer(settings=settings, **arguments)  # type: ignore[arg-type]


def test_expression_needs_the_operators_permission(tmp_path: Path) -> None:
    with pytest.raises(PolicyProhibited) as refused:
        Analyzer(features=["+expression"], settings=Settings(data_dir=tmp_path))
    assert refused.value.legal_ref is not None
    Analyzer(features=["+expression"], settings=Settings(data_dir=tmp_path, allow_expression=True))


def _is_media(descriptor: int) -> bool:
    try:
        return "memfd:media" in os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return False
