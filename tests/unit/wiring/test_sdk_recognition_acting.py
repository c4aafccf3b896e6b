"""What a program does with the SDK, the log tells as that of the user whose process it is, or of whom the program names."""

import os
from pathlib import Path

from moretta.core.acting import acting_as
from moretta.core.ledger import EntryKind, entry_from_leaf
from moretta.sdk_recognition import Recogniser
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.storage.ledger.store import SqlLedger


def test_an_entry_names_the_processs_user_or_whom_the_program_names(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, sandbox="best-effort")
    with Recogniser(settings) as people:
        with acting_as("badge-17"):
            people.create_collection("named", "access", scheme="plain", retention_days=30)
        made = people.create_collection("own", "access", scheme="plain", retention_days=30)
        people.delete_collection(made)
    engine = open_database(tmp_path / "moretta.db")
    try:
        entries = [entry_from_leaf(one.leaf) for one in SqlLedger(engine).leaves(0, 100)]
    finally:
        engine.dispose()
    changes = [dict(one.facts) for one in entries if one.kind is EntryKind.COLLECTION_CHANGED]
    own = f"uid:{os.getuid()}"
    assert [(one["change"], one["by"]) for one in changes] == [
        ("created", "badge-17"),
        ("created", own),
        ("closed", own),
        ("deleted", own),
    ]
