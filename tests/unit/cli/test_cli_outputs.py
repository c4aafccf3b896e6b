"""Output files appear whole or not at all, and nothing but the file that was named is touched."""

import os
import threading
from pathlib import Path

from moretta.cli.outputs import check_output, write_output


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """So does a device: as root, `--json /dev/null` must not put a file in its place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    check_output(pipe)
    write_output(pipe, b"result")
    reader.join(5)
    assert read == [b"result"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_laid_beside_the_output_is_not_followed(tmp_path: Path) -> None:
    """In a folder that others may write to, they choose what lies there, but not what is overwritten."""
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    (tmp_path / "report.html.partial").symlink_to(kept)
    write_output(tmp_path / "report.html", b"report")
    assert kept.read_bytes() == b"kept"
    assert (tmp_path / "report.html").read_bytes() == b"report"


def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "report.html"
    link.symlink_to(tmp_path / "there" / "report.html")
    check_output(link)
    write_output(link, b"report")
    assert link.is_symlink()
    assert [path.read_bytes() for path in (tmp_path / "there").iterdir()] == [b"report"]
