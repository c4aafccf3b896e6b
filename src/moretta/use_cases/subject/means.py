"""What people's own pages work with, and the port through which they use their rights.

Belongs here: the parts, bundled. Does not belong here: any use of them.
"""

from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.erasure import StoredCertificate
from moretta.core.rights import Right, RightsRequest
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.recognition.brakes import Rate, TokenBuckets
from moretta.use_cases.recognition.means import Means, Region

# Somebody who reads a code from paper errs a few times; then one try every ten seconds.
PER_LINK = Rate(5, 10.0)
# All codes of a process together: a hundred people who were told at once, and no more than two tries a second after.
ALL_LINKS = Rate(100, 0.5)
# A page holds a stylesheet, a script and a photo or two.
PER_SESSION = Rate(60, 0.5)


class OwnRights(Protocol):
    """A person's rights, used by the person themself. Whose they are the session says, never a request."""

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
        """Record that the person uses a right, and do at once what needs nobody's decision; how the request stands then.

        It is open still where a decision is needed, or where something (a legal hold, a node that is down) keeps it from being
        done now. `name` and `attributes`, all of them, are as they should be; None leaves them.

        Raises:
            PersonErased: there is nobody any more.
            RequestInvalid: a wish or reason does not fit.
        """

    def requests(self, company_id: str, person_id: str) -> list[RightsRequest]:
        """The person's requests, the newest first; also of one who was erased."""

    def archive(self, company_id: str, person_id: str) -> bytes:
        """Everything that is held of the person, as a signed ZIP; that it was handed out is recorded."""

    def lift_restriction(self, company_id: str, person_id: str) -> None:
        """The person takes back a restriction that they asked for.

        Raises:
            Conflict: they did not ask for one, or something else restricts them as well.
        """

    def certificate(self, company_id: str, person_id: str) -> StoredCertificate | None:
        """The newest certificate of the person's erasure; None as long as there is none."""


@dataclass(frozen=True, slots=True)
class SubjectMeans:
    """Everything that the pages need."""

    recognition: Means
    consents: Consents
    rights: OwnRights
    per_link: TokenBuckets = field(default_factory=lambda: TokenBuckets(PER_LINK, "codes tried on one link"))
    all_links: TokenBuckets = field(default_factory=lambda: TokenBuckets(ALL_LINKS, "codes tried"))
    per_session: TokenBuckets = field(default_factory=lambda: TokenBuckets(PER_SESSION, "pages of one visit"))

    def region(self, name: str | None) -> Region | None:
        """The region of that name; None where there is none."""
        return None if name is None else self.recognition.regions.get(name)
