"""What a policy says: purposes, each with its lawful basis, its contexts, and what may be done under it.

Belongs here: the values of a policy and its canonical form. Does not belong here: deciding (see `policy`), files, law that no
policy can change (see `policy` as well).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from moretta.core.usage import canonical_json


class Action(StrEnum):
    """Everything that touches identity.

    `COLLECTION`: make or change a collection. `READ`: persons and records of their faces. `RECTIFY`: correct a person.
    `RESTRICT`: change whether a person may be compared. `DELETE`: persons, faces, collections. `EXPORT`: everybody of a
    collection. `REISSUE`: a new key over the same templates; `REENROL`: new templates from stored photos; `UPKEEP`: shares and
    packed forms. `COUNT`: statistics without identity. `WATCH_IDENTIFY`: identify people as they pass. The last three are named
    so that they can be refused by name: no policy allows them.
    """

    COLLECTION = "collection"
    ENROL = "enrol"
    IMPORT = "import"
    READ = "read"
    RECTIFY = "rectify"
    RESTRICT = "restrict"
    DELETE = "delete"
    VERIFY = "verify"
    COMPARE = "compare"
    SEARCH = "search"
    PHOTO = "photo"
    EXPORT = "export"
    REISSUE = "reissue"
    REENROL = "reenrol"
    UPKEEP = "upkeep"
    COUNT = "count"
    EXPRESSION = "expression"
    WATCH_IDENTIFY = "watch_identify"
    SCORE_CRIMINALITY = "score_criminality"
    SCRAPE = "scrape"
    CATEGORISE = "categorise_sensitive"


# Actions that make or use a biometric reference or probe to tell who somebody is: special categories of data (GDPR Art. 9(1)).
BIOMETRIC = frozenset(
    {Action.ENROL, Action.IMPORT, Action.VERIFY, Action.COMPARE, Action.SEARCH, Action.REENROL, Action.WATCH_IDENTIFY}
)
# What keeps something new about people: it needs a retention period and, where the purpose says so, a consent.
KEEPING = frozenset({Action.ENROL, Action.IMPORT})
# One to many: telling who somebody is among a gallery ("identification", Regulation (EU) 2024/1689, Art. 3(35)).
IDENTIFYING = frozenset({Action.SEARCH, Action.WATCH_IDENTIFY})
# No purpose is needed to hold less or to hold what is right: that is a right of the person (GDPR Art. 16-18); upkeep renews keys.
ALWAYS = frozenset({Action.DELETE, Action.RESTRICT, Action.RECTIFY, Action.UPKEEP})


class Context(StrEnum):
    """Where and among whom it happens."""

    ACCESS_CONTROL = "access_control"
    CLINIC = "clinic"
    EDUCATION = "education"
    EVENT = "event"
    LAW_ENFORCEMENT = "law_enforcement"
    OTHER = "other"
    PUBLIC_SPACE = "public_space"
    RETAIL = "retail"
    WORK = "work"


class Basis(StrEnum):
    """The lawful basis: GDPR Art. 6(1), by its letter."""

    CONSENT = "a"
    CONTRACT = "b"
    LEGAL_OBLIGATION = "c"
    VITAL_INTERESTS = "d"
    PUBLIC_TASK = "e"
    LEGITIMATE_INTERESTS = "f"


class Condition(StrEnum):
    """The condition under which special categories of data may be processed: GDPR Art. 9(2), by its letter."""

    EXPLICIT_CONSENT = "a"
    EMPLOYMENT_LAW = "b"
    VITAL_INTERESTS = "c"
    NON_PROFIT_BODY = "d"
    MADE_PUBLIC = "e"
    LEGAL_CLAIMS = "f"
    SUBSTANTIAL_PUBLIC_INTEREST = "g"
    HEALTH_CARE = "h"
    PUBLIC_HEALTH = "i"
    ARCHIVING_RESEARCH = "j"


class Output(StrEnum):
    """What may be given out or kept beside a decision: `BANDS` of similarity, `PHOTO`s of people."""

    BANDS = "bands"
    PHOTO = "photo"


class Minors(StrEnum):
    """Whether minors may be enrolled, by what the consent says about age (GDPR Art. 8).

    `ALLOWED`: age is not asked. `GUARDIAN`: a minor needs a guardian's consent. `REFUSED`: nobody but adults. With the last two
    an unknown age is refused.
    """

    ALLOWED = "allowed"
    GUARDIAN = "guardian"
    REFUSED = "refused"


# The name of the purpose that stands for every purpose that is not listed. A file cannot have one.
ANY = "*"


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose, by the name that collections bear, and what may be done under it.

    `regions`: where its collections may be; empty for every region of the deployment. `retention_days`: the longest time, None
    for no limit of the policy's own. `minors`: whether they may be enrolled; `adult_from`: the age in years from which somebody
    consents alone (GDPR Art. 8(1): 16, or from 13 where the state says so), as notices put it. `review`: how many persons must
    confirm a match before it counts (0, 1 or 2). `real_time`: whether people may be identified as they pass. `notices`: the ids
    of the notices, one for each language, of which a person must have consented to one; empty for whichever the collection
    shows. `recipients`: who else receives data, as categories or by name (GDPR Art. 13(1)(e)). `medical_or_safety`: the
    documented reason for reading expressions at work or in education (Regulation (EU) 2024/1689, Art. 5(1)(f)); empty for none.
    """

    name: str
    basis: Basis
    condition: Condition | None = None
    contexts: frozenset[Context] = frozenset()
    actions: frozenset[Action] = frozenset()
    retention_days: int | None = None
    regions: frozenset[str] = frozenset()
    outputs: frozenset[Output] = frozenset()
    consent_required: bool = True
    minors: Minors = Minors.ALLOWED
    adult_from: int = 16
    review: int = 0
    approval_required: bool = False
    real_time: bool = False
    notices: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    medical_or_safety: str = ""

    def fields(self) -> Mapping[str, object]:
        """The purpose as JSON."""
        return {
            "name": self.name,
            "basis": self.basis.value,
            "condition": None if self.condition is None else self.condition.value,
            "contexts": sorted(self.contexts),
            "actions": sorted(self.actions),
            "retention_days": self.retention_days,
            "regions": sorted(self.regions),
            "outputs": sorted(self.outputs),
            "consent_required": self.consent_required,
            "minors": self.minors.value,
            "adult_from": self.adult_from,
            "review": self.review,
            "approval_required": self.approval_required,
            "real_time": self.real_time,
            "notices": sorted(self.notices),
            "recipients": list(self.recipients),
            "medical_or_safety": self.medical_or_safety,
        }


@dataclass(frozen=True, slots=True)
class Controller:
    """Who decides on purposes and means (GDPR Art. 4(7)), as notices name them. `dpo`: the data protection officer."""

    name: str
    contact: str = ""
    dpo: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A controller's purposes. `version` is the operator's own word for it.

    `countries`: region and country of each (ISO 3166-1 alpha-2), where the operator says it.
    """

    controller: Controller
    purposes: tuple[Purpose, ...]
    version: str = ""
    countries: tuple[tuple[str, str], ...] = ()
    # Found once: each decision is logged with it.
    sha256: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(canonical_json(self.fields())).hexdigest())

    def fields(self) -> Mapping[str, object]:
        """The policy as JSON; `sha256` is that of its canonical form, so comments and the order of a file do not count."""
        controller = {"name": self.controller.name, "contact": self.controller.contact, "dpo": self.controller.dpo}
        purposes = sorted((purpose.fields() for purpose in self.purposes), key=lambda purpose: str(purpose["name"]))
        return {
            "controller": controller,
            "version": self.version,
            "countries": dict(sorted(self.countries)),
            "purposes": purposes,
        }

    def place(self, region: str) -> str:
        """A region with its country, such as `eu (DE)`; without one where nobody said it."""
        country = dict(self.countries).get(region)
        return region if country is None else f"{region} ({country})"

    def jurisdictions(self, regions: Iterable[str]) -> tuple[str, ...]:
        """The countries of these regions, as far as they are told."""
        known = dict(self.countries)
        return tuple(sorted({known[region] for region in regions if region in known}))

    def purpose(self, name: str) -> Purpose | None:
        """The purpose of that name, or the one that stands for all others where there is such."""
        listed = {purpose.name: purpose for purpose in self.purposes}
        return listed.get(name) or listed.get(ANY)
