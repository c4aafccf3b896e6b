"""The one object through which doors reach people's own pages.

Belongs here: what can be asked, in one place. Does not belong here: how any of it is done (the modules beside this one), HTTP.
"""

from collections.abc import Sequence
from datetime import timedelta

from moretta.core.audit import SearchAbout
from moretta.core.consent import Consent, Receipt
from moretta.core.rights import Right, RightsRequest
from moretta.core.subject_access import IssuedLink
from moretta.use_cases.consent.challenges import Asked
from moretta.use_cases.consent.end import Ended
from moretta.use_cases.consent.give import Agreement
from moretta.use_cases.subject import access, own
from moretta.use_cases.subject.access import Visit
from moretta.use_cases.subject.means import SubjectMeans
from moretta.use_cases.subject.own import About, Certified, PublishedKey

SEARCHES_A_PAGE = 50


class OwnPages:
    """Links to people's own pages, and what people do there. Safe for several threads.

    Whatever takes a `Visit` is about the person of that visit and nobody else; once they are erased it raises `PersonErased`, but
    for `certificate` and `requests`.
    """

    def __init__(self, means: SubjectMeans) -> None:
        self._means = means

    def make_link(self, company_id: str, person_id: str, *, made_by: str, life: timedelta | None = None) -> IssuedLink:
        """A link to a person's own pages with a one-time code, good for a week or as long as `life` says.

        Raises:
            NotFound, PersonErased: there is no such person.
            RequestInvalid: a life under a minute or over 30 days.
            RateLimited: five were made for this person within a day.
        """
        return access.make_link(self._means, company_id, person_id, made_by, life)

    def enter(self, link_id: str, code: str) -> Visit:
        """A new visit of the person for whom the link was made; the code is used up.

        Raises:
            CodeRejected: no such link, another code, or too many wrong ones before.
            CodeUsed, CodeExpired: the right code, too late.
            RateLimited: too many tries.
        """
        return access.enter(self._means, link_id, code)

    def visit(self, cookie: str | None) -> Visit:
        """The visit that a browser's cookie stands for.

        Raises:
            SessionEnded: none, or it is over.
            RateLimited: too many pages at once.
        """
        return access.visit(self._means, cookie)

    def leave(self, visit: Visit) -> None:
        """End a visit."""
        access.leave(self._means, visit)

    def about(self, visit: Visit) -> About:
        """What is held of the person."""
        return own.about(self._means, visit)

    def searches(self, visit: Visit, before: int | None = None) -> list[SearchAbout]:
        """Acts that compared the person, `SEARCHES_A_PAGE` at most, the latest first, from before that index of the log."""
        return own.searches(self._means, visit, SEARCHES_A_PAGE, before)

    def photo(self, visit: Visit, face_id: str) -> bytes:
        """The stored photo of one of the person's faces; that it was viewed is logged. Raises `NotFound`."""
        return own.photo(self._means, visit, face_id)

    def ask_consent(self, visit: Visit, notice_sha256: str) -> Asked:
        """What the person signs to consent. Raises as `Consents.challenge`."""
        return own.ask_consent(self._means, visit, notice_sha256)

    def give(self, visit: Visit, agreement: Agreement) -> Consent:
        """Record a consent of the person; of the agreement, collection and person are the visit's. Raises as `Consents.give`."""
        return own.give(self._means, visit, agreement)

    def refuse(self, visit: Visit, notice_sha256: str) -> Consent:
        """Record that the person refused."""
        return own.refuse(self._means, visit, notice_sha256)

    def withdraw(self, visit: Visit) -> list[Ended]:
        """Withdraw every consent of the person, and erase them; none: there was nothing to withdraw."""
        return own.withdraw(self._means, visit)

    def receipt(self, visit: Visit, consent_id: str) -> Receipt:
        """The receipt of a consent of the person. Raises `NotFound` where it is not theirs."""
        return own.receipt(self._means, visit, consent_id)

    def requests(self, visit: Visit) -> list[RightsRequest]:
        """The person's requests, the newest first."""
        return self._means.rights.requests(visit.company_id, visit.person_id)

    def correct(self, visit: Visit, name: str, attributes: Sequence[tuple[str, str]]) -> RightsRequest | None:
        """Ask for name and attributes to be as given; None where they are. An empty attribute is to be removed."""
        return own.correct(self._means, visit, name, attributes)

    def ask(self, visit: Visit, right: Right, reason: str = "") -> RightsRequest:
        """Use a right that needs no more words than a reason. Raises as `OwnRights.ask`."""
        return own.ask(self._means, visit, right, reason)

    def lift_restriction(self, visit: Visit) -> None:
        """Take back a restriction; does nothing where there is none. Raises `Conflict` where it is not the person's own."""
        own.lift_restriction(self._means, visit)

    def archive(self, visit: Visit) -> bytes:
        """Everything that is held of the person, as a signed ZIP."""
        return own.archive(self._means, visit)

    def keys(self, visit: Visit) -> list[PublishedKey]:
        """The public keys that sign what is proved to the person, the present one first; also for who was erased."""
        return own.keys(self._means, visit)

    def certificate(self, visit: Visit) -> Certified | None:
        """The certificate of the person's erasure; None while it is being made. Raises `NotFound` where they are there."""
        return own.certificate(self._means, visit)
