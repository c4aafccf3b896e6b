"""The one object through which doors reach consent.

Belongs here: what can be asked, in one place. Does not belong here: how any of it is done (the modules beside this one), HTTP,
terminals, and who may ask what: a door knows its caller's company and hands it in.
"""

from moretta.core.consent import Consent, ConsentState, Notice, Receipt, WithdrawnBy
from moretta.core.recognition import IdKind
from moretta.use_cases.consent import challenges, end, give, notices, receipts
from moretta.use_cases.consent.challenges import Asked
from moretta.use_cases.consent.end import Ended, Swept
from moretta.use_cases.consent.give import Agreement
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.recognition.collections import require_page


class Consents:
    """Notices, and the consents that rest on them. Safe for several threads.

    What is not the company's own is not there: `NotFound`. Every method may raise `StorageUnusable` where a part of the
    deployment is down.
    """

    def __init__(self, means: ConsentMeans) -> None:
        self._means = means

    def add_notice(self, company_id: str, collection_id: str, *, language: str, controller: str, text: str) -> Notice:
        """What the collection shows in that language from now on: a new version, or the present one where nothing changes.

        Raises:
            RequestInvalid: a value does not fit.
        """
        return notices.add(self._means, company_id, collection_id, language, controller, text)

    def notice(self, company_id: str, notice_id: str, version: int | None = None) -> Notice:
        """That version of a notice, or the newest."""
        return notices.notice(self._means, company_id, notice_id, version)

    def notices(
        self,
        company_id: str,
        limit: int = 50,
        after: str | None = None,
        *,
        collection_id: str | None = None,
        region: str | None = None,
    ) -> list[Notice]:
        """The newest version of each notice of a region (of one collection): at most `limit`, from after the id `after`."""
        return notices.listed(self._means, company_id, limit, after, collection_id, region)

    def shown(self, company_id: str, collection_id: str) -> list[Notice]:
        """What a collection shows: the newest version in each language, in the order of the languages."""
        return notices.shown(self._means, company_id, collection_id)

    def challenge(
        self, company_id: str, collection_id: str, notice_sha256: str, *, person_id: str | None = None
    ) -> Asked:
        """What a subject signs, once and within five minutes, to agree to the notice; `person_id`: of somebody known already.

        Raises:
            NoticeChanged: the collection shows another notice.
            PolicyProhibited: nobody may be enrolled, whether or not they consent.
        """
        return challenges.ask(self._means, company_id, collection_id, notice_sha256, person_id)

    def give(self, company_id: str, agreement: Agreement) -> Consent:
        """Record a consent and, where it is somebody new, make the person, to whom photos can be enrolled then.

        Raises:
            NoticeChanged: the collection shows another notice than the one agreed to.
            ChallengeUsed, ChallengeExpired: answered before, or too late.
            SubjectMismatch: the challenge, the key or the passkey is another person's.
            SignatureRejected: the signature does not hold.
            AgeUnknown, GuardianRequired: the policy asks for what was not said.
            PolicyProhibited: nobody may be enrolled, whether or not they consent.
            PersonErased, ConsentWithdrawn: the person was, or is about to be, erased.
        """
        return give.give(self._means, company_id, agreement)

    def refuse(
        self, company_id: str, collection_id: str, notice_sha256: str, *, person_id: str | None = None
    ) -> Consent:
        """Record that somebody refused. Nothing is kept of who is not a person of the collection yet."""
        return give.refuse(self._means, company_id, collection_id, notice_sha256, person_id)

    def withdraw(self, company_id: str, consent_id: str, *, by: WithdrawnBy = WithdrawnBy.OPERATOR) -> Ended:
        """End a consent and erase the person, unless another valid consent of theirs carries them. Idempotent.

        Raises:
            Conflict: it is a refusal.
        """
        return end.withdraw(self._means, company_id, consent_id, by)

    def withdraw_all(self, company_id: str, person_id: str, *, by: WithdrawnBy = WithdrawnBy.OPERATOR) -> list[Ended]:
        """End every consent of a person and erase them; none: there was nothing to withdraw."""
        return end.withdraw_all(self._means, company_id, person_id, by)

    def sweep(self) -> Swept:
        """End consents whose time is over, erase what rested on them, and finish erasures that are due."""
        return end.sweep(self._means)

    def consent(self, company_id: str, consent_id: str) -> Consent:
        """The consent, with its details as long as the person is there."""
        return self._means.home(consent_id, IdKind.CONSENT).consents.consent(company_id, consent_id)

    def consents(
        self,
        company_id: str,
        limit: int = 50,
        after: str | None = None,
        *,
        collection_id: str | None = None,
        person_id: str | None = None,
        region: str | None = None,
    ) -> list[Consent]:
        """Consents of a region (of one collection, of one person): at most `limit`, from after the id `after`."""
        require_page(limit)
        if person_id is not None:
            found = self._means.home(person_id, IdKind.PERSON)
        else:
            found = notices.region_of_list(self._means, after, IdKind.CONSENT, collection_id, region)
        return found.consents.consents(company_id, limit, after, collection_id=collection_id, person_id=person_id)

    def receipt(self, company_id: str, consent_id: str, event: ConsentState | None = None) -> Receipt:
        """What proves that event of a consent, or its newest one: signed, with its place in the log.

        Raises:
            PersonErased: the person's own part of it is gone with them; the receipt of its end can still be had.
        """
        return receipts.receipt(self._means.recognition, self._means.log_proof, company_id, consent_id, event)
