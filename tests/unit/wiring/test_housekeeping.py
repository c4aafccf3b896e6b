"""Chores are done at start and from then on; one that fails is told of, without its message, and keeps none from being done."""

import logging
import threading

import pytest

from moretta.core.acting import HOUSEKEEPING, acting, acting_as
from moretta.core.errors import StorageUnusable
from moretta.wiring.housekeeping import Housekeeping


def test_chores_are_done_again_and_again_until_the_end_whichever_fails(caplog: pytest.LogCaptureFixture) -> None:
    done, thrice = [], threading.Event()

    def counted() -> None:
        done.append(threading.current_thread().name)
        if len(done) == 3:
            thrice.set()

    def broken() -> None:
        raise ValueError("Erika Mustermann")

    def down() -> None:
        raise StorageUnusable("the database of Erika is down")

    with caplog.at_level(logging.WARNING), Housekeeping({"a": broken, "b": down, "c": counted}, every_s=0.01):
        assert thrice.wait(10)
    assert {"housekeeping.failed: a: ValueError", "housekeeping.failed: b: storage.unusable"} == set(caplog.messages)
    assert "Erika" not in caplog.text
    before = len(done)
    assert not threading.Event().wait(0.05)
    assert len(done) == before


def test_the_end_does_not_wait_for_the_next_round() -> None:
    first = threading.Event()
    with Housekeeping({"a": first.set}, every_s=3600):
        assert first.wait(10)


def test_what_is_done_by_itself_is_told_as_the_housekeepings() -> None:
    seen, done = list[str](), threading.Event()

    def chore() -> None:
        seen.append(acting())
        done.set()

    with acting_as("uid:1000"), Housekeeping({"a": chore}, every_s=3600):
        assert done.wait(10)
        assert acting() == "uid:1000"
    assert seen == [HOUSEKEEPING]
