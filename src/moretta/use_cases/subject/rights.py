"""`OwnRights` over `use_cases.rights`: what a person's own wish fulfils at once, and what waits for somebody's decision.

Belongs here: which is which. Does not belong here: how a right is fulfilled.

An objection waits: whether grounds override it is for whoever answers to decide (GDPR Art. 21(1)); meanwhile nothing is compared.
Everything else that a person wants for themself needs nobody's leave.
"""

import io

from moretta.core.erasure import ErasureStep, StoredCertificate
from moretta.core.errors import Conflict, NodeUnavailable, NotFound, PersonHeld, PolicyProhibited
from moretta.core.recognition import IdKind
from moretta.core.rights import RequestedBy, Right, RightsRequest
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.rights.facade import Rights

_TAKEN_BACK = "the person took back the restriction that they had asked for, on their own page"
# What keeps a request open without being the person's fault.
_LATER = (PersonHeld, PolicyProhibited, Conflict, NodeUnavailable)
_STOPPING = {Right.RESTRICTION, Right.OBJECTION}
_MOST = 500


class RightsOfOne:
    """As `OwnRights`. Safe for several threads."""

    def __init__(self, means: Means, rights: Rights) -> None:
        self._means, self._rights = means, rights

    def ask(
        self,
        company_id: str,
        person_id: str,
        right: Right,
        *,
        name: str | None = None,
        attributes: tuple[tuple[str, str], ...] | None = None,
        reason: str = "",
    ) -> RightsRequest:
        """As `OwnRights.ask`."""
        asked = self._rights.open(
            company_id, person_id, right, name=name, attributes=attributes, reason=reason, by=RequestedBy.SUBJECT
        )
        if right is Right.OBJECTION:
            return asked
        try:
            return self._rights.fulfil(company_id, asked.request_id)
        except _LATER:
            return self._rights.request(company_id, asked.request_id)

    def requests(self, company_id: str, person_id: str) -> list[RightsRequest]:
        """As `OwnRights.requests`."""
        found = self._rights.requests(company_id, _MOST, person_id=person_id)
        return sorted(found, key=lambda one: (one.received_at, one.request_id), reverse=True)

    def archive(self, company_id: str, person_id: str) -> bytes:
        """As `OwnRights.archive`."""
        asked = self._rights.open(company_id, person_id, Right.ACCESS, by=RequestedBy.SUBJECT)
        sink = io.BytesIO()
        self._rights.package(company_id, person_id, sink, request_id=asked.request_id)
        self._rights.fulfil(company_id, asked.request_id)
        return sink.getvalue()

    def lift_restriction(self, company_id: str, person_id: str) -> None:
        """As `OwnRights.lift_restriction`."""
        stopping = [one for one in self.requests(company_id, person_id) if one.right in _STOPPING]
        latest = stopping[0] if stopping else None
        own = latest is not None and latest.right is Right.RESTRICTION and latest.by is RequestedBy.SUBJECT
        region = self._means.home(person_id, IdKind.PERSON)
        ended = any(one.erasure_due for one in region.consents.of_person(company_id, person_id))
        if not own or ended:
            raise Conflict(
                "you did not ask for this restriction yourself, so it is not yours to lift; ask whoever set it"
            )
        self._rights.compare_again(company_id, person_id, _TAKEN_BACK)

    def certificate(self, company_id: str, person_id: str) -> StoredCertificate | None:
        """As `OwnRights.certificate`."""
        region = self._means.home(person_id, IdKind.PERSON)
        try:
            erasure = region.erasures.erasure_of(company_id, person_id)
        except NotFound:
            return None
        if erasure.step is not ErasureStep.CERTIFIED:
            return None
        return region.erasures.certificate(company_id, erasure.certificate_id)
