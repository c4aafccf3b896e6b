"""What comes from a worker is not trusted: lengths, kinds, codes and text are checked before anything is done with them."""

import json

import pytest

from moretta.core.errors import FieldError, MediaTruncated, MorettaError, NotAuthenticated, RequestInvalid
from moretta.sandbox import frames
from moretta.sandbox.confinement import Attempt, Confinement, Level, MechanismStatus
from moretta.sandbox.frames import Failure, Kind, ProtocolViolation


def test_a_media_error_arrives_as_the_class_it_left_as() -> None:
    raised = MediaTruncated(
        "expected a whole picture", field_errors=(FieldError("file", "cut off"),), legal_ref="Art. 1"
    )
    arrived = Failure.from_json(Failure.of(raised).to_json()).to_error()
    assert type(arrived) is MediaTruncated
    assert (arrived.detail, arrived.field_errors, arrived.legal_ref) == (
        raised.detail,
        raised.field_errors,
        raised.legal_ref,
    )


def test_the_text_of_an_unforeseen_error_stays_in_the_worker() -> None:
    sent = Failure.of(ValueError("marked-secret-text")).to_json()
    assert b"marked-secret-text" not in sent
    assert Failure.from_json(sent).exception == "ValueError"


@pytest.mark.parametrize("code", [NotAuthenticated.code, "no.such.code", "", "internal"])
def test_a_code_that_is_not_a_workers_to_give_becomes_an_unforeseen_error(code: str) -> None:
    arrived = Failure(code, "text of the worker").to_error()
    assert type(arrived) is MorettaError
    assert "text of the worker" not in arrived.detail


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"code": 1, "detail": ""}',
        b'{"code": "a", "detail": []}',
        b"[" * 50000,
        b'{"code": "a", "detail": "", "field_errors": [1]}',
        b'{"code": "a", "detail": "", "field_errors": 7}',
    ],
)
def test_an_error_frame_of_another_shape_is_a_violation(raw: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Failure.from_json(raw)


def test_text_from_a_worker_is_cut_and_rid_of_control_characters() -> None:
    raw = json.dumps({"code": RequestInvalid.code, "detail": "\x1b[31m" + "a" * 10_000, "exception": "not a name!"})
    arrived = Failure.from_json(raw.encode())
    assert arrived.detail.startswith("[31maa")
    assert len(arrived.detail) <= 2000
    assert arrived.exception == ""


def test_a_failure_with_long_texts_fits_its_frame() -> None:
    error = RequestInvalid("d" * 10**6, field_errors=tuple(FieldError("f" * 10**4, "d" * 10**4) for _ in range(500)))
    assert len(Failure.of(error).to_json()) <= frames.ERROR_LIMIT


@pytest.mark.parametrize("kind", list(Kind))
def test_a_frame_over_its_limit_is_refused_by_its_header(kind: Kind) -> None:
    limit = frames.LIMITS[kind]
    assert frames.unpack_header(frames.pack_header(kind, 5, limit)) == (kind, 5, limit)
    with pytest.raises(ProtocolViolation):
        frames.unpack_header(frames.pack_header(kind, 5, limit + 1))


def test_an_unknown_kind_of_frame_is_refused() -> None:
    with pytest.raises(ProtocolViolation):
        frames.unpack_header(frames.HEADER.pack(99, 1, 0))


def test_a_confinement_report_survives_the_channel() -> None:
    status = MechanismStatus("landlock", Level.PARTIAL, "ABI 2", essential=True)
    report = Confinement((status,), (Attempt("read files", denied=True),))
    assert Confinement.from_json(report.to_json()) == report


@pytest.mark.parametrize("raw", [b"[]", b"{}", b'{"mechanisms": [{}], "attempts": []}', b'{"mechanisms": 1}', b"x"])
def test_a_confinement_report_of_another_shape_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Confinement.from_json(raw)


def test_only_essential_mechanisms_and_denials_decide_whether_a_confinement_is_complete() -> None:
    essential = MechanismStatus("landlock", Level.FULL, "", essential=True)
    second_wall = MechanismStatus("network namespace", Level.NONE, "not permitted", essential=False)
    denied, possible = Attempt("read files", denied=True), Attempt("create files", denied=False)
    assert Confinement((essential, second_wall), (denied,)).complete
    assert not Confinement((essential,), (denied, possible)).complete
    assert not Confinement((MechanismStatus("landlock", Level.NONE, "", essential=True),), (denied,)).complete
    assert not Confinement(()).complete
