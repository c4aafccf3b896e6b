"""Looking for a template in stored bytes finds it wherever it stands, and nothing where it does not."""

from pathlib import Path

import numpy as np

from moretta.wiring.stored_bytes import files, glimpse, occurrences


def test_a_template_is_found_at_any_offset_whole_or_in_part() -> None:
    template = np.random.default_rng(1).standard_normal(16).astype(np.float32).tobytes()
    assert occurrences(template, [template]) == 15
    assert occurrences(template, [b"x" + template[8:24] + b"y"]) == 3
    assert occurrences(template, [np.random.default_rng(2).bytes(100_000), b""]) == 0


def test_files_are_listed_with_their_sizes_and_empty_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "full").write_bytes(bytes(range(16)))
    (tmp_path / "empty").touch()
    assert files(tmp_path) == [("sub/full", 16)]
    assert glimpse(tmp_path / "sub" / "full", 2) == "0809"
