"""`Redactor` with persons: what it asks of a recogniser, and what of the worker."""

import io
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from moretta.core.errors import PolicyProhibited, RequestInvalid
from moretta.core.recognition import Person
from moretta.core.redaction import Redaction, RedactionRequest, Scope
from moretta.core.values import TrackId
from moretta.sdk_redaction import Redactor
from moretta.settings import Settings
from moretta.use_cases.recognition.results import RecognisedTracks
from moretta.wiring.service import opened

ANN = Person("per_local_" + "a" * 24, "col", "co", datetime(2025, 1, 31, tzinfo=UTC))


@dataclass
class Worker:
    """Gives back what it is given."""

    requests: list[RedactionRequest] = field(default_factory=list)
    outputs: list[tuple[int, int]] = field(default_factory=list)
    closed: bool = False

    def redact(self, media_fd: int, request: RedactionRequest, on_progress: object = None) -> tuple[Redaction, int]:
        self.requests.append(request)
        fd = os.memfd_create("output")
        os.write(fd, b"abc")
        self.outputs.append(_identity(os.fstat(fd)))
        return Redaction(request.method, 1, 1, 1, 0.0, None, "png", 3), fd

    def close(self) -> None:
        self.closed = True


@dataclass
class People:
    """A `Recogniser` that says what the test says."""

    settings: Settings
    answer: RecognisedTracks | Exception
    redactions: Worker = field(default_factory=Worker)
    company_id: str = "co_of_a_test"
    asked: list[tuple[str, tuple[str, ...], object]] = field(default_factory=list)

    @property
    def recognition(self) -> "People":
        return self

    def recognise_tracks(
        self, company_id: str, person_ids: Iterable[str], media_fd: int, prober: object, *, on_progress: object = None
    ) -> RecognisedTracks:
        assert os.pread(media_fd, 9, 0) == b"media"
        self.asked.append((company_id, tuple(person_ids), prober))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


FOUND = RecognisedTracks("a" * 64, frozenset({TrackId(2)}), frozenset({TrackId(1)}), 1, named=2, compared=1, found=1)


def people(tmp_path: Path, answer: RecognisedTracks | Exception = FOUND) -> Any:
    return People(Settings(data_dir=tmp_path / "data"), answer)


@pytest.mark.parametrize(("wish", "visible"), [("exempt_persons", 2), ("only_persons", 1)])
def test_the_recogniser_says_which_tracks_and_its_worker_hides_the_others(
    tmp_path: Path, wish: str, visible: int
) -> None:
    known = people(tmp_path)
    redactor, out = Redactor(recogniser=known), io.BytesIO()
    done = redactor.redact(b"media", out, **{wish: [ANN, "per_local_b"]})
    assert out.getvalue() == b"abc"
    assert known.asked == [("co_of_a_test", (ANN.person_id, "per_local_b"), known.redactions)]
    (request,) = known.redactions.requests
    assert (request.scope, request.tracks, request.tracking) == (Scope.ALL_BUT, {visible}, "a" * 64)
    assert [notice.code for notice in done.warnings] == ["redaction.person_not_compared", "redaction.face_unclear"]
    redactor.close()
    assert not known.redactions.closed, "whoever made the recogniser closes it"
    with opened(known.settings) as deployment:
        assert [(one.endpoint, one.items) for one in deployment.usage.counts()] == [("sdk:redact", 1)]


def test_a_refusal_means_no_output_and_no_record(tmp_path: Path) -> None:
    known = people(tmp_path, PolicyProhibited("expected an action that the purpose allows"))
    with pytest.raises(PolicyProhibited):
        Redactor(recogniser=known).redact(b"media", tmp_path / "out.png", exempt_persons=[ANN])
    assert known.redactions.requests == []
    assert not (tmp_path / "out.png").exists()
    with opened(known.settings) as deployment:
        assert list(deployment.usage.counts()) == []


def test_persons_need_a_recogniser_and_nothing_else_beside_them(tmp_path: Path) -> None:
    alone = Redactor(settings=Settings(data_dir=tmp_path / "data"), executor=Worker())  # type: ignore[arg-type]
    with pytest.raises(RequestInvalid, match="recogniser"):
        alone.redact(b"media", io.BytesIO(), exempt_persons=[ANN])
    known = people(tmp_path)
    for beside in ({"exempt": [1]}, {"only": [1]}, {"only_persons": [ANN]}):
        with pytest.raises(RequestInvalid, match="persons or tracks"):
            Redactor(recogniser=known).redact(b"media", io.BytesIO(), exempt_persons=[ANN], **beside)
    assert known.asked == []


def test_without_persons_nobody_is_recognised(tmp_path: Path) -> None:
    known = people(tmp_path)
    Redactor(recogniser=known).redact(b"media", io.BytesIO(), exempt=[1])
    assert known.asked == []
    assert known.redactions.requests[0].tracks == {1}


def test_an_output_that_cannot_be_counted_is_not_handed_out(tmp_path: Path) -> None:
    settings, worker = Settings(data_dir=tmp_path / "data"), Worker()
    settings.data_dir.write_bytes(b"a file, where a folder should be")
    with pytest.raises(Exception, match=r"."):
        Redactor(settings=settings, executor=worker).redact(b"media", tmp_path / "out.png")  # type: ignore[arg-type]
    assert not (tmp_path / "out.png").exists()
    (output,) = worker.outputs
    assert output not in _open_files()


def _open_files() -> set[tuple[int, int]]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own is gone again
            found.add(_identity(descriptor.stat()))
    return found


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino
