"""`moretta watch`.

Belongs here: reading arguments, showing cameras, counters and releases as they come. Does not belong here: any step of the work.
"""

import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.outputs import check_output, write_output
from moretta.cli.watch_view import JsonLines, LiveView, PlainLines, View
from moretta.core.cameras import WatchReceipt
from moretta.core.errors import RequestInvalid
from moretta.sdk_watching import Listener, Watcher, signed_watch_receipt, watch_target

_STDOUT = "-"
_FOR = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="Cameras: rtsp://, rtsps://, http:// or https:// (motion JPEG), files, folders, /dev/video0.",
        metavar="SOURCE...",
        show_default=False,
    ),
]
SiteFile = Annotated[
    Path | None, typer.Option("--site", help="A site file: cameras, zones, lines, privacy budget.", show_default=False)
]
CameraOption = Annotated[
    list[str] | None,
    typer.Option(
        "--camera", help="NAME=SOURCE: where a camera of the site file gets its pictures.", show_default=False
    ),
]
Name = Annotated[str, typer.Option(help="The site's name where there is no site file; none that begins with sim-.")]
Rate = Annotated[float, typer.Option(min=1.0, max=30.0, help="Pictures analysed a second and camera.")]
Fast = Annotated[bool, typer.Option("--fast", help="Read files as fast as they are analysed.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with what is put into a folder later.")]
For = Annotated[str | None, typer.Option("--for", help="Stop after a time such as 90s, 30m or 8h.", show_default=False)]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", help="The policy's purpose that this serves.", show_default=False)
]
Receipt = Annotated[
    Path | None,
    typer.Option(
        help="Write what the watching process says of itself, signed, to this file; `moretta verify` checks it.",
        show_default=False,
    ),
]
Json = Annotated[
    str | None,
    typer.Option(
        "--json", help="Write one JSON object for each event, a line each, to this file or `-`.", show_default=False
    ),
]


def watch(
    sources: Sources = None,
    site: SiteFile = None,
    camera: CameraOption = None,
    name: Name = "site",
    rate: Rate = 5.0,
    fast: Fast = False,
    follow: Follow = False,
    for_: For = None,
    purpose: PurposeOption = None,
    receipt: Receipt = None,
    json_out: Json = None,
) -> None:
    """Count people before cameras without recognising anybody: only figures with noise leave memory."""
    limit_s = None if for_ is None else duration_s(for_)
    target = watch_target(_named(sources or [], camera or []), site, name)
    check_output(receipt)
    with _view(json_out) as view:
        listener = _signing(view.listener, receipt)
        watcher = Watcher(target, listener, fast=fast, rate=rate, follow=follow, purpose=purpose, door="cli:watch")
        with _ending(watcher, limit_s), view.showing(watcher, target.site):
            watcher.run()


def _signing(listener: Listener, receipt: Path | None) -> Listener:
    """`listener`, and each session's receipt goes into that file, the last one's over those before."""
    if receipt is None:
        return listener

    def begun(found: WatchReceipt) -> None:
        write_output(receipt, signed_watch_receipt(found))
        listener.begun(found)

    return replace(listener, begun=begun)


def duration_s(text: str) -> float:
    """Seconds. Raises `RequestInvalid` for what is no time."""
    found = _FOR.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise RequestInvalid("expected a time such as 90s, 30m, 8h or 2d after --for")
    return float(found[1]) * _UNITS_S[found[2]]


def _named(sources: Sequence[str], cameras: Sequence[str]) -> dict[str, str]:
    """Sources by camera name; those without one are `camera-1` and so on.

    Raises:
        RequestInvalid: a camera without a source, one named twice, or none at all where there is nothing else.
    """
    named = {f"camera-{number}": source for number, source in enumerate(sources, 1)}
    for one in cameras:
        camera, found, source = one.partition("=")
        if not found or not source or camera in named:
            raise RequestInvalid("expected NAME=SOURCE after --camera, each name once")
        named[camera] = source
    return named


@contextmanager
def _view(json_out: str | None) -> Iterator[View]:
    if json_out == _STDOUT:
        yield JsonLines(sys.stdout)
    elif json_out is not None:
        with Path(json_out).open("w", encoding="utf-8") as file:
            yield JsonLines(file)
    elif sys.stdout.isatty():
        yield LiveView()
    else:
        yield PlainLines()


@contextmanager
def _ending(watcher: Watcher, limit_s: float | None) -> Iterator[None]:
    """Ctrl-C and SIGTERM, and the end of the time, end in order; a second Ctrl-C ends at once."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        watcher.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    timer = None if limit_s is None else threading.Timer(limit_s, watcher.stop)
    try:
        if timer is not None:
            timer.daemon = True
            timer.start()
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
