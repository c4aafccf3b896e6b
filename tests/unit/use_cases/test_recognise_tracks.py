"""Tracks are verified against the persons named: who may be compared, what is recorded, and what is told where it is unclear."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.consents_place import Desk, a_desk
from tests.policies import OPEN
from tests.recognition_rig import CARD, COMPANY, OTHER_COMPANY, vector

from moretta.core.audit import SearchKind
from moretta.core.errors import (
    MorettaError,
    NodeUnavailable,
    NotFound,
    PolicyProhibited,
    RateLimited,
    RequestInvalid,
)
from moretta.core.ledger import EntryKind
from moretta.core.policy import BUILT_IN, Action, Policy
from moretta.core.ports import OnProgress
from moretta.core.protection import Scheme
from moretta.core.recognising import ProbedTrack, ProbedTracks, ProbeTracksRequest
from moretta.core.recognition import Enrolled, PersonState
from moretta.core.values import Embedding, TrackId
from moretta.protection.schemes import protector
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.brakes import PER_SUBJECT, Brakes, Rate, TokenBuckets
from moretta.use_cases.recognition.results import MAX_PERSONS, RecognisedTracks

TRACKING = "a" * 64


@dataclass
class ScriptedTracks:
    """A `TrackProber` that is told whose each track is, `anna/2`; None: it is not clear. It protects for real."""

    shown: Mapping[int, str | None]
    tracking: list[str] = field(default_factory=lambda: [TRACKING])
    requests: list[ProbeTracksRequest] = field(default_factory=list)

    def probe_tracks(
        self, media_fd: int, request: ProbeTracksRequest, on_progress: OnProgress | None = None
    ) -> ProbedTracks:
        self.requests.append(request)
        tracks = []
        for track_id, face in self.shown.items():
            probe = None
            if face is not None:
                embedding = Embedding(vector(*face.split("/"), request.terms.model_id), request.terms.model_id)
                probe = protector(request.terms).protect_probe(embedding).payload
            tracks.append(ProbedTrack(TrackId(track_id), int(probe is not None), probe))
        return ProbedTracks(self.tracking[min(len(self.requests), len(self.tracking)) - 1], tuple(tracks))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path / "place") as desk:
        yield desk


def enrolled(desk: Desk, name: str, *, consent_id: str | None = None) -> str:
    """Enrol somebody with a consent of theirs; their id."""
    given = consent_id or desk.on_paper().consent_id
    fds = [desk.place.fd(f"{name}/1")]
    (outcome,) = desk.place.recognition.enrol(COMPANY, desk.collection.collection_id, fds, consent_id=given)
    assert isinstance(outcome, Enrolled)
    return outcome.person_id


def recognised(
    desk: Desk, named: list[str], prober: ScriptedTracks, recognition: Recognition | None = None
) -> RecognisedTracks:
    found = recognition or desk.place.recognition
    return found.recognise_tracks(COMPANY, named, -1, prober, caller="key_of_a_test")


def under(desk: Desk, policy: Policy) -> Recognition:
    """The same place under another policy."""
    return Recognition(replace(desk.place.means, clock=desk.clock, guard=Guard(policy)))


GROUP = {1: "anna/2", 2: "ben/2", 3: None, 4: "anna/3"}


def test_every_track_of_who_consented_is_recognised_and_the_others_are_not(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    prober = ScriptedTracks(GROUP)
    found = recognised(desk, [anna, anna], prober)
    assert found == RecognisedTracks(TRACKING, frozenset({1, 4}), frozenset({2}), 1, named=1, compared=1, found=1)
    (request,) = prober.requests
    collection = desk.place.recognition.collection(COMPANY, desk.collection.collection_id)
    assert (request.terms.key_id, request.threshold) == (collection.key_id, collection.thresholds.match)
    assert request.min_quality == collection.min_quality


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED], ids=str)
def test_it_is_the_same_under_every_scheme(desk: Desk, scheme: Scheme) -> None:
    recognition = desk.place.recognition
    desk.collection = recognition.create_collection(COMPANY, "others", "access", scheme=scheme)
    desk.notice = desk.consents.add_notice(
        COMPANY, desk.collection.collection_id, language="en", controller="A Ltd", text="# Hello\n"
    )
    assert recognised(desk, [enrolled(desk, "anna")], ScriptedTracks(GROUP)).shown == {1, 4}


def test_several_persons_are_looked_for_after_one_look_at_the_media(desk: Desk) -> None:
    named = [enrolled(desk, name) for name in ("anna", "ben", "zoe")]
    prober = ScriptedTracks(GROUP)
    found = recognised(desk, named, prober)
    assert (found.shown, found.others, found.unclear) == ({1, 2, 4}, frozenset(), 1)
    assert (found.named, found.compared, found.found) == (3, 3, 2)
    assert len(prober.requests) == 1


def test_who_withdrew_is_in_no_track_and_nobody_is_looked_at(desk: Desk) -> None:
    consent = desk.on_paper()
    anna = enrolled(desk, "anna", consent_id=consent.consent_id)
    prober = ScriptedTracks(GROUP)
    assert recognised(desk, [anna], prober).shown == {1, 4}
    desk.consents.withdraw(COMPANY, consent.consent_id)
    found = recognised(desk, [anna], prober)
    assert found == RecognisedTracks("", frozenset(), frozenset(), 0, named=1, compared=0, found=0)
    assert len(prober.requests) == 1, "no template is made where nobody may be compared"


def test_a_withdrawal_counts_before_the_erasure_is_done(desk: Desk) -> None:
    consent = desk.on_paper()
    anna = enrolled(desk, "anna", consent_id=consent.consent_id)
    desk.erasure.fails = NodeUnavailable("not now")
    desk.consents.withdraw(COMPANY, consent.consent_id)
    assert recognised(desk, [anna], ScriptedTracks(GROUP)).compared == 0


def test_a_consent_whose_time_is_over_counts_no_more(desk: Desk) -> None:
    consent = desk.on_paper(expires_at=desk.clock() + timedelta(hours=1))
    anna = enrolled(desk, "anna", consent_id=consent.consent_id)
    desk.clock.offset = timedelta(hours=2)
    assert recognised(desk, [anna], ScriptedTracks(GROUP)).compared == 0


def test_a_consent_is_needed_also_where_the_policy_asks_for_none(desk: Desk) -> None:
    anna, open_to_all = enrolled(desk, "anna"), under(desk, OPEN)
    (outcome,) = open_to_all.enrol(COMPANY, desk.collection.collection_id, [desk.place.fd("ben/1")])
    assert isinstance(outcome, Enrolled)
    found = recognised(desk, [anna, outcome.person_id], ScriptedTracks(GROUP), open_to_all)
    assert (found.shown, found.compared) == ({1, 4}, 1)
    assert found.others == frozenset(), "who was not compared may be on any of the others"


@pytest.mark.parametrize("state", [PersonState.RESTRICTED, PersonState.OBJECTED], ids=str)
def test_who_is_restricted_or_objected_is_not_compared(desk: Desk, state: PersonState) -> None:
    anna = enrolled(desk, "anna")
    desk.place.recognition.update_person(COMPANY, anna, state=state)
    assert recognised(desk, [anna], ScriptedTracks(GROUP)).compared == 0


def test_nobody_is_compared_where_people_must_confirm_a_match(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    (purpose,) = BUILT_IN.purposes
    reviewed = under(desk, replace(BUILT_IN, purposes=(replace(purpose, review=1),)))
    prober = ScriptedTracks(GROUP)
    assert recognised(desk, [anna], prober, reviewed).compared == 0
    assert prober.requests == []


def test_a_policy_that_does_not_allow_it_is_asked_before_anything_is_done(desk: Desk) -> None:
    anna, before = enrolled(desk, "anna"), desk.log_size
    (purpose,) = BUILT_IN.purposes
    without = replace(purpose, actions=purpose.actions - {Action.VERIFY})
    prober = ScriptedTracks(GROUP)
    with pytest.raises(PolicyProhibited):
        recognised(desk, [anna], prober, under(desk, replace(BUILT_IN, purposes=(without,))))
    assert prober.requests == []
    assert desk.log_size == before


def test_each_person_compared_has_a_record_and_entries_that_name_nobody(desk: Desk) -> None:
    anna, zoe = enrolled(desk, "anna"), enrolled(desk, "zoe")
    before = desk.log_size
    recognised(desk, [anna, zoe], ScriptedTracks(GROUP))
    region = desk.place.region
    for person_id, matched in ((anna, True), (zoe, False)):
        (told,) = region.audit.searches_about(COMPANY, person_id, 10)
        record = told.record
        assert (record.kind, record.purpose, record.caller) == (SearchKind.VERIFY, "access", "key_of_a_test")
        assert (record.claimed, told.matched, record.compared) == (person_id, matched, 3)
    entries = [one.entry for one in region.log.entries(before, 50)]
    assert [entry.kind for entry in entries] == [EntryKind.VERIFIED] * 4, "the act, and whom it is about, for each"
    acts = [dict(entry.facts) for entry in entries if not entry.subject]
    assert [(act["purpose"], act["faces"], act["matched"]) for act in acts] == [
        ("access", "3", "1"),
        ("access", "3", "0"),
    ]
    assert not any(person in str(entry.facts) for entry in entries for person in (anna, zoe, "anna"))


def test_nobody_is_shown_by_a_comparison_that_is_not_recorded(desk: Desk) -> None:
    anna = enrolled(desk, "anna")

    class Broken:
        def record(self, *_: object) -> int:
            raise NodeUnavailable("the disk is full")

    region = replace(desk.place.region, audit=Broken())  # type: ignore[arg-type]
    broken = Recognition(replace(desk.place.means, clock=desk.clock, regions={"local": region}))
    with pytest.raises(NodeUnavailable):
        recognised(desk, [anna], ScriptedTracks(GROUP), broken)


def test_nobody_is_shown_where_two_looks_followed_faces_differently(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    recognition = desk.place.recognition
    desk.collection = recognition.create_collection(COMPANY, "others", "access", scheme=Scheme.PLAIN)
    desk.notice = desk.consents.add_notice(
        COMPANY, desk.collection.collection_id, language="en", controller="A Ltd", text="# Hello\n"
    )
    ben = enrolled(desk, "ben")
    assert recognised(desk, [anna, ben], ScriptedTracks(GROUP)).shown == {1, 2, 4}
    found = recognised(desk, [anna, ben], ScriptedTracks(GROUP, [TRACKING, "b" * 64]))
    assert (found.tracking, found.shown, found.others, found.unclear) == ("", frozenset(), frozenset(), 4)


def test_a_key_that_changes_between_protecting_and_comparing_means_another_look(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    collection_id = desk.collection.collection_id

    class Changing(ScriptedTracks):
        def probe_tracks(
            self, media_fd: int, request: ProbeTracksRequest, on_progress: OnProgress | None = None
        ) -> ProbedTracks:
            told = super().probe_tracks(media_fd, request, on_progress)
            if len(self.requests) == 1:
                desk.place.recognition.reissue(COMPANY, collection_id)
            return told

    prober = Changing(GROUP)
    found = recognised(desk, [anna], prober)
    assert found.shown == {1, 4}
    assert len({request.terms.key_id for request in prober.requests}) == len(prober.requests) == 2


def test_media_without_a_clear_face_is_recorded_and_shows_nobody(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    for shown, unclear in ((dict[int, str | None](), 0), ({1: None, 2: None}, 2)):
        found = recognised(desk, [anna], ScriptedTracks(shown))
        assert (found.shown, found.others, found.unclear, found.compared) == (frozenset(), frozenset(), unclear, 1)
    assert [told.record.compared for told in desk.place.region.audit.searches_about(COMPANY, anna, 10)] == [0, 0]


@pytest.mark.parametrize("count", [0, MAX_PERSONS + 1])
def test_persons_are_named_within_bounds(desk: Desk, count: int) -> None:
    with pytest.raises(RequestInvalid, match="persons"):
        recognised(desk, [f"per_local_{number:024x}" for number in range(count)], ScriptedTracks(GROUP))


def test_another_company_s_person_is_not_there(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    recognition = desk.place.recognition
    for company, person in ((OTHER_COMPANY, anna), (COMPANY, "per_local_" + "0" * 24), (COMPANY, "anna")):
        with pytest.raises(NotFound):
            recognition.recognise_tracks(company, [person], -1, ScriptedTracks(GROUP))


def test_each_comparison_counts_for_the_caller_and_none_is_made_beyond(desk: Desk) -> None:
    anna = enrolled(desk, "anna")
    brakes = Brakes(TokenBuckets(PER_SUBJECT, "attempts"), TokenBuckets(Rate(5, 1000.0), "compared faces"))
    braked = Recognition(replace(desk.place.means, clock=desk.clock, brakes=brakes))
    assert recognised(desk, [anna], ScriptedTracks(GROUP), braked).shown == {1, 4}
    before = desk.log_size
    with pytest.raises(RateLimited):
        recognised(desk, [anna], ScriptedTracks(GROUP), braked)
    assert desk.log_size == before


def test_what_fails_while_comparing_is_told(desk: Desk) -> None:
    anna = enrolled(desk, "anna")

    class Away:
        def compare(self, *_: object) -> object:
            raise NodeUnavailable("nobody answers")

    region = replace(desk.place.region, galleries=Away())  # type: ignore[arg-type]
    away = Recognition(replace(desk.place.means, clock=desk.clock, regions={"local": region}))
    with pytest.raises(MorettaError):
        recognised(desk, [anna], ScriptedTracks(GROUP), away)


def test_the_scripted_model_tells_these_people_apart() -> None:
    assert float(vector("anna", "2", CARD.model_id) @ vector("ben", "2", CARD.model_id)) < 0.5
