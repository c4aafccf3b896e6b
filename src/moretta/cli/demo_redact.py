"""`moretta demo-redact`: one clip, hidden in four ways, and a page that shows them side by side.

Belongs here: the order and the words. Does not belong here: any step of redaction.
"""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.items import progress_bar
from moretta.cli.terminal import console
from moretta.core.redaction import Method, Redaction
from moretta.settings import Settings

# Four redactions of so much take half a minute on two quiet cores (`make demo-redact`: 28 s).
_SECONDS = 8.0


def demo_redact(
    media: Annotated[Path | None, typer.Argument(help="Your own clip or picture instead of the demo's.")] = None,
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("redacted"),
) -> None:
    """Hide the faces of a real clip by blur, mosaic, one colour and an avatar; write a page to compare them."""
    from moretta.pages.side_by_side import side_by_side
    from moretta.sdk_redaction import Redactor
    from moretta.wiring.executor import start_executor

    out.mkdir(parents=True, exist_ok=True)
    done: list[tuple[str, Redaction]] = []
    with _clip(media) as clip, closing(start_executor(Settings(), workers=1)) as executor:
        for method in Method:
            name = f"{method}{clip.suffix.lower()}"
            redactor = Redactor(method, executor=executor, door="cli:redact")
            with progress_bar(console(stderr=True), method) as on_progress:
                done.append((name, redactor.redact(clip, out / name, on_progress=on_progress)))
            typer.echo(f"{method}: {leak_words(done[-1][1])}")
    (out / "index.html").write_text(
        side_by_side([(name, one, leak_words(one)) for name, one in done]), encoding="utf-8"
    )
    typer.echo(f"Open {out / 'index.html'} in a browser. The clip did not leave this machine.")


@contextmanager
def _clip(media: Path | None) -> Iterator[Path]:
    """The caller's own, or the beginning of the demo's, which is as long as a film's scene."""
    if media is not None:
        yield media
        return
    from moretta.vision.encode.excerpt import excerpt
    from moretta.vision.models import fetch_demo_clip

    whole = fetch_demo_clip(Settings().media_dir)
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / f"clip{whole.suffix}"
        excerpt(whole, short, _SECONDS)
        yield short


def leak_words(done: Redaction) -> str:
    """What the check found, in a sentence."""
    report = done.report
    if report is None:
        return "not checked"
    words = f"{report.frames_leaking} of {report.frames_with_faces} frames with faces show one uncovered"
    if report.reidentification_trials:
        found = f"{report.reidentified} of {report.reidentification_trials}"
        words += f"; the best attack names {found} faces right among {report.gallery_size} people"
    return words
