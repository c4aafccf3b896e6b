"""Drafts of notices about a breach, filled from the register; what is not known is said to be missing.

Belongs here: the text. Does not belong here: sending it: a person reads, finishes and sends it.

Sources: GDPR Art. 33(3)(a)-(d) and (1) for the authority, Art. 34(2) for the subjects, in plain words.
"""

from dataclasses import dataclass
from datetime import datetime

from moretta.core.clock import to_second
from moretta.core.incidents import BreachKind, Incident, Risk
from moretta.core.purposes import Controller

MISSING = "[missing: {}]"
_HAPPENED = {
    BreachKind.CONFIDENTIALITY: "were seen, or could be seen, by somebody who had no right to",
    BreachKind.INTEGRITY: "were changed without permission",
    BreachKind.AVAILABILITY: "were lost, or could not be reached",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter as Markdown, and what is still missing in it, in words."""

    text: str
    missing: tuple[str, ...]


class _Gaps:
    """Fills in values and notes the ones that are not known."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def known(self, value: str, what: str) -> str:
        """`value`, or where it is blank a gap to fill in, named `what`."""
        if value.strip():
            return value.strip()
        self.found.append(what)
        return MISSING.format(what)


def authority_draft(incident: Incident, controller: Controller, now: datetime) -> Draft:
    """The notification to the supervisory authority."""
    gaps = _Gaps()
    people = "" if incident.people is None else str(incident.people)
    late = incident.authority_notified_at is None and now > incident.due_at
    sections = [
        "# Notification of a personal data breach (GDPR Art. 33)",
        f"Register entry {incident.incident_id}, revision {incident.revision}. Draft for a person to check, finish and send.",
        "## Controller and contact (Art. 33(3)(b))",
        f"{_named(controller, gaps)}. Data protection officer or contact point: "
        f"{gaps.known(controller.dpo or controller.contact, 'a contact point (policy: controller.dpo or contact)')}",
        "## When",
        f"Aware since {to_second(incident.noticed_at)}; the 72 hours end {to_second(incident.due_at)}. It happened "
        f"{_when(incident, gaps)}.",
        "## Nature of the breach (Art. 33(3)(a))",
        incident.what,
        f"Kind: {', '.join(sorted(incident.kinds))}. Categories of data: "
        f"{gaps.known(', '.join(incident.data_categories), 'the categories of data')}. People: approximately "
        f"{gaps.known(people, 'the approximate number of people')}, enrolled for recognition of faces (special categories of "
        "data, Art. 9(1)).",
        "## Likely consequences (Art. 33(3)(c))",
        gaps.known(incident.consequences, "the likely consequences"),
        "## Measures taken or proposed (Art. 33(3)(d))",
        gaps.known(incident.measures, "the measures"),
        "## Risk",
        gaps.known("" if incident.risk is Risk.NOT_ASSESSED else incident.risk.value, "the assessment of the risk"),
    ]
    if late or incident.delay_reason:
        sections += [
            "## Reasons for the delay (Art. 33(1))",
            gaps.known(incident.delay_reason, "the reasons for the delay"),
        ]
    return Draft("\n\n".join(sections) + "\n", tuple(gaps.found))


def subjects_draft(incident: Incident, controller: Controller) -> Draft:
    """The communication to the people whom the breach met, in plain words."""
    gaps = _Gaps()
    happened = " and ".join(_HAPPENED[kind] for kind in sorted(incident.kinds))
    contact = gaps.known(controller.dpo or controller.contact, "a contact point (policy: controller.dpo or contact)")
    sections = [
        "# About your data",
        f"{_named(controller, gaps)} holds data about you for recognition of your face. Some of these data {happened}. We write "
        "to you because this may matter to you (GDPR Art. 34).",
        "## What happened",
        gaps.known(
            "", "what happened in plain words for the people concerned (the register's text is the operator's own)"
        ),
        f"It happened {_when(incident, gaps)}. We have known of it since {to_second(incident.noticed_at)}.",
        "## Which data",
        gaps.known(", ".join(incident.data_categories), "the categories of data"),
        "## What it may mean for you",
        gaps.known(incident.consequences, "the likely consequences"),
        "## What we have done, and what you can do",
        gaps.known(incident.measures, "the measures, and advice to the people concerned"),
        "## Whom to ask",
        f"{contact}. You may withdraw your consent, ask what is held of you, or have it erased, at any time.",
    ]
    return Draft("\n\n".join(sections) + "\n", tuple(gaps.found))


def _named(controller: Controller, gaps: _Gaps) -> str:
    # The built-in policy names nobody.
    name = "" if controller.name == "not named yet" else controller.name
    return gaps.known(name, "the controller's name (policy: controller.name)")


def _when(incident: Incident, gaps: _Gaps) -> str:
    began = gaps.known("" if incident.began_at is None else to_second(incident.began_at), "when it began")
    if incident.ended_at is None:
        return f"from {began} on"
    return f"from {began} to {to_second(incident.ended_at)}"
