"""The governance documents of a running deployment, each made when it is asked for.

Belongs here: which facts go into which document. Does not belong here: text (templates), the layout of the sign (see `sign`).
"""

from dataclasses import dataclass

from moretta import __version__
from moretta.core.clock import to_second
from moretta.core.consent import Notice
from moretta.core.errors import RequestInvalid
from moretta.core.governance import SCHEMES, CollectionFacts
from moretta.core.policy import Basis, Condition, Controller
from moretta.core.purposes import IDENTIFYING, Context, Purpose
from moretta.core.recognition import IdKind
from moretta.core.retention import BIPA_DAYS, CountsFrom
from moretta.settings import Settings
from moretta.use_cases.recognition.means import Means
from moretta.wiring.governance.collecting import collection_facts, deployment_facts, named_controller
from moretta.wiring.governance.evidence import EVIDENCE, FRAMEWORKS
from moretta.wiring.governance.rendering import markdown, page, prose
from moretta.wiring.governance.sign import Sign, sign_pdf

BASES = {
    Basis.CONSENT: "consent (GDPR Art. 6(1)(a))",
    Basis.CONTRACT: "a contract (GDPR Art. 6(1)(b))",
    Basis.LEGAL_OBLIGATION: "a legal obligation (GDPR Art. 6(1)(c))",
    Basis.VITAL_INTERESTS: "vital interests (GDPR Art. 6(1)(d))",
    Basis.PUBLIC_TASK: "a public task (GDPR Art. 6(1)(e))",
    Basis.LEGITIMATE_INTERESTS: "legitimate interests (GDPR Art. 6(1)(f))",
}
CONDITIONS = {
    Condition.EXPLICIT_CONSENT: "explicit consent (GDPR Art. 9(2)(a))",
    Condition.EMPLOYMENT_LAW: "employment and social law (GDPR Art. 9(2)(b))",
    Condition.VITAL_INTERESTS: "vital interests (GDPR Art. 9(2)(c))",
    Condition.NON_PROFIT_BODY: "a non-profit body (GDPR Art. 9(2)(d))",
    Condition.MADE_PUBLIC: "data made public by the person (GDPR Art. 9(2)(e))",
    Condition.LEGAL_CLAIMS: "legal claims (GDPR Art. 9(2)(f))",
    Condition.SUBSTANTIAL_PUBLIC_INTEREST: "substantial public interest (GDPR Art. 9(2)(g))",
    Condition.HEALTH_CARE: "health care (GDPR Art. 9(2)(h))",
    Condition.PUBLIC_HEALTH: "public health (GDPR Art. 9(2)(i))",
    Condition.ARCHIVING_RESEARCH: "archiving or research (GDPR Art. 9(2)(j))",
}
_REMOTE = frozenset({Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT})
NOTICE_PATH = "/notices/"


@dataclass(frozen=True, slots=True)
class GovernanceDocuments:
    """Documents told from the configuration in force and from what was measured. Safe for threads.

    A company's documents tell of its own collections alone; the policy, the regions and the evidence map are the deployment's.
    """

    means: Means
    settings: Settings

    def ropa(self, company_id: str) -> str:
        """The records of processing activities (GDPR Art. 30(1)) as Markdown."""
        facts = deployment_facts(self.means, self.settings, company_id)
        return markdown("ropa.md", facts=facts, bases=BASES, conditions=CONDITIONS)

    def dpia(self, company_id: str) -> str:
        """A pre-filled impact assessment (GDPR Art. 35(7)) as Markdown; what people must add is listed at its end."""
        facts = deployment_facts(self.means, self.settings, company_id)
        return markdown(
            "dpia.md",
            facts=facts,
            bases=BASES,
            conditions=CONDITIONS,
            schemes=SCHEMES,
            remote=[purpose for purpose in facts.purposes if is_remote(purpose)],
            expected=expected_false_candidates,
        )

    def evidence(self) -> str:
        """The evidence map as Markdown."""
        return evidence_map(None if self.means.guard.policy.version == "" else self.means.guard.policy.version)

    def notice_page(self, notice_id: str) -> str:
        """The second-layer notice as HTML: the notice's own words and what the configuration says. Raises `NotFound`."""
        notice = self._published(notice_id)
        facts, policy = self._collection(notice), self.means.guard.policy
        return page(
            "notice.html",
            notice=notice,
            text=prose(notice.text),
            facts=facts,
            places=[policy.place(one) for one in (facts.collection.home, *sorted(facts.collection.replicas))],
            bases=BASES,
            conditions=CONDITIONS,
            controller=self._controller(),
            version=__version__,
        )

    def sign(self, company_id: str, notice_id: str) -> bytes:
        """The first-layer sign of a notice as PDF; its code leads to the page of the notice.

        Raises:
            NotFound: the company has no such notice.
            RequestInvalid: the settings do not name where pages for subjects are reached, or the words do not fit.
        """
        region = self.means.home(notice_id, IdKind.NOTICE)
        notice = region.consents.notice(company_id, notice_id)
        facts = self._collection(notice)
        return sign_pdf(sign_of(notice, facts, self._controller(), self.address(notice_id)), self.settings.sign_font)

    def address(self, notice_id: str) -> str:
        """Where the page of a notice is reached. Raises `RequestInvalid`: the settings do not say."""
        if self.settings.subject_origin is None:
            raise RequestInvalid(
                "expected MORETTA_SUBJECT_ORIGIN to name where people reach this service's pages: the sign's code leads there"
            )
        return self.settings.subject_origin.rstrip("/") + NOTICE_PATH + notice_id

    def _controller(self) -> Controller | None:
        return named_controller(self.means.guard.policy)

    def _published(self, notice_id: str) -> Notice:
        return self.means.home(notice_id, IdKind.NOTICE).facts.published(notice_id)

    def _collection(self, notice: Notice) -> CollectionFacts:
        region, collection = self.means.opened(notice.company_id, notice.collection_id)
        return collection_facts(self.means, region, collection)


def evidence_map(policy: str | None = None) -> str:
    """The evidence map of this release as Markdown."""
    return markdown("evidence.md", rows=EVIDENCE, frameworks=FRAMEWORKS, version=__version__, policy=policy)


def is_remote(purpose: Purpose) -> bool:
    """Whether people are identified at a distance under a purpose, among whoever comes by (Regulation (EU) 2024/1689, 3(41))."""
    return bool(purpose.contexts & _REMOTE and purpose.actions & IDENTIFYING)


def expected_false_candidates(facts: CollectionFacts) -> float:
    """How many of the enrolled a stranger is taken for in one search, on average: persons times the threshold's rate."""
    return facts.counts.persons * facts.collection.thresholds.fmr


def sign_of(notice: Notice, facts: CollectionFacts, controller: Controller | None, address: str) -> Sign:
    """What stands on the sign of a notice, from policy, notice and collection."""
    purpose = facts.purpose
    basis = "not stated in the policy" if purpose is None else BASES[purpose.basis]
    optional = purpose is not None and purpose.basis is Basis.CONSENT
    reached = "" if controller is None else " - ".join(one for one in (controller.contact, controller.dpo) if one)
    choice = (
        "Only people who agreed are enrolled. You may say no, and withdraw at any time; ask for another way in."
        if optional
        else "You may object, and ask a person to decide instead."
    )
    return Sign(
        title="Faces are recognised here",
        subtitle="A camera compares faces with those of enrolled people. No picture is kept of anybody who is not enrolled.",
        lines=[
            ("Who answers for it", notice.controller),
            *([("How to reach them", reached)] if reached else []),
            ("What for", notice.purpose),
            ("On what ground", basis),
            ("How long enrolled faces are kept", kept_in_words(facts)),
            ("Your choice", choice),
            (
                "Your rights",
                "Access, correction, erasure, restriction, objection, portability, and a complaint to the authority.",
            ),
            (
                "This sign",
                f"Notice {notice.notice_id}, version {notice.version} of {to_second(notice.created_at)[:10]}",
            ),
        ],
        address=address,
    )


def kept_in_words(facts: CollectionFacts) -> str:
    """How long people are kept, for those who are not lawyers."""
    days = BIPA_DAYS if facts.days is None or facts.days > BIPA_DAYS else facts.days
    if facts.days is None and not facts.rule.bipa:
        return "as long as the purpose lasts"
    from_then = (
        "you were enrolled"
        if facts.rule.counts_from is CountsFrom.ENROLMENT
        else "you were enrolled or last recognised"
    )
    if facts.rule.bipa and days == BIPA_DAYS:
        return "as long as the purpose lasts, and at most three years after you were enrolled or last recognised"
    return f"{facts.days} days after {from_then}"
