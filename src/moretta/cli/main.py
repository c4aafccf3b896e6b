"""The `moretta` command.

Belongs here: the tree of commands, and how an error becomes a message and an exit code.
"""

import logging
import resource
import sys
from typing import Annotated

import typer

from moretta import __version__
from moretta.cli.lazily import Entry, LazyGroup
from moretta.cli.terminal import local_user
from moretta.core.acting import acting_as
from moretta.core.errors import MorettaError


class Commands(LazyGroup):
    """Every command, in the order in which help tells of them. A test holds each line to the command's own first one."""

    entries = {  # noqa: RUF012 - a constant of the class, as its base has it
        "analyze": Entry(
            "moretta.cli.analyze",
            "analyze",
            "Analyse images and videos where they are: people, measurements and a trust score.",
        ),
        "demo": Entry(
            "moretta.cli.analyze",
            "demo",
            "Analyse a real clip of a talking person, print the result and write an HTML report.",
        ),
        "redact": Entry(
            "moretta.cli.redact", "redact", "Hide the faces of images and videos, and check that they are hidden."
        ),
        "features": Entry(
            "moretta.cli.features",
            "features",
            "Export how faces move (pose, gaze, expression) with the shape that tells people apart taken out.",
        ),
        "watch": Entry(
            "moretta.cli.watch",
            "watch",
            "Count people before cameras without recognising anybody: only figures with noise leave memory.",
        ),
        "collections": Entry(
            "moretta.cli.collections", "app", "Make, list, change, renew and delete collections of people."
        ),
        "enrol": Entry("moretta.cli.persons", "enrol", "Enrol a person with photos that show nobody else."),
        "persons": Entry("moretta.cli.persons", "app", "List, show, rename, restrict and erase enrolled people."),
        "notice": Entry(
            "moretta.cli.notice", "app", "What people are shown before they consent: add a version, list, show."
        ),
        "consent": Entry("moretta.cli.consent", "app", "Record, list and withdraw consents; print receipts."),
        "rights": Entry(
            "moretta.cli.rights", "app", "Requests of people about their data: open, follow, answer, hand out, notify."
        ),
        "drill": Entry(
            "moretta.cli.drill", "app", "Hold a drill: erase somebody made up, and search every store for them."
        ),
        "subject-link": Entry(
            "moretta.cli.subject_link",
            "subject_link",
            "Make a link with a one-time code to a person's own pages; the code is shown once.",
        ),
        "simulate": Entry(
            "moretta.cli.simulate",
            "simulate",
            "Let a made-up crowd pass a site's cameras; noise, budget and releases are real, people are not.",
        ),
        "site": Entry(
            "moretta.cli.site",
            "app",
            "Site files: check one, draw its zones over an anonymised still, print the marker.",
        ),
        "stats": Entry(
            "moretta.cli.stats", "app", "Anonymous statistics of watched sites: show, live, export, budgets."
        ),
        "search": Entry("moretta.cli.matching", "search", "Who of a collection is in a photo; every face is searched."),
        "verify": Entry(
            "moretta.cli.verify",
            "verify",
            "Whether a signed document holds, or whether a photo shows a person; exit status 0 for yes.",
        ),
        "compare": Entry(
            "moretta.cli.matching",
            "compare",
            "Whether two photos show the same person; exit status 0 for yes, 1 for no.",
        ),
        "import": Entry(
            "moretta.cli.transfer", "import_people", "Enrol many people from a folder per person, or from a CSV list."
        ),
        "export": Entry(
            "moretta.cli.transfer",
            "export",
            "Write persons, records of faces and stored photos to a ZIP; no templates.",
        ),
        "retention": Entry(
            "moretta.cli.retention",
            "app",
            "How long people are kept: show, set, sweep, and hold for legal claims.",
        ),
        "incidents": Entry(
            "moretta.cli.incidents",
            "app",
            "The breach register: record, list, change, find the affected, draft notices.",
        ),
        "governance": Entry(
            "moretta.cli.governance",
            "app",
            "Documents from the running configuration: records, assessment, sign, notice, evidence.",
        ),
        "evaluate": Entry("moretta.cli.evaluate", "app", "Measure recognition on your own photos."),
        "calibrate": Entry(
            "moretta.cli.evaluate",
            "calibrate",
            "Set a collection's thresholds to where strangers of your own photos match at a rate.",
        ),
        "demo-recognise": Entry(
            "moretta.cli.demo_recognise",
            "demo_recognise",
            "Enrol two people, find them in other photos, see what is stored, erase one, search again.",
        ),
        "demo-redact": Entry(
            "moretta.cli.demo_redact",
            "demo_redact",
            "Hide the faces of a real clip by blur, mosaic, one colour and an avatar; write a page to compare them.",
        ),
        "demo-stats": Entry(
            "moretta.cli.demo_stats",
            "demo_stats",
            "Count a made-up shop's visitors and those of a real clip, with noise, and show the page of it.",
        ),
        "doctor": Entry(
            "moretta.cli.doctor",
            "doctor",
            "Examine this machine and installation; exit 78 when something that is needed does not work.",
        ),
        "serve": Entry("moretta.cli.serve", "serve", "Start the service and, the first time, print an API key once."),
        "keyd": Entry(
            "moretta.cli.keyd",
            "keyd",
            "Hold master keys and gallery keys for `moretta serve`: it gets persons' data keys and matches, never a score.",
        ),
        "node": Entry(
            "moretta.cli.node",
            "node",
            "Hold galleries as their scheme protects them, follow the database that `serve` reads, and compare.",
        ),
        "party": Entry(
            "moretta.cli.party", "app", "Hold one of three shares of galleries that nobody can read (scheme `shares`)."
        ),
        "master-keys": Entry(
            "moretta.cli.master_keys", "app", "The keys that wrap everything else: list them, change them."
        ),
        "policy": Entry(
            "moretta.cli.policy", "app", "Look at the policy in force, check a policy file, ask what it decides."
        ),
        "reviews": Entry("moretta.cli.reviews", "reviews", "Matches that people must confirm: list, confirm, reject."),
        "approvals": Entry("moretta.cli.reviews", "approvals", "Who approved which use: grant, list, revoke."),
        "log": Entry(
            "moretta.cli.log", "app", "The log of everything that was done: read it, prove what is in it, check it."
        ),
        "witness": Entry(
            "moretta.cli.witness",
            "witness",
            "Watch a log from outside: sign each checkpoint that only grew, cry out where one was rewritten.",
        ),
        "certificates": Entry(
            "moretta.cli.certificates",
            "certificates",
            "Make the certificates with which the processes of one deployment know each other.",
        ),
        "usage": Entry(
            "moretta.cli.usage", "usage", "How many media items were processed, by day, door, status and API key."
        ),
        "egress": Entry(
            "moretta.cli.usage",
            "egress",
            "Every byte ever sent to the vendor, verbatim, and every address that the settings allow.",
        ),
        "models": Entry("moretta.cli.models", "app", "Install, list, verify and add model weights."),
        "keys": Entry("moretta.cli.keys", "app", "Create, list and revoke API keys."),
        "hub": Entry(
            "moretta.cli.hub", "app", "The vendor's side: issue company ids and keys, take batches, show counts."
        ),
        "docs": Entry(
            "moretta.cli.docs",
            "docs",
            "Write the whitepaper, the evidence map, the settings reference and the schemas, as this release generates them.",
        ),
    }


app = typer.Typer(
    name="moretta",
    cls=Commands,
    help="Self-hosted face analytics that keeps its mouth shut: trust scores, measurements, and recognition of people who "
    "agreed to it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moretta {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Errors of a command are told once, by `run`; what goes on running keeps its log."""
    if context.invoked_subcommand not in {"serve", "keyd", "node", "party"}:
        logging.getLogger("moretta").addHandler(logging.NullHandler())
    context.with_resource(acting_as(local_user()))


def run() -> None:
    """Run the command of the process's arguments; errors become one message on stderr and their exit code.

    Typer itself ends quietly on SIGINT (exit status 130) and where the reader of a pipe has gone (1).
    """
    # This process holds media bytes in memory: a crash must not write them to a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        app()
    except MorettaError as error:
        because = f" ({error.legal_ref})" if error.legal_ref is not None else ""
        typer.echo(f"moretta: {error.title}: {error.detail}{because}", err=True)
        sys.exit(error.exit_code)
