"""What people's own pages work with, and the port through which they use their rights.

Belongs here: the parts, bundled. Does not belong here: any use of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.erasure import StoredCertificate
from moretta.core.rights import Right, RightsRequest
from moretta.core.subject_access import SubjectAccessStore
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
        self, company_id: str, person_id: str, right: Right, *, wishes: Sequence[tuple[str, str]] = (), reason: str = ""
    ) -> RightsRequest:
        """Record that the person uses a right, and do at once what needs nobody's decision; how the request stands then.

        Raises:
            PersonErased: there is nobody any more.
            PersonHeld: the law keeps it from being done now; the request stays open.
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
    """Everything that the pages need. `stores` are the regions' links and sessions, by the regions' names."""

    recognition: Means
    stores: Mapping[str, SubjectAccessStore]
    consents: Consents
    rights: OwnRights
    per_link: TokenBuckets = field(default_factory=lambda: TokenBuckets(PER_LINK, "codes tried on one link"))
    all_links: TokenBuckets = field(default_factory=lambda: TokenBuckets(ALL_LINKS, "codes tried"))
    per_session: TokenBuckets = field(default_factory=lambda: TokenBuckets(PER_SESSION, "pages of one visit"))

    def region(self, name: str | None) -> tuple[Region, SubjectAccessStore] | None:
        """The region of that name and its links; None where there is none."""
        if name is None or name not in self.stores:
            return None
        return self.recognition.region(name), self.stores[name]
