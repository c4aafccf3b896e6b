"""Whether a policy makes sense: what no policy may say, and what its author should know.

Belongs here: pure checks over a whole policy. Does not belong here: the form of a file (see `wiring.policy_file`), deciding about
a situation (see `policy`), whether a purpose is lawful (a person's to say).
"""

from collections import Counter

from moretta.core.purposes import (
    ANY,
    BIOMETRIC,
    IDENTIFYING,
    KEEPING,
    Action,
    Basis,
    Condition,
    Context,
    Output,
    Policy,
    Purpose,
)

NEVER = frozenset({Action.SCORE_CRIMINALITY, Action.SCRAPE, Action.CATEGORISE})


def faults(policy: Policy) -> tuple[str, ...]:
    """Why the policy cannot be used, in words; empty where it can."""
    names = Counter(purpose.name for purpose in policy.purposes)
    found = [f"purpose {name!r} is listed {count} times: list it once" for name, count in names.items() if count > 1]
    if not policy.controller.name.strip():
        found.append("name the controller: notices and records must (GDPR Art. 13(1)(a))")
    for purpose in policy.purposes:
        found += [f"purpose {purpose.name!r}: {fault}" for fault in _faults(purpose)]
    return tuple(found)


def notes(policy: Policy) -> tuple[str, ...]:
    """What is allowed and its author should know, in words."""
    return tuple(f"purpose {purpose.name!r}: {note}" for purpose in policy.purposes for note in _notes(purpose))


def _faults(purpose: Purpose) -> list[str]:
    biometric = purpose.actions & BIOMETRIC
    rules = (
        (
            purpose.name == ANY,
            "a file names its purposes one by one: personal data serve specified ones (GDPR Art. 5(1)(b))",
        ),
        (not purpose.contexts, "name its contexts: without one, nothing is allowed"),
        (
            bool(purpose.actions & NEVER),
            f"{', '.join(sorted(purpose.actions & NEVER))}: Regulation (EU) 2024/1689, Art. 5(1) prohibits it, and no policy "
            "can allow it",
        ),
        (
            bool(biometric) and purpose.condition is None,
            "name the condition under which it may process biometric data (GDPR Art. 9(2), `condition`)",
        ),
        (
            bool(biometric & KEEPING) and purpose.retention_days is None,
            "say how long people are kept (`retention_days`; GDPR Art. 5(1)(e))",
        ),
        (
            bool(biometric & KEEPING) and _rests_on_consent(purpose) and not purpose.consent_required,
            "it rests on consent, so it needs `consent_required = true` (GDPR Art. 7(1))",
        ),
        (
            Action.PHOTO in purpose.actions and Output.PHOTO not in purpose.outputs,
            "it allows the action photo, so list photo in its outputs, or leave both out",
        ),
        (
            bool(purpose.notices) and not purpose.consent_required,
            "it names the notices that people consent to, so it needs `consent_required = true`",
        ),
        (not 13 <= purpose.adult_from <= 21, "expected `adult_from` between 13 (GDPR Art. 8(1)) and 21"),
        (not 0 <= purpose.review <= 2, "expected `review` of 0, 1 or 2 persons"),
        (
            purpose.retention_days is not None and not 1 <= purpose.retention_days <= 36_500,
            "expected `retention_days` between 1 and 36,500",
        ),
    )
    return [fault for broken, fault in rules if broken]


def _notes(purpose: Purpose) -> list[str]:
    remote = purpose.contexts & {Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT}
    rules = (
        (
            bool(remote and purpose.actions & IDENTIFYING),
            "searches here wait for an approval on record and for two persons who confirm each match",
        ),
        (
            Action.WATCH_IDENTIFY in purpose.actions and not purpose.real_time,
            "watch_identify stays refused: `real_time` is not true",
        ),
        (
            Context.LAW_ENFORCEMENT in purpose.contexts and Action.WATCH_IDENTIFY in purpose.actions,
            "watch_identify stays refused in law enforcement, whatever is set (Regulation (EU) 2024/1689, Art. 5(1)(h))",
        ),
        (
            Action.EXPRESSION in purpose.actions
            and bool(purpose.contexts & {Context.WORK, Context.EDUCATION})
            and not purpose.medical_or_safety.strip(),
            "expression stays refused at work and in education without a medical or safety reason",
        ),
        (
            Context.WORK in purpose.contexts and _rests_on_consent(purpose),
            "employees can rarely refuse freely: consent may not hold (EDPB Guidelines 05/2020, 21)",
        ),
        (
            purpose.retention_days is not None and purpose.retention_days > 3 * 365 and bool(purpose.actions & KEEPING),
            "over three years: BIPA Sec. 15(a) asks for destruction within three years of the last interaction",
        ),
        (
            Action.EXPORT in purpose.actions,
            "everybody of a collection may be exported at once; one person's data are given out without it",
        ),
    )
    return [note for holds, note in rules if holds]


def _rests_on_consent(purpose: Purpose) -> bool:
    return purpose.basis is Basis.CONSENT or purpose.condition is Condition.EXPLICIT_CONSENT
