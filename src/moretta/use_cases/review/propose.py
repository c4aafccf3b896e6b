"""From a match to a proposal: under a purpose that asks for it, nobody is told who it is until people have confirmed it.

Belongs here: making proposals, and what a caller is told meanwhile. Does not belong here: votes (see `votes`).
"""

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from moretta.core.errors import KeyDestroyed, NotFound, PersonErased
from moretta.core.key_service import SubjectKey
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.policy import Action
from moretta.core.recognition import Candidate, Collection, IdKind, SearchedFace, new_id
from moretta.core.review import PROPOSAL_LIFE, Proposal, ProposedFace
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.results import Search, Verification


def search(means: Means, collection: Collection, found: Search, caller: str, review: int) -> Search:
    """What the caller is told of a search: all of it, or that `review` persons must confirm first."""
    if review == 0 or not any(face.candidates for face in found.faces):
        return found
    faces = tuple(ProposedFace(face.box, face.quality, face.candidates) for face in found.faces)
    proposal_id = _proposed(means, collection, Action.SEARCH, faces, found.fmr, found.search_id, caller, review)
    anonymous = tuple(SearchedFace(face.box, face.quality, (), face.reason) for face in found.faces)
    return replace(found, faces=anonymous, pending=proposal_id)


def verification(
    means: Means, collection: Collection, person_id: str, found: Verification, caller: str, review: int
) -> Verification:
    """What the caller is told of a verification; as `search`."""
    if review == 0 or not found.match or found.face_id is None:
        return found
    faces = (ProposedFace(found.face.box, found.face.quality, (Candidate(person_id, found.face_id, 1),)),)
    proposal_id = _proposed(means, collection, Action.VERIFY, faces, found.fmr, found.search_id, caller, review)
    return replace(found, match=False, face_id=None, pending=proposal_id)


def subjects(region: Region, person_ids: Iterable[str]) -> list[SubjectKey]:
    """The data keys of the persons who are there still."""
    keys = []
    for person_id in dict.fromkeys(person_ids):
        with contextlib.suppress(NotFound, PersonErased, KeyDestroyed):
            keys.append(acts.data_key(region, person_id))
    return keys


def told(means: Means, proposal: Proposal, step: str, about: Iterable[SubjectKey], **facts: str) -> list[LogEntry]:
    """The entries of one step of a proposal: the step itself first, then one for each person whom it is about."""
    common: dict[str, acts.Fact] = {
        "review": proposal.proposal_id,
        "search": proposal.search_id,
        "collection": proposal.collection_id,
        "step": step,
        **facts,
    }
    act = common | {"action": proposal.action.value, "needed": proposal.needed, "purpose": acts.word(proposal.purpose)}
    company_id = proposal.company_id
    return [
        acts.entry(EntryKind.REVIEWED, means.clock, company_id, act),
        *(acts.entry(EntryKind.REVIEWED, means.clock, company_id, common, subject=key) for key in about),
    ]


def _proposed(
    means: Means,
    collection: Collection,
    action: Action,
    faces: tuple[ProposedFace, ...],
    fmr: float,
    search_id: str,
    caller: str,
    review: int,
) -> str:
    region = means.regions[collection.home]
    now = means.clock().replace(microsecond=0)
    region.reviews.sweep(now)
    proposal = Proposal(
        proposal_id=new_id(IdKind.REVIEW, region.name),
        company_id=collection.company_id,
        collection_id=collection.collection_id,
        purpose=collection.purpose,
        action=action,
        needed=review,
        requested_by=caller,
        search_id=search_id,
        fmr=fmr,
        created_at=now,
        expires_at=now + PROPOSAL_LIFE,
        faces=faces,
    )
    named = subjects(region, (one.person_id for face in faces for one in face.candidates))
    policy = means.guard.policy.sha256
    region.reviews.propose(proposal, told(means, proposal, "proposed", named, caller=acts.word(caller), policy=policy))
    return proposal.proposal_id
