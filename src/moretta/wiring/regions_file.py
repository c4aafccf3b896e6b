"""The regions file: which regions a deployment has, and where each keeps its parts.

Belongs here: the form of the file, strictly, and errors that name the key and never its value (an address may hold a password).
Does not belong here: opening anything.

    default = "eu"
    certificates = "/etc/moretta/certificates"

    [regions.eu]
    database = "postgresql+psycopg://moretta@db.eu.internal/moretta"
    blobs = "s3://photos-eu/moretta"
    segments = "file:///srv/moretta/segments"
    keys = "tls:keyd.eu.internal:7301"
    node = "tls:node.eu.internal:7311"
    replicate_to = ["us"]

    [regions.us]
    node = "tls:node.us.internal:7311"

A region without a database is only a place for replicas.
"""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from moretta.core.errors import FieldError, RequestInvalid
from moretta.core.recognition import REGION
from moretta.keys.token import parse_token
from moretta.links.addresses import parse_address

LOCAL = "local"
EMBEDDED: Literal["embedded"] = "embedded"

_DATABASE = re.compile(r"(?:postgresql(?:\+psycopg)?://|sqlite:///).+")
_PASSWORD = re.compile(r"[a-z+]+://[^/@]*:[^/@]+@")
_BUCKET = re.compile(r"(?:s3|gs|az)://[^\s@]+")
_FOLDER = re.compile(r"file:(?://)?(?P<path>/.+)")


def folder_in(text: str) -> Path | None:
    """The folder that a `file:///...` text names; None where it is no such text."""
    found = _FOLDER.fullmatch(text)
    return Path(found["path"]) if found else None


def _region(text: str) -> str:
    if REGION.fullmatch(text) is None:
        raise ValueError("expected a region of at most 16 small letters and digits, such as eu")
    return text


def _database(text: str) -> str:
    if _DATABASE.fullmatch(text) is None:
        raise ValueError("expected postgresql+psycopg://... or sqlite:///PATH")
    return text


def _blobs(text: str) -> str:
    if folder_in(text) is None and _BUCKET.fullmatch(text) is None:
        raise ValueError(
            "expected file:///FOLDER, or a bucket such as s3://NAME/PREFIX; credentials come from the environment"
        )
    return text


def _folder(text: str) -> str:
    if folder_in(text) is None:
        raise ValueError("expected file:///FOLDER")
    return text


def _link(text: str) -> str:
    return _told_by(parse_address, text)


def _told_by(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except RequestInvalid as error:
        raise ValueError(error.detail) from None
    return text


def _keys(text: str) -> str:
    if text.startswith("pkcs11:"):
        _told_by(parse_token, text)
    elif folder_in(text) is None:
        try:
            _link(text)
        except ValueError:
            raise ValueError("expected file:///FOLDER, pkcs11:..., unix:/SOCKET or tls:HOST:PORT") from None
    return text


def _node(text: str) -> str:
    return text if text == EMBEDDED else _link(text)


RegionName = Annotated[str, AfterValidator(_region)]
Blobs = Annotated[str, AfterValidator(_blobs)]
Link = Annotated[str, AfterValidator(_link)]

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class RegionPlan(BaseModel):
    """Where one region keeps its parts; `database` and what belongs to it are None where it is only a place for replicas."""

    model_config = _STRICT

    database: Annotated[str, AfterValidator(_database)] | None = Field(None, repr=False)
    blobs: Blobs | None = None
    segments: Blobs | None = None
    keys: Annotated[str, AfterValidator(_keys)] | None = None
    gallery_keys: Annotated[str, AfterValidator(_folder)] | None = None
    node: Annotated[str, AfterValidator(_node)] = EMBEDDED
    parties: list[Link] = Field(default_factory=list)
    replicate_to: list[RegionName] = Field(default_factory=list)
    node_timeout_s: float = Field(5.0, gt=0, le=600)

    @property
    def is_home(self) -> bool:
        """Whether collections may be at home here."""
        return self.database is not None

    @property
    def keys_over_a_link(self) -> bool:
        """Whether a `moretta keyd` holds the keys."""
        return self.keys is not None and self.keys.startswith(("unix:", "tls:"))

    def links(self) -> list[str]:
        """Every address of another process that it names."""
        node = [] if self.node == EMBEDDED else [self.node]
        return [*node, *self.parties, *([self.keys] if self.keys is not None and self.keys_over_a_link else [])]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = {"blobs": self.blobs, "segments": self.segments, "keys": self.keys}
        missing = [name for name, value in parts.items() if value is None]
        named = [name for name in (*parts, "gallery_keys", "parties", "replicate_to") if getattr(self, name)]
        if self.is_home and missing:
            raise ValueError(f"expected {', '.join(missing)} beside database")
        if self.is_home and not self.keys_over_a_link and self.gallery_keys is None:
            raise ValueError("expected gallery_keys, a folder, where keys are not held by another process")
        if not self.is_home and named:
            raise ValueError(f"expected database beside {', '.join(named)}; without one a region only holds replicas")
        if self.parties and len(self.parties) != 3:
            raise ValueError(f"expected three parties, got {len(self.parties)}")
        return self


class RegionsPlan(BaseModel):
    """All regions of a deployment. `certificates` is the folder from which `serve` takes its own, for `tls:` addresses."""

    model_config = _STRICT

    default: RegionName
    regions: dict[RegionName, RegionPlan]
    certificates: Annotated[str, AfterValidator(_folder)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        default = self.regions.get(self.default)
        if default is None or not default.is_home:
            raise ValueError("expected default to name a region that has a database")
        for name, region in self.regions.items():
            unknown = sorted(set(region.replicate_to) - set(self.regions))
            if unknown:
                raise ValueError(f"expected regions.{name}.replicate_to to name regions of this file, got others")
            if name in region.replicate_to:
                raise ValueError(f"expected regions.{name}.replicate_to to name other regions, got its own")
            if self.certificates is None and any(link.startswith("tls:") for link in region.links()):
                raise ValueError(f"expected certificates, a folder, since regions.{name} is reached by tls:")
        return self

    def homes(self) -> tuple[str, ...]:
        """The regions that have a database, the default one first."""
        others = sorted(name for name, region in self.regions.items() if region.is_home and name != self.default)
        return (self.default, *others)


def read_regions(path: Path) -> RegionsPlan:
    """The plan in a regions file.

    Raises:
        RequestInvalid: it cannot be read, is no TOML, or has another form; the message names the key, never a value.
    """
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, tomllib.load(file)
    except OSError as error:
        raise RequestInvalid(f"the regions file cannot be read: {error.strerror}; check MORETTA_REGIONS_FILE") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # What the parser says quotes the line, and a line may hold a password.
        raise RequestInvalid("the regions file is no TOML; check quotes and brackets") from None
    if isinstance(content.get("certificates"), str) and content["certificates"].startswith("/"):
        content["certificates"] = f"file://{content['certificates']}"
    try:
        plan = RegionsPlan.model_validate(content)
    except ValidationError as error:
        raise _refused(error) from None
    if mode & 0o077 and any(_PASSWORD.match(region.database or "") for region in plan.regions.values()):
        raise RequestInvalid("the regions file holds a password, and others can read it: `chmod 600` mends it")
    return plan


def local_plan(data_dir: Path) -> RegionsPlan:
    """One region in one folder: what a deployment without a regions file has."""
    root = data_dir.absolute()
    region = RegionPlan(
        database=f"sqlite:///{root / 'moretta.db'}",
        blobs=f"file://{root / 'blobs'}",
        segments=f"file://{root / 'segments'}",
        keys=f"file://{root / 'keys'}",
        gallery_keys=f"file://{root / 'gallery-keys'}",
    )
    return RegionsPlan(default=LOCAL, regions={LOCAL: region})


def _refused(error: ValidationError) -> RequestInvalid:
    issues = error.errors(include_input=False, include_url=False, include_context=False)
    wrong = tuple(
        FieldError(".".join(str(part) for part in issue["loc"] if part != "[key]") or "the file", _told(issue["msg"]))
        for issue in issues
    )
    told = "; ".join(f"{field.field}: {field.detail}" for field in wrong)
    return RequestInvalid(f"the regions file cannot be used. {told}", field_errors=wrong)


def _told(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
