"""`moretta analyze` and `moretta demo`.

Belongs here: reading arguments, the report. Does not belong here: any step of the analysis.
"""

from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.items import label, one_by_one, source
from moretta.cli.outputs import check_output, write_output
from moretta.cli.summary import summary
from moretta.cli.terminal import console
from moretta.core.analysis import Analysis, Feature
from moretta.core.ports import OnProgress
from moretta.core.values import Profile
from moretta.sdk import Analyzer, parse_features
from moretta.settings import Settings

Files = Annotated[
    list[str], typer.Argument(help="Images or videos; `-` reads one from standard input.", metavar="FILE...")
]
ProfileOption = Annotated[Profile, typer.Option(help="How much work is spent on a frame.")]
Features = Annotated[
    str | None,
    typer.Option(help=f"Comma-separated, out of {', '.join(Feature)}; `+age` adds to the default ones."),
]
Json = Annotated[
    str | None, typer.Option("--json", help="Write one JSON object per file, a line each, to this file or `-`.")
]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", help="Why: a purpose of the policy, which the feature expression needs.")
]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")]


def analyze(
    files: Files,
    profile: ProfileOption = Profile.ACCURATE,
    features: Features = None,
    json_out: Json = None,
    report: Report = None,
    purpose: PurposeOption = None,
) -> None:
    """Analyse images and videos where they are: people, measurements and a trust score."""
    settings = Settings()
    wanted = parse_features(features.split(",") if features is not None else None)
    if report is not None:
        wanted |= {Feature.MESH, Feature.SERIES}
    for target in (report, json_out):
        check_output(target)
    with Analyzer(profile, wanted, settings, door="cli:analyze", purpose=purpose) as analyzer:

        def work(name: str, on_progress: OnProgress) -> Analysis:
            return analyzer.analyze(source(name, "media"), on_progress)

        done, failure = one_by_one([(label(name), name) for name in files], work, _line, summary, json_out)
    if report is not None and done:
        from moretta.pages.report import render_report

        write_output(report, render_report(done))
        console(stderr=True).print(f"Report: {report}", markup=False, highlight=False, soft_wrap=True)
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def demo(
    media: Annotated[Path | None, typer.Argument(help="Your own clip or picture instead of the demo's.")] = None,
    profile: ProfileOption = Profile.FAST,
    report: Report = Path("report.html"),
) -> None:
    """Analyse a real clip of a talking person, print the result and write an HTML report."""
    if media is None:
        from moretta.vision.models import fetch_demo_clip

        media = fetch_demo_clip(Settings().media_dir)
    analyze([str(media)], profile=profile, report=report)
    typer.echo(
        f"Open {report} in a browser. The clip did not leave this machine; `moretta egress` lists all that ever did."
    )


def _line(result: Analysis) -> bytes:
    from moretta.wiring.wire import analysis_json

    return analysis_json(result) + b"\n"
