"""The policy file: a controller's purposes, and decisions that its author expects.

Belongs here: the form of the file, strictly, and errors that name the key. Does not belong here: deciding (see `core.policy`).

    version = "2025-01"

    [controller]
    name = "Example Ltd"
    contact = "privacy@example.com"

    [countries]
    eu = "DE"

    [[purposes]]
    name = "access control"
    basis = "a"
    condition = "a"
    contexts = ["access_control"]
    actions = ["collection", "enrol", "read", "verify"]
    retention_days = 365

    [[expect]]
    action = "search"
    purpose = "access control"
    decision = "deny"
"""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moretta.core.consent import Age
from moretta.core.errors import FieldError, NotFound, RequestInvalid
from moretta.core.policy import (
    Action,
    Allow,
    Basis,
    Condition,
    Context,
    Controller,
    Minors,
    Output,
    Policy,
    Purpose,
    Situation,
    decide,
)
from moretta.core.policy_soundness import faults

PRESETS = ("access-control", "checkout", "clinic", "event", "retail-statistics")
# A policy of a hundred purposes has about 50 kB.
MAX_BYTES = 1 << 20

_Words = Annotated[str, Field(min_length=1, max_length=500)]
_Region = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,15}$")]
# ISO 3166-1 alpha-2.
_Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Controller(_Strict):
    name: _Words
    contact: Annotated[str, Field(max_length=500)] = ""
    dpo: Annotated[str, Field(max_length=500)] = ""


class _Purpose(_Strict):
    name: _Words
    basis: Basis
    condition: Condition | None = None
    contexts: frozenset[Context]
    actions: frozenset[Action]
    retention_days: int | None = Field(None, strict=True)
    regions: frozenset[_Region] = frozenset()
    outputs: frozenset[Output] = frozenset()
    consent_required: bool = Field(True, strict=True)
    minors: Minors = Minors.ALLOWED
    adult_from: int = Field(16, strict=True)
    review: int = Field(0, strict=True)
    approval_required: bool = Field(False, strict=True)
    real_time: bool = Field(False, strict=True)
    notices: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field((), max_length=100)
    recipients: tuple[_Words, ...] = Field((), max_length=100)
    medical_or_safety: Annotated[str, Field(max_length=1000)] = ""


class _Expect(_Strict):
    action: Action
    purpose: _Words | None = None
    named: _Words | None = None
    context: Context | None = None
    regions: frozenset[str] = frozenset()
    retention_days: int | None = Field(None, strict=True)
    outputs: frozenset[Output] = frozenset()
    consent: bool = Field(False, strict=True)
    guardian: bool = Field(False, strict=True)
    age: Age = Age.UNKNOWN
    approved: bool = Field(False, strict=True)
    sourced: bool = Field(False, strict=True)
    real_time: bool = Field(False, strict=True)
    decision: Literal["allow", "deny"]
    code: str | None = None
    review: int | None = Field(None, strict=True)


class _File(_Strict):
    version: Annotated[str, Field(max_length=100)] = ""
    controller: _Controller
    countries: dict[_Region, _Country] = Field(default_factory=dict, max_length=1000)
    purposes: list[_Purpose] = Field(max_length=1000)
    expect: list[_Expect] = Field(default_factory=list, max_length=100_000)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A decision that the file's author expects. `code` and `review` are not looked at where they are None."""

    situation: Situation
    allowed: bool
    code: str | None = None
    review: int | None = None

    def difference(self, policy: Policy) -> str | None:
        """What is decided instead, in words; None where it is as expected."""
        decision = decide(policy, self.situation)
        if isinstance(decision, Allow):
            if not self.allowed:
                return "expected deny, got allow"
            if self.review not in (None, decision.review):
                return f"expected review {self.review}, got review {decision.review}"
            return None
        if self.allowed:
            return f"expected allow, got deny ({decision.code}, {decision.legal_ref})"
        if self.code not in (None, decision.code):
            return f"expected deny with {self.code}, got deny with {decision.code}"
        return None


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file that can be used."""

    policy: Policy
    expectations: tuple[Expectation, ...] = ()


def read_policy(path: Path) -> PolicyFile:
    """The policy in a file.

    Raises:
        NotFound: there is no readable file.
        RequestInvalid: it is no TOML, has another form, or says what no policy may; the message names the keys.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"expected a readable policy file: {error.strerror or 'it cannot be read'}") from None
    if len(content) > MAX_BYTES:
        raise RequestInvalid(f"expected a policy file of at most {MAX_BYTES} bytes")
    return parse_policy(content)


def preset_text(name: str) -> str:
    """The text of a preset, to begin a policy file with. Raises `NotFound`."""
    if name not in PRESETS:
        raise NotFound(f"expected a preset out of {', '.join(PRESETS)}")
    return (resources.files("moretta") / "policies" / f"{name}.toml").read_text("utf-8")


def parse_policy(content: bytes) -> PolicyFile:
    """The policy in the text of a file; raises as `read_policy`."""
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise RequestInvalid(f"expected a policy file in TOML{where}") from None
    try:
        form = _File.model_validate(raw)
    except (ValidationError, RecursionError) as error:
        raise _malformed(error) from None
    policy = Policy(
        Controller(form.controller.name, form.controller.contact, form.controller.dpo),
        tuple(Purpose(**{name: getattr(one, name) for name in type(one).model_fields}) for one in form.purposes),
        form.version,
        tuple(sorted(form.countries.items())),
    )
    wrong = faults(policy)
    if wrong:
        told = tuple(FieldError("policy", fault) for fault in wrong)
        raise RequestInvalid(f"the policy cannot be used. {'; '.join(wrong)}", field_errors=told)
    return PolicyFile(policy, tuple(_expectation(one) for one in form.expect))


def _expectation(form: _Expect) -> Expectation:
    outside = {"decision", "code", "review"}
    given = {name: getattr(form, name) for name in type(form).model_fields if name not in outside}
    return Expectation(Situation(**given), form.decision == "allow", form.code, form.review)


def _malformed(error: ValidationError | RecursionError) -> RequestInvalid:
    if isinstance(error, RecursionError):
        return RequestInvalid("expected a policy file of few levels")
    issues = error.errors(include_input=False, include_url=False, include_context=False)[:20]
    told = tuple(FieldError(".".join(str(part) for part in one["loc"])[:200], str(one["msg"])[:300]) for one in issues)
    words = "; ".join(f"{one.field}: {one.detail}" for one in told)
    return RequestInvalid(f"the policy file has another form than expected. {words}", field_errors=told)
