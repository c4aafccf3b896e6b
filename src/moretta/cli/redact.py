"""`moretta redact`.

Belongs here: reading arguments, many files, what was done. Does not belong here: any step of the work.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from moretta.cli.items import label, one_by_one, source
from moretta.cli.outputs import STDIO, check_output
from moretta.core.errors import RequestInvalid
from moretta.core.ports import OnProgress
from moretta.core.redaction import Method, Redaction, SoundTreatment
from moretta.sdk_redaction import Redactor
from moretta.use_cases.redaction.persons import chosen_persons

if TYPE_CHECKING:
    from moretta.sdk_recognition import Recogniser

# What is looked for in a folder; the bytes decide what each is.
_STILLS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
_VIDEOS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".ts", ".mts", ".m2ts")

_STDIN = Path(STDIO)

Paths = Annotated[
    list[Path],
    typer.Argument(
        help="Images, videos or folders, then where to: a file for one, a folder for more. `-` as the one input is standard "
        "input. With --tracks no target.",
        metavar="IN... OUT",
    ),
]
MethodOption = Annotated[Method, typer.Option(help="How faces are hidden.")]
AudioOption = Annotated[
    SoundTreatment,
    typer.Option("--audio", help="What becomes of the sound; `change` moves voices' pitch and formants."),
]
Only = Annotated[str | None, typer.Option(help="Ids of tracks, comma-separated: only these are hidden.")]
Except = Annotated[str | None, typer.Option("--except", help="Ids of tracks, comma-separated: these stay visible.")]
OnlyPerson = Annotated[
    list[str] | None,
    typer.Option(
        "--only-person", help="An enrolled person: no other face is hidden, but those that are not clear. Repeat it."
    ),
]
ExceptPerson = Annotated[
    list[str] | None,
    typer.Option("--except-person", help="An enrolled person who consented, by id, stays visible. Repeat it for more."),
]
Tracks = Annotated[bool, typer.Option("--tracks", help="List the faces with ids, times and places; write nothing.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Where the check finds a face, exit with status 1 and leave no output.")
]
KeepLeaking = Annotated[bool, typer.Option("--keep-leaking", help="With --strict, leave the output nevertheless.")]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Do not look for faces in the output; saves a third.")]
Json = Annotated[
    str | None, typer.Option("--json", help="Write one JSON object per file, a line each, to this file or `-`.")
]


def redact(
    paths: Paths,
    method: MethodOption = Method.BLUR,
    audio: AudioOption = SoundTreatment.KEEP,
    only: Only = None,
    exempt: Except = None,
    only_person: OnlyPerson = None,
    except_person: ExceptPerson = None,
    tracks: Tracks = False,
    strict: Strict = False,
    keep_leaking: KeepLeaking = False,
    no_check: NoCheck = False,
    json_out: Json = None,
) -> None:
    """Hide the faces of images and videos, and check that they are hidden."""
    chosen = (_ids(only, "--only"), _ids(exempt, "--except"))
    persons = chosen_persons(_named(only_person), _named(except_person), tracks=tracks or chosen != (None, None))
    pairs = [(path, None) for path in _media(paths)] if tracks else _pairs(paths)
    if chosen != (None, None) and len(pairs) > 1:
        raise RequestInvalid("expected one file with --only or --except, got several; ids are those of one item")
    batch = not tracks and (len(paths) > 2 or paths[0].is_dir())
    check_output(json_out)
    with ExitStack() as held:
        people = None if persons is None else held.enter_context(_recogniser())
        redactor = held.enter_context(Redactor(method, audio, door="cli:redact", recogniser=people))

        def work(pair: tuple[Path, Path | None], on_progress: OnProgress) -> Redaction:
            path, target = pair
            media = source(str(path), "an image or a video")
            if target is None:
                return redactor.tracks(media, on_progress)
            if batch:
                _make_folder(target.parent)
            return redactor.redact(
                media,
                target,
                only=chosen[0],
                exempt=chosen[1],
                only_persons=_named(only_person),
                exempt_persons=_named(except_person),
                check=not no_check,
                strict=strict,
                keep_leaking=keep_leaking,
                on_progress=on_progress,
            )

        _, failure = one_by_one([(label(str(pair[0])), pair) for pair in pairs], work, _line, _summary, json_out)
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def _recogniser() -> "Recogniser":
    from moretta.sdk_recognition import Recogniser

    return Recogniser(door="cli")


def _named(persons: list[str] | None) -> tuple[str, ...] | None:
    return tuple(persons) if persons else None


def _pairs(paths: Sequence[Path]) -> list[tuple[Path, Path | None]]:
    """Every source with its target.

    Raises:
        RequestInvalid: no target, a target that is a source, several sources for one file, or standard output.
    """
    if len(paths) < 2:
        raise RequestInvalid("expected a source and where to write to, got one path; add the output")
    *sources, target = paths
    if str(target) == STDIO:
        raise RequestInvalid("expected a file or folder to write to, got standard output; give the output a name")
    if _STDIN in sources and (len(sources) > 1 or target.is_dir()):
        raise RequestInvalid("expected one file as the output of standard input; give it alone, and the output a name")
    if len(sources) == 1 and not sources[0].is_dir() and not target.is_dir():
        pairs = [(sources[0], target)]
    else:
        if target.exists() and not target.is_dir():
            raise RequestInvalid("expected a folder to write several files to, got a file")
        pairs = [(file, target / file.relative_to(_base(source))) for source in sources for file in _files(source)]
    if any(target.exists() and source.exists() and target.samefile(source) for source, target in pairs):
        raise RequestInvalid("expected an output beside the input, got the same file; give another name or folder")
    names = [target for _, target in pairs]
    if len(set(names)) < len(names):
        raise RequestInvalid("expected sources of different names, got two that would be written to one file")
    return list(pairs)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestInvalid(
            f"expected a place for the folder of outputs; it cannot be made: {error.strerror}"
        ) from None


def _media(paths: Sequence[Path]) -> list[Path]:
    return [file for path in paths for file in _files(path)]


def _base(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (*_STILLS, *_VIDEOS) and path.is_file())
    if not found:
        raise RequestInvalid("expected a folder with images or videos in it, found none")
    return found


def _ids(text: str | None, option: str) -> list[int] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise RequestInvalid(
            f"expected ids of tracks after {option}, such as 1,3; `moretta redact --tracks` lists them"
        )
    return [int(word) for word in words]


def _summary(name: str, done: Redaction) -> Table:
    table = Table(title=name, title_justify="left", show_header=False, box=None)
    if done.bytes:
        table.add_row("Hidden by", done.method.value)
        table.add_row(
            "Written", f"{done.frames} frames, {done.width} x {done.height}, {done.container}, {done.bytes} bytes"
        )
        if done.sound is not None:
            table.add_row("Sound", done.sound.value)
    for track in done.tracks:
        state = "left visible" if track.exempt else "hidden" if done.bytes else "found"
        times = f"{track.first_time_s:.2f}-{track.last_time_s:.2f} s"
        table.add_row(f"Face {track.track_id}", f"{times}, {track.frames} frames, {state}")
    report = done.report
    if report is not None:
        words = "no face found uncovered" if report.clean else f"a face is uncovered in {report.frames_leaking} frames"
        table.add_row("Check", f"{words} (of {report.frames}, {report.frames_with_faces} with faces to hide)")
    for notice in done.warnings:
        table.add_row("Note", notice.detail)
    return table


def _line(done: Redaction) -> bytes:
    from moretta.wiring.redacting_wire import redaction_json

    return redaction_json(done) + b"\n"
