"""The one object through which doors and other use cases reach people's rights.

Belongs here: what can be asked, in one place. Does not belong here: how any of it is done (the modules beside this one), HTTP,
and who may ask what: a door knows its caller's company and hands it in.
"""

from datetime import datetime
from typing import BinaryIO

from moretta.core.audit import SearchAbout
from moretta.core.erasure import StoredCertificate
from moretta.core.errors import RequestInvalid
from moretta.core.recognition import Enrolled, FailureToEnrol, IdKind, Person, StoreWish
from moretta.core.rights import RequestedBy, RequestState, Right, RightsNotice, RightsRequest
from moretta.use_cases.recognition.results import OnStep
from moretta.use_cases.rights import access, collection, faces, requests
from moretta.use_cases.rights import erase as erasing
from moretta.use_cases.rights.collection import CollectionErased
from moretta.use_cases.rights.erase import Erased, Finished
from moretta.use_cases.rights.means import Forget, RightsMeans
from moretta.use_cases.rights.requests import Wishes


class Rights:
    """Rights over what is kept of people. Safe for several threads.

    What is not the company's own is not there: `NotFound`. Every method may raise `NodeUnavailable` and `StorageUnusable` where a
    part of the deployment is down.
    """

    def __init__(self, means: RightsMeans) -> None:
        self._means = means

    def forgetting(self, forget: Forget) -> None:
        """Call `forget` (from any thread) when a person is erased: answers in this process's memory may name them."""
        self._means.forgetters.append(forget)

    def erase(
        self, company_id: str, person_id: str, reason: str = "", *, requested_at: datetime | None = None
    ) -> Erased:
        """Erase a person from every store, and certify it; goes on where a process died in it.

        Raises:
            PersonErased: it was done before; it names the certificate.
            PersonHeld: a legal hold keeps the person; nothing has changed.
            Conflict: the collection is being given a new key; the person is compared no more, and the rest is tried again later.
        """
        return erasing.erase(self._means, company_id, person_id, requested_at=requested_at)

    def close_collection(self, company_id: str, collection_id: str) -> None:
        """Take a collection out of use, for `delete_collection` to erase: nobody is added to it or compared from here on.

        Idempotent; it is never taken back.

        Raises:
            PersonHeld: a legal hold keeps somebody who is in it; nothing has changed.
        """
        collection.close(self._means, company_id, collection_id)

    def delete_collection(
        self, company_id: str, collection_id: str, *, on_progress: OnStep | None = None
    ) -> CollectionErased:
        """Erase everybody of a collection, each with a certificate, then the collection and its key.

        It goes on where a process died in it; asked again once all is done, it tells the same certificates. What `on_progress`
        raises ends it after a batch of persons; `finish_erasures` goes on.

        Raises:
            PersonHeld: a legal hold keeps somebody who is in it; nothing has changed.
        """
        return collection.erase_collection(self._means, company_id, collection_id, on_progress)

    def finish_erasures(self) -> Finished:
        """Go on with what a dead process left, and certify anew where a node acknowledged since; at start, and regularly."""
        return erasing.finish_all(self._means)

    def certificate(self, company_id: str, certificate_id: str) -> StoredCertificate:
        """The newest certificate of that id: signed JSON that `moretta verify` checks."""
        region = self._means.home(certificate_id, IdKind.CERTIFICATE)
        return region.erasures.certificate(company_id, certificate_id)

    def open(
        self,
        company_id: str,
        person_id: str,
        right: Right,
        *,
        name: str | None = None,
        attributes: tuple[tuple[str, str], ...] | None = None,
        reason: str = "",
        by: RequestedBy = RequestedBy.OPERATOR,
    ) -> RightsRequest:
        """A new request. A restriction or an objection stops comparing at once, before anybody has looked at it.

        Raises:
            PersonErased: there was such a person.
            RequestInvalid: a rectification without new words, or new words with another right.
        """
        wishes = Wishes(name, attributes, reason)
        return requests.open_request(self._means, company_id, person_id, right, wishes, by)

    def request(self, company_id: str, request_id: str) -> RightsRequest:
        """The request as it stands."""
        return self._means.home(request_id, IdKind.REQUEST).requests.request(company_id, request_id)

    def requests(
        self,
        company_id: str,
        limit: int = 50,
        after: str | None = None,
        *,
        person_id: str | None = None,
        state: RequestState | None = None,
        region: str | None = None,
    ) -> list[RightsRequest]:
        """At most `limit` of one region's (of the person's, or the default one), in the order of their ids."""
        if not 1 <= limit <= 500:
            raise RequestInvalid("expected a limit from 1 to 500")
        means = self._means
        if after is not None:
            home = means.home(after, IdKind.REQUEST)
        elif person_id is not None:
            home = means.home(person_id, IdKind.PERSON)
        else:
            home = means.recognition.region(region)
        return home.requests.requests(company_id, limit, after, person_id=person_id, state=state)

    def extend(self, company_id: str, request_id: str, reason: str) -> RightsRequest:
        """Two more months, once, within the first, with a reason that is told to the subject.

        Raises:
            Conflict: it was answered already.
            RequestInvalid: no reason, too late, or extended before.
        """
        return requests.extend(self._means, company_id, request_id, reason)

    def refuse(self, company_id: str, request_id: str, reason: str) -> RightsRequest:
        """Refuse, with the reason that is told to the subject. Raises `Conflict`, `RequestInvalid` as `extend`."""
        return requests.refuse(self._means, company_id, request_id, reason)

    def fulfil(self, company_id: str, request_id: str) -> RightsRequest:
        """Do what is asked for: put right, restrict, stop, erase; an access is fulfilled once its package was handed out.

        Raises:
            Conflict: it was answered already.
            PersonHeld: a legal hold keeps a person who asked to be erased.
        """
        return requests.fulfil(self._means, company_id, request_id)

    def package(self, company_id: str, person_id: str, sink: BinaryIO, *, request_id: str | None = None) -> bytes:
        """Write everything that is kept of the person to `sink` as a signed ZIP; the SHA-256 of its manifest.

        Raises:
            PersonErased: there was such a person.
            RequestInvalid: the request is another person's, or of another right than access and portability.
        """
        if request_id is not None:
            asked = self.request(company_id, request_id)
            if asked.person_id != person_id or asked.right not in (Right.ACCESS, Right.PORTABILITY):
                raise RequestInvalid("expected a request of this person for access or portability")
        return access.package(self._means, company_id, person_id, sink, request_id=request_id)

    def searches(
        self, company_id: str, person_id: str, limit: int = 50, before: int | None = None
    ) -> list[SearchAbout]:
        """Who searched this person: every act that compared their templates, the latest first."""
        region = self._means.home(person_id, IdKind.PERSON)
        return region.audit.searches_about(company_id, person_id, limit, before)

    def compare_again(self, company_id: str, person_id: str, reason: str) -> Person:
        """Let a person be compared again who was restricted or objected; the reason (compelling grounds) is recorded.

        Raises:
            RequestInvalid: no reason.
            PersonHeld: a legal hold keeps the person out of comparisons.
        """
        return requests.compare_again(self._means, company_id, person_id, reason)

    def replace_face(
        self,
        company_id: str,
        person_id: str,
        face_id: str,
        media_fd: int,
        *,
        store: StoreWish = StoreWish.TEMPLATE,
    ) -> tuple[Enrolled | FailureToEnrol, str | None]:
        """A new photo in the place of a wrong one: what came of it and, where it was enrolled, the id of the receipt that the old
        template is gone."""
        return faces.replace_face(self._means, company_id, person_id, face_id, media_fd, StoreWish(store))

    def notices(
        self, company_id: str, limit: int = 50, after: int = 0, *, region: str | None = None
    ) -> list[RightsNotice]:
        """Signed messages about requests that are not delivered yet."""
        return self._means.recognition.region(region).requests.notices(company_id, limit, after)

    def notices_of(self, company_id: str, request_id: str) -> list[RightsNotice]:
        """All messages about one request."""
        home = self._means.home(request_id, IdKind.REQUEST)
        home.requests.request(company_id, request_id)
        return home.requests.notices(company_id, 100, request_id=request_id)

    def delivered(self, company_id: str, number: int, *, region: str | None = None) -> None:
        """A message was delivered. Idempotent."""
        home = self._means.recognition.region(region)
        home.requests.delivered(company_id, number, self._means.recognition.clock())
