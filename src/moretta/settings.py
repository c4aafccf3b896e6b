"""Every setting, with its safe default. Environment variables `MORETTA_<NAME>`; nothing below the wiring reads them.

Belongs here: names, types, defaults and one sentence each (the reference page is generated from it).
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from moretta.core.errors import FieldError, RequestInvalid
from moretta.core.limits import MediaLimits

_DEFAULT = MediaLimits()


def _home(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "moretta"


class Settings(BaseSettings):
    """The configuration of one process.

    Raises:
        RequestInvalid: a value has another form; the message names the variable, never the value.
    """

    model_config = SettingsConfigDict(env_prefix="MORETTA_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default_factory=lambda: _home("XDG_STATE_HOME", ".local/state"),
        description="Where API keys, usage counts, and enrolled people as their collection's scheme protects them are kept "
        "(`~/.local/state/moretta`). A photo is kept only where enrolling asks for it; other media, results and observations "
        "never.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL database instead of a file in the data folder: `postgresql+psycopg://user@host:5432/name`. "
        "Better without the password: libpq's `PGPASSFILE` is honoured.",
    )
    database_url_file: Path | None = Field(None, description="A file of mode 0600 that holds that URL, instead of it.")
    regions_file: Path | None = Field(
        None,
        description="A TOML file that names the deployment's regions: database, blobs, segments, keys, node, parties of each. "
        "Left out: one region `local` in the data folder.",
    )
    policy_file: Path | None = Field(
        None,
        description="A TOML file of the purposes for which people may be recognised, with contexts, lawful bases, retention and "
        "more (`moretta policy show access-control` prints one to begin with). Left out: any purpose, with consent.",
    )
    models_dir: Path = Field(
        default_factory=lambda: _home("XDG_CACHE_HOME", ".cache") / "models",
        description="Where `moretta models install` puts the weights (`~/.cache/moretta/models`).",
    )
    host: str = Field("127.0.0.1", description="The address on which `moretta serve` listens.")
    port: int = Field(8000, ge=0, le=65535, description="The port on which `moretta serve` listens.")
    sandbox: Literal["required", "best-effort"] = Field(
        "required",
        description="`required`: no media is read unless the kernel denies the workers files and network; "
        "`best-effort`: run with what the kernel gives and say what is missing.",
    )
    workers: int = Field(
        default_factory=lambda: min(4, os.cpu_count() or 1), ge=1, le=256, description="Worker processes of `serve`."
    )
    worker_memory_mb: int = Field(
        4096, ge=512, description="Memory one worker may use, in MiB, beyond which it is ended."
    )
    time_limit_s: float = Field(300.0, gt=0, description="Longest time one analysis may take, in seconds.")
    redaction_limit_s: float = Field(
        3600.0, gt=0, description="Longest time one redaction may take, in seconds; it reads a video three times."
    )
    queue_limit_s: float = Field(30.0, gt=0, description="Longest wait for a free worker, in seconds, before 503.")
    max_bytes: int = Field(_DEFAULT.bytes, gt=0, description="Largest media item, in bytes.")
    max_pixels: int = Field(_DEFAULT.pixels, gt=0, description="Largest picture, width x height.")
    max_frames: int = Field(_DEFAULT.frames, gt=0, description="Most frames of one video.")
    max_duration_s: float = Field(_DEFAULT.duration_s, gt=0, description="Longest video, in seconds.")
    inline_bytes: int = Field(
        8 * 1024 * 1024, ge=0, description="Videos over this many bytes become jobs; smaller ones are answered at once."
    )
    job_hours: float = Field(
        24.0, gt=0, description="How long a job's result can be fetched, in hours; kept in memory only."
    )
    backup_days: int | None = Field(
        None,
        ge=0,
        description="How many days you keep backups of databases and blobs: erasure certificates tell until when. Left out: they "
        "say that it is not known.",
    )
    master_key_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="Once somebody was erased, `serve` changes the region's master key when the last such change is so many days "
        "back, and destroys the old one: backups made before then open for nobody, so make one after each change. 0: never; "
        "`moretta master-keys change` does it by hand. Only where no other deployment shares the keys: it would lose its own.",
    )
    drill_interval_h: float = Field(
        24.0,
        ge=0,
        description="Hours between two erasure drills of `serve`: somebody made up is enrolled and erased, and the bytes of all "
        "stores are searched for them. 0: none.",
    )
    subject_origin: str | None = Field(
        None,
        description="Where subjects' own pages are reached from outside, such as `https://host`: passkeys are bound to "
        "its host. Left out: consent is signed with keys or on paper.",
    )
    callbacks: SecretStr | None = Field(
        None,
        description="Who is told of rights requests by signed messages: `NAME=https://host/path`, several with spaces between; "
        "`NAME@COMPANY=...` gets another company's than the operator's own. http only to 127.0.0.1 and ::1. Left out: nobody; "
        "messages wait.",
    )
    callback_ca_file: Path | None = Field(
        None, description="CA certificates (PEM) to trust for those addresses instead of the system's."
    )
    sign_font: Path | None = Field(
        None,
        description="A TrueType font for the sign that `moretta governance sign` prints, where its words go beyond Latin-1.",
    )
    camera_hosts: str = Field(
        "",
        description="Hosts and ports to which `/v1/streams` may connect, such as `10.0.0.7:554 cam.example:443`, several with "
        "spaces between. Left out: none. (`moretta watch` connects to whatever its own command or site file names.)",
    )
    camera_ca_file: Path | None = Field(
        None, description="CA certificates (PEM) to trust for cameras by TLS instead of the system's."
    )
    camera_dir: Path | None = Field(
        None,
        description="The folder beneath which `/v1/streams` may read recordings and folders of them. Left out: none are read.",
    )
    rate_per_minute: int = Field(600, ge=1, description="Calls one API key may make in a minute.")
    open_metrics: bool = Field(True, description="Whether `/metrics` answers without an API key.")
    allow_expression: bool = Field(
        False,
        description="Whether facial expression may be asked for, where no policy file says so. Off: emotion inference is "
        "restricted by law.",
    )
    company_id: str | None = Field(
        None,
        pattern=r"^co_[0-9a-f]{20}$",
        description="The id that the vendor's hub issued and usage records carry; left out: this deployment makes a random one.",
    )
    usage_report: Literal["off", "file", "hub"] = Field("off", description="Where usage counts are reported to.")
    usage_report_file: Path | None = Field(None, description="For `file`: signed batches are appended here.")
    usage_report_interval_s: float = Field(3600.0, gt=0, description="Seconds between two reports.")
    hub_url: str | None = Field(
        None,
        pattern=r"^https?://[^@\s?#]+$",  # no credentials: the whitepaper of a running service tells it to whoever asks
        description="For `hub`: the vendor's hub, https (http only to this machine).",
    )
    hub_key_file: Path | None = Field(None, description="The signing key that the hub issued, a file of mode 0600.")
    hub_ca_file: Path | None = Field(None, description="A CA certificate to trust for the hub instead of the system's.")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _refused(error) from None

    @property
    def limits(self) -> MediaLimits:
        """The limits within which media is read."""
        return MediaLimits(self.max_bytes, self.max_pixels, self.max_frames, self.max_duration_s)

    @property
    def media_dir(self) -> Path:
        """Where the demo clip is cached: beside the models."""
        return self.models_dir.parent / "media"


def _refused(error: ValidationError) -> RequestInvalid:
    issues = error.errors(include_input=False, include_url=False, include_context=False)
    wrong = tuple(FieldError(f"MORETTA_{str(issue['loc'][0]).upper()}", _told(str(issue["msg"]))) for issue in issues)
    told = "; ".join(f"{field.field}: {field.detail}" for field in wrong)
    return RequestInvalid(f"a setting cannot be used. {told}", field_errors=wrong)


def _told(message: str) -> str:
    return message[:1].lower() + message[1:]
