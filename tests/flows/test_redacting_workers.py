"""Workers that hide faces and do nothing else: what they load, and what they refuse."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moretta.core.analysis import AnalysisRequest
from moretta.core.errors import RequestInvalid
from moretta.core.redaction import Method, RedactionRequest
from moretta.settings import Settings
from moretta.wiring.executor import PoolExecutor, start_executor
from moretta.wiring.requests import Duty

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def settings(models_dir: Path) -> Settings:
    return Settings(models_dir=models_dir, sandbox="best-effort", queue_limit_s=120.0)


@pytest.fixture(scope="module")
def covers(settings: Settings) -> Iterator[PoolExecutor]:
    with closing(start_executor(settings, workers=1, duty=Duty.COVERS)) as executor:
        yield executor


@pytest.fixture
def photo_fd(models_dir: Path) -> Iterator[int]:
    with (models_dir.parent / "media" / "people" / "obama.jpg").open("rb") as photo:
        yield photo.fileno()


@pytest.mark.parametrize("method", [Method.BLUR, Method.MOSAIC, Method.SOLID])
def test_it_covers_faces_and_attacks_what_it_made(covers: PoolExecutor, photo_fd: int, method: Method) -> None:
    done, output = covers.redact(photo_fd, RedactionRequest(method))
    os.close(output)
    assert done.report is not None
    assert done.report.clean
    assert done.report.frames_looked_at == 1
    assert done.report.reidentification_trials > 0


def test_it_draws_no_avatars(covers: PoolExecutor, photo_fd: int) -> None:
    with pytest.raises(RequestInvalid, match="started for"):
        covers.redact(photo_fd, RedactionRequest(Method.AVATAR))


def test_it_answers_nothing_else(covers: PoolExecutor, photo_fd: int) -> None:
    with pytest.raises(RequestInvalid, match="started for"):
        covers.analyse(photo_fd, AnalysisRequest())


def test_a_worker_for_avatars_draws_them_and_covers_nothing(settings: Settings, photo_fd: int) -> None:
    with closing(start_executor(settings, workers=1, duty=Duty.AVATARS)) as avatars:
        done, output = avatars.redact(photo_fd, RedactionRequest(Method.AVATAR))
        os.close(output)
        assert done.report is not None
        assert done.report.clean
        with pytest.raises(RequestInvalid, match="started for"):
            avatars.redact(photo_fd, RedactionRequest(Method.BLUR))
