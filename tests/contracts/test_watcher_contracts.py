"""A site is watched by one watcher at a time, in both kinds of database."""

import pytest
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, OTHER_COMPANY, Database

from moretta.core.errors import Conflict
from moretta.storage.statistics.watchers import watched_alone


def test_a_site_that_is_watched_is_refused_to_another_watcher(engine: Engine, database: Database) -> None:
    other = database.opened()
    try:
        with watched_alone(engine, COMPANY, "shop"):
            for second in (engine, other):
                with pytest.raises(Conflict, match="being watched"), watched_alone(second, COMPANY, "shop"):
                    pytest.fail("it was watched twice")
    finally:
        other.dispose()


def test_other_sites_and_other_companies_are_not_held_back(engine: Engine) -> None:
    with (
        watched_alone(engine, COMPANY, "shop"),
        watched_alone(engine, COMPANY, "hall"),
        watched_alone(engine, OTHER_COMPANY, "shop"),
    ):
        pass


def test_a_site_is_free_again_however_watching_ended(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), watched_alone(engine, COMPANY, "shop"):
        raise ZeroDivisionError
    with watched_alone(engine, COMPANY, "shop"):
        pass
