"""`moretta features` and the SDK's side of it: whole files, refused early, counted once."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from moretta.cli.features import features
from moretta.core.errors import MediaUnreadable, RequestInvalid
from moretta.core.features import NAMES, Detail, FeatureRequest, FeatureSet, FeatureTrack
from moretta.core.ports import OnProgress
from moretta.core.values import Profile
from moretta.sdk_features import FeatureExtractor, file_bytes
from moretta.settings import Settings
from moretta.wiring.service import opened

FEATURES = replace(FeatureSet.empty(), tracks=(FeatureTrack(1, (0.0,), ((0.5,) * len(NAMES),)),))


@dataclass
class StagedExecutor:
    """Gives the same features, or fails."""

    failure: Exception | None = None
    media: list[bytes] = field(default_factory=list)
    requests: list[FeatureRequest] = field(default_factory=list)
    closed: bool = False

    def features(self, media_fd: int, request: FeatureRequest, on_progress: OnProgress | None = None) -> FeatureSet:
        self.media.append(os.pread(media_fd, 100, 0))
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        return FEATURES

    def close(self) -> None:
        self.closed = True


def counted(settings: Settings) -> list[tuple[str, int, int]]:
    with opened(settings) as deployment:
        return [(count.endpoint, count.status, count.items) for count in deployment.usage.counts()]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def test_the_sdk_gives_what_the_worker_gives(settings: Settings) -> None:
    executor = StagedExecutor()
    with FeatureExtractor("amplitudes", "fast", settings, executor) as extractor:
        assert extractor.features(b"clip") == FEATURES
    assert executor.media == [b"clip"]
    assert executor.requests == [FeatureRequest(Detail.AMPLITUDES, Profile.FAST)]
    assert executor.closed
    assert counted(settings) == [("sdk:features", 0, 1)]


def test_a_failed_item_raises(settings: Settings) -> None:
    extractor = FeatureExtractor(
        settings=settings, executor=StagedExecutor(MediaUnreadable("expected a video, got none"))
    )
    with pytest.raises(MediaUnreadable):
        extractor.features(b"clip")
    assert counted(settings) == [("sdk:features", MediaUnreadable.exit_code, 1)]


@pytest.mark.parametrize("form", ["xml", "", "CSV"])
def test_another_form_is_refused(form: str) -> None:
    with pytest.raises(RequestInvalid):
        file_bytes(FEATURES, form)


def test_another_detail_is_refused() -> None:
    with pytest.raises(RequestInvalid):
        FeatureExtractor("everything")


@pytest.mark.parametrize("out", ["features.xml", "no/such/folder/features.csv", "."])
def test_what_could_not_be_written_is_refused_before_the_work(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestInvalid):
        features(tmp_path / "there-is-no-clip.mp4", out)
    assert list(tmp_path.iterdir()) == []
