"""The whitepaper: what is and is not stored and sent, told from the schemas, the settings and the model digests.

Belongs here: the text, generated where it can be. Does not belong here: promises that nothing enforces.
"""

from collections.abc import Iterable
from dataclasses import fields
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from pydantic import SecretStr
from sqlalchemy import Table

from moretta import __version__
from moretta.core.usage import ENDPOINTS, UsageRecord
from moretta.settings import Settings
from moretta.storage.schema import service_metadata
from moretta.storage.versions import schema_revision, schema_version
from moretta.trust.blending_detector import blending_weights
from moretta.trust.recapture import texture_weights
from moretta.vision.models import MODELS
from moretta.vision.models.store import file_sha256

# What each table is for; a test holds that every table has its line.
PURPOSE = {
    "announced": "Photos, packed galleries and keys that are about to be made, or to be deleted.",
    "api_keys": "Who may call: a hash of each key's secret, its company, scopes and times. The label is your own note.",
    "approvals": "Who approved which use, why, until when and whether that was taken back: your own words.",
    "camera_addresses": "Scheme, host and port of each camera that was ever connected to, and how often; no user, no path.",
    "certificates": "Erasure certificates: counts, methods and commitments, signed; no name, no template, no person's id.",
    "collections": "Galleries of people: your own words for name and purpose, the scheme, model and key, where it may be.",
    "comparable_since": "Since when each person took part in comparisons, or did not any more; goes with the person.",
    "consent_challenges": "What somebody is to sign once, within minutes, to consent: a random number, and for which notice.",
    "consent_events": "What became of each consent: its receipt's document without personal data, and where the log tells it.",
    "consents": "Who consented to which purpose, on which notice, and when; proof, age and guardian under the person's own key.",
    "deployment": "This deployment's own random company id; until when those erased are in no backup that opens.",
    "egress_attempts": "Every attempt to report usage: when, where to, how it ended.",
    "egress_bytes": "The exact bytes of those attempts.",
    "egress_writes": "Which bytes belong to which attempt, in order.",
    "erased_persons": "The ids of people who were erased, and when; nothing else about them.",
    "erasures": "How far each erasure is: counts, random ids and commitments; meanwhile, ciphertext windows to look for.",
    "faces": "One protected template each, encrypted under the person's own key, or its place in a packed gallery.",
    "holds": "Legal holds: which person is kept until when; your words for why, and by whom, under the person's own key.",
    "import_items": "Which items of an import were dealt with, by a digest that the importer makes of each.",
    "imports": "Imports under way or done.",
    "incidents": "Your breach register: every revision of what happened, what was decided, and who was told when.",
    "log_checkpoints": "What was signed of the transparency log: its size, the hash of its tree, the note that says so.",
    "log_cosignatures": "What independent witnesses signed of those checkpoints.",
    "log_entries": "The transparency log: what was done, when, for which company; people only as salted commitments.",
    "log_head": "How long the log is and how its tree grows on.",
    "log_nodes": "Hashes of the log's tree, so that proofs are made fast.",
    "notices": "The texts that people are shown before they consent, each version as it was.",
    "persons": "People of a collection: their state, and your words for name and attributes, encrypted under their own key.",
    "policies": "Every policy that held here and since when, in its canonical form; the log holds its hash.",
    "privacy_budgets": "What may be spent of a watched site's privacy on a day.",
    "privacy_charges": "What was spent of it, on which disjoint set of visits, before the noise was drawn.",
    "proposal_candidates": "Who was proposed for a face of a match that people must confirm; goes with the person.",
    "proposal_choices": "Which of those somebody confirmed; goes with the person.",
    "proposal_faces": "Where the faces of such a photo were and how good, in numbers; no photo, no template.",
    "proposal_votes": "Who confirmed or rejected such a match, by API key or local user, and when.",
    "proposals": "Matches that people must confirm: of which search, how many must, until when, what came of it.",
    "removed_rows": "Numbers of gallery rows that are compared never again.",
    "rights_deliveries": "Which message about a request went to which receiver of the settings: tries, outcome, when.",
    "rights_notices": "Signed messages about rights requests, until they are delivered and after; they name no person.",
    "rights_requests": "Who used which right, when, and what came of it; wishes and reasons under the person's own key.",
    "retention_rules": "What you set for a collection's retention: from when it counts, photos, the end of the purpose.",
    "retention_runs": "Signed reports of retention sweeps: counts, certificates and holds; no person.",
    "schema_revision": "The last change of this schema that was made.",
    "schema_version": "The version of this schema.",
    "searched_persons": "Whom a search matched or a verification named; goes with the person.",
    "searches": "Each search and verification: when, under which purpose, by which API key, how many were compared.",
    "segments": "Packed galleries: which rows each holds, and the digest of its encrypted file.",
    "signing_keys": "The region's signing keys: public halves, and the active private half encrypted under a master key.",
    "statistics_alarms": "When a released figure of a watched site went over what you set.",
    "statistics_live": "Live counters of watched sites as last released, with noise: nobody can be found in them.",
    "statistics_releases": "Released statistics of watched sites, with noise: nobody can be found in them.",
    "streams": "Sites that you watch through the API: zones, budget, the last receipt; never where pictures come from.",
    "subject_keys": "Each person's own data key, encrypted under a master key that is not in this database.",
    "subject_links": "Links to people's own pages: a hash of each one-time code, for whom, until when, whether it was used.",
    "subject_sessions": "People's visits to their own pages: a hash of each cookie, whose, since when; gone within hours.",
    "usage_batches": "Signed batches of usage records, on their way or acknowledged.",
    "usage_by_key": "Counts per API key and day, for you alone; never reported.",
    "usage_records": "One record per processed media item.",
}


def whitepaper(settings: Settings | None = None) -> str:
    """The whitepaper as Markdown, for the running `settings` or, without them, for the defaults of this release."""
    template = (files("moretta.pages") / "templates" / "whitepaper.md").read_text("utf-8")
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(template).render(
        version=__version__,
        record_fields=[field.name for field in fields(UsageRecord)],
        endpoints=sorted(ENDPOINTS),
        tables=list(_tables([*service_metadata.tables.values(), schema_revision, schema_version])),
        models=MODELS,
        blending_sha256=file_sha256(blending_weights()),
        texture_sha256=file_sha256(texture_weights()),
        settings=list(_settings(settings)),
        running=settings is not None,
        reporting=settings.usage_report if settings is not None else "off",
        sandbox=settings.sandbox if settings is not None else "required",
    )


def _tables(tables: Iterable[Table]) -> Iterable[tuple[str, str, str]]:
    for table in sorted(tables, key=lambda t: t.name):
        yield table.name, ", ".join(_columns(table)), PURPOSE[table.name]


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _settings(settings: Settings | None) -> Iterable[tuple[str, str, str]]:
    """Name, value (of the running process) or default, and meaning; places on this machine are not told."""
    for name, field in Settings.model_fields.items():
        if settings is not None and not name.endswith(("_dir", "_file")):
            value = _told(getattr(settings, name))
        elif field.default_factory is not None or name.endswith(("_dir", "_file")):
            value = "depends on the machine"
        else:
            value = _told(field.default)
        yield f"MORETTA_{name.upper()}", value, field.description or ""


def _told(value: object) -> str:
    if isinstance(value, SecretStr):
        return "set"
    return "not set" if value is None else str(value)
