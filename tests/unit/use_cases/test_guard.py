"""The guard: every door into recognition asks the policy, and a policy that allows nothing lets nothing through."""

import ast
import inspect
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Never

import pytest
from tests.policies import CLOSED, OPEN
from tests.recognition_rig import COMPANY, OTHER_COMPANY, Place, opened

import moretta.api
from moretta.core.approvals import Approval
from moretta.core.clock import utc_now
from moretta.core.consent import Age
from moretta.core.errors import (
    ApprovalRequired,
    ConsentRequired,
    MorettaError,
    PolicyProhibited,
    PurposeMismatch,
    PurposeUnknown,
    RegionRefused,
    RetentionExceeded,
)
from moretta.core.policy import (
    BUILT_IN,
    Action,
    Allow,
    Basis,
    Condition,
    Context,
    Controller,
    Minors,
    Output,
    Policy,
    Purpose,
    Situation,
)
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Enrolled, IdKind, PersonState, StoreWish, new_id
from moretta.use_cases.guard import FindStanding, Guard, Standing
from moretta.use_cases.recognition import ImportItem, Recognition

Call = Callable[[Recognition, Place, Enrolled], object]


def _import(recognition: Recognition, place: Place, anna: Enrolled) -> object:
    items = [ImportItem("a", lambda: 1 / 0, source="the desk")]  # type: ignore[arg-type,return-value]
    return recognition.import_items(COMPANY, anna.face.collection_id, None, items)


def _nobody_is_probed(*_: object) -> Never:
    raise AssertionError("a face was read before the policy was asked")


# Every method through which a door reaches people; what each does when a policy allows nothing at all.
REFUSED: dict[str, Call] = {
    "create_collection": lambda r, p, a: r.create_collection(COMPANY, "more", "access"),
    "update_collection": lambda r, p, a: r.update_collection(COMPANY, a.face.collection_id, name="other"),
    "enrol": lambda r, p, a: r.enrol(COMPANY, a.face.collection_id, [p.fd("ben/1")]),
    "add_faces": lambda r, p, a: r.add_faces(COMPANY, a.person_id, [p.fd("anna/2")]),
    "person": lambda r, p, a: r.person(COMPANY, a.person_id),
    "persons": lambda r, p, a: r.persons(COMPANY, a.face.collection_id),
    "faces": lambda r, p, a: r.faces(COMPANY, a.person_id),
    "photo": lambda r, p, a: r.photo(COMPANY, a.person_id),
    "compare": lambda r, p, a: r.compare(COMPANY, p.fd("anna/1"), p.fd("anna/2")),
    "verify": lambda r, p, a: r.verify(COMPANY, a.person_id, p.fd("anna/2")),
    "search": lambda r, p, a: r.search(COMPANY, a.face.collection_id, p.fd("anna/2")),
    "recognise_tracks": lambda r, p, a: r.recognise_tracks(COMPANY, [a.person_id], p.fd("anna/2"), _nobody_is_probed),
    "import_items": _import,
    "export": lambda r, p, a: r.export(COMPANY, a.face.collection_id, io.BytesIO()),
    "reissue": lambda r, p, a: r.reissue(COMPANY, a.face.collection_id),
    "reenrol": lambda r, p, a: r.reenrol(COMPANY, a.face.collection_id, model="second"),
}
# A person's rights, and keeping keys and shares fresh: the guard is asked, and lets them through whatever the policy says.
ALWAYS: dict[str, Call] = {
    "update_person": lambda r, p, a: r.update_person(COMPANY, a.person_id, state=PersonState.RESTRICTED),
    "repack": lambda r, p, a: r.repack(COMPANY, a.face.collection_id),
    "refresh_shares": lambda r, p, a: _raises(lambda: r.refresh_shares(COMPANY, a.face.collection_id)),
    "delete_face": lambda r, p, a: r.delete_face(COMPANY, a.face.face_id),
    "delete_person": lambda r, p, a: r.delete_person(COMPANY, a.person_id),
}
# Settings of collections, and upkeep of the whole deployment: nobody's data is looked at.
ABOUT_NOBODY = {"models", "regions", "collection", "collections", "recover", "rotate_master_key"}


def _raises(call: Callable[[], object]) -> None:
    with pytest.raises(MorettaError) as refused:
        call()
    assert not isinstance(refused.value, PolicyProhibited)


@dataclass(frozen=True)
class _Listening(Guard):
    """A guard that notes what it was asked."""

    asked: list[Action] = field(default_factory=list)

    def require(
        self,
        situation: Situation,
        company_id: str,
        collection_id: str | None = None,
        standing: FindStanding | None = None,
    ) -> Allow:
        self.asked.append(situation.action)
        return super().require(situation, company_id, collection_id, standing)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "place") as found:
        yield found


@pytest.fixture
def anna(place: Place) -> Enrolled:
    people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED)
    return place.enrolled(people.collection_id, "anna", store=StoreWish.PHOTO)


def _guarded(place: Place, policy: Policy) -> Recognition:
    return Recognition(replace(place.means, guard=Guard(policy, lambda _: (place.region.approvals,))))


def _collection(place: Place, **given: object) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED, **given)  # type: ignore[arg-type]


def _policy(**given: object) -> Policy:
    made: dict[str, object] = {
        "name": "access",
        "basis": Basis.CONSENT,
        "condition": Condition.EXPLICIT_CONSENT,
        "contexts": frozenset({Context.ACCESS_CONTROL}),
        "actions": frozenset(Action),
        "outputs": frozenset(Output),
        "consent_required": False,
        **given,
    }
    return Policy(Controller("a test"), (Purpose(**made),))  # type: ignore[arg-type]


def test_every_method_of_recognition_is_accounted_for() -> None:
    methods = {name for name in vars(Recognition) if not name.startswith("_")}
    assert methods == set(REFUSED) | set(ALWAYS) | ABOUT_NOBODY
    assert not set(REFUSED) & set(ALWAYS)


@pytest.mark.parametrize("method", REFUSED)
def test_a_policy_that_allows_nothing_refuses_it_before_anything_happens(
    place: Place, anna: Enrolled, method: str
) -> None:
    before = (place.region.log.size(), len(place.region.store.persons(COMPANY, anna.face.collection_id, 10)))
    with pytest.raises(PurposeUnknown) as refused:
        REFUSED[method](_guarded(place, CLOSED), place, anna)
    assert refused.value.legal_ref == "GDPR Art. 5(1)(b)"
    assert before == (
        place.region.log.size(),
        len(place.region.store.persons(COMPANY, anna.face.collection_id, 10)),
    )


@pytest.mark.parametrize("method", ALWAYS)
def test_no_policy_keeps_a_right_from_its_person_though_the_guard_is_asked(
    place: Place, anna: Enrolled, method: str
) -> None:
    guard = _Listening(CLOSED)
    ALWAYS[method](Recognition(replace(place.means, guard=guard)), place, anna)
    assert guard.asked
    assert set(guard.asked) <= {Action.DELETE, Action.RESTRICT, Action.RECTIFY, Action.UPKEEP}


def test_doors_reach_people_only_through_guarded_facades() -> None:
    """A route that imported a store, or a step of recognition, could do what no guard was asked about."""
    folder = Path(inspect.getfile(moretta.api)).parent
    # Facades, and values; `serving` puts the facades together.
    allowed = (
        ".facade",
        ".results",
        "use_cases.jobs",
        "use_cases.guard",
        "recognition.collections",
        "use_cases.recognition",
    )
    for path in folder.rglob("*.py"):
        if path.name == "serving.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            if module == "moretta.wiring.site_file":
                continue  # The form of a file: nothing in it reaches anybody.
            assert not module.startswith(("moretta.storage", "moretta.wiring")), path.name
            if module.startswith("moretta.use_cases"):
                assert not names & {"Means", "Region", "RecognitionStore"}, path.name
                if module.startswith("moretta.use_cases.recognition"):
                    assert module.endswith(allowed), (path.name, module)
            if module == "moretta.use_cases.recognition.collections":
                assert names <= {"UNCHANGED", "Unchanged", "MAX_NAME", "MAX_PURPOSE", "MAX_RETENTION_DAYS"}, path.name


def test_commands_and_the_sdk_reach_people_only_through_guarded_facades() -> None:
    """They open the deployment themselves, and hand what they opened to facades: no store, no step, no look into the means."""
    root = Path(inspect.getfile(moretta)).parent
    facades = {"moretta.use_cases.recognition", "moretta.use_cases.recognition.results"}
    looked = 0
    for path in (*(root / "cli").rglob("*.py"), *root.glob("sdk*.py")):
        tree = ast.parse(path.read_text())
        named = [
            each for each in ast.walk(tree) if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
        ]
        only_named = {id(node) for each in named for node in ast.walk(each)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in only_named:
                module = node.module or ""
                looked += module.startswith("moretta.use_cases")
                # Released figures are of no person; a made-up crowd has a store of its own.
                assert not module.startswith("moretta.storage") or ".statistics." in module, (path.name, module)
                if module.startswith("moretta.use_cases.recognition"):
                    assert module in facades, (path.name, module)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] == "means":
                assert node.attr in {"clock", "guard"}, (path.name, node.attr)
    assert looked > 10


def test_without_a_policy_file_nobody_is_enrolled_who_did_not_consent(place: Place, anna: Enrolled) -> None:
    recognition = _guarded(place, BUILT_IN)
    with pytest.raises(ConsentRequired) as refused:
        recognition.enrol(COMPANY, anna.face.collection_id, [place.fd("ben/1")], name="ben")
    assert (refused.value.code, refused.value.legal_ref) == ("consent.required", "GDPR Art. 9(2)(a)")
    with pytest.raises(ConsentRequired):
        recognition.add_faces(COMPANY, anna.person_id, [place.fd("anna/2")])
    assert recognition.search(COMPANY, anna.face.collection_id, place.fd("anna/2")).faces[0].candidates
    assert recognition.compare(COMPANY, place.fd("anna/1"), place.fd("anna/2")).match


@pytest.mark.parametrize(
    ("policy", "collection", "error"),
    [
        (_policy(retention_days=30), {}, RetentionExceeded),
        (_policy(retention_days=30), {"retention_days": 31}, RetentionExceeded),
        (_policy(regions=frozenset({"eu"})), {}, RegionRefused),
        (_policy(outputs=frozenset()), {"bands": True}, PolicyProhibited),
        (_policy(name="visitors"), {}, PurposeUnknown),
        (_policy(actions=frozenset({Action.READ})), {}, PolicyProhibited),
        (_policy(contexts=frozenset()), {}, PolicyProhibited),
    ],
)
def test_a_collection_is_as_its_purpose_allows(
    place: Place, policy: Policy, collection: dict[str, object], error: type[MorettaError]
) -> None:
    with pytest.raises(error):
        _guarded(place, policy).create_collection(COMPANY, "people", "access", **collection)  # type: ignore[arg-type]
    assert place.recognition.collections(COMPANY) == []


def test_photos_are_kept_and_handed_out_where_the_purpose_lets_them(place: Place, anna: Enrolled) -> None:
    strict = _guarded(place, _policy(outputs=frozenset()))
    collection = anna.face.collection_id
    with pytest.raises(PolicyProhibited) as refused:
        strict.enrol(COMPANY, collection, [place.fd("ben/1")], store=StoreWish.PHOTO)
    assert refused.value.legal_ref == "GDPR Art. 5(1)(c)"
    with pytest.raises(PolicyProhibited):
        strict.photo(COMPANY, anna.person_id)
    assert isinstance(strict.enrol(COMPANY, collection, [place.fd("ben/1")])[0], Enrolled)
    without, with_photos = io.BytesIO(), io.BytesIO()
    strict.export(COMPANY, collection, without)
    _guarded(place, OPEN).export(COMPANY, collection, with_photos)
    assert b".jpg" not in without.getvalue()
    assert b".jpg" in with_photos.getvalue()


def test_people_stay_under_the_purpose_they_were_enrolled_for(place: Place, anna: Enrolled) -> None:
    with pytest.raises(PurposeMismatch) as refused:
        place.recognition.update_collection(COMPANY, anna.face.collection_id, purpose="marketing")
    assert refused.value.legal_ref == "GDPR Art. 5(1)(b)"
    empty = _collection(place)
    assert place.recognition.update_collection(COMPANY, empty.collection_id, purpose="visits").purpose == "visits"


def test_an_imported_photo_has_a_source_or_a_consent(place: Place, anna: Enrolled) -> None:
    def item(key: str, source: str = "") -> ImportItem:
        return ImportItem(key, lambda: place.fd(f"{key}/1"), key, source=source)

    report = place.recognition.import_items(
        COMPANY, anna.face.collection_id, None, [item("ben"), item("clara", "the desk")]
    )
    assert [(one.key, one.code) for one in report.failures] == [("ben", "policy.prohibited_use")]
    people = place.recognition.persons(COMPANY, anna.face.collection_id)
    assert {one.name: one.attributes for one in people} == {"anna": (), "clara": (("source", "the desk"),)}
    place.fds.clear()  # An import closes what it opened.


def test_an_approval_that_covers_it_is_looked_for_in_time(place: Place, anna: Enrolled) -> None:
    policy, now = _policy(approval_required=True), utc_now()
    recognition, collection = _guarded(place, policy), anna.face.collection_id

    def search() -> None:
        recognition.search(COMPANY, collection, place.fd("anna/2"))

    def approve(**given: object) -> str:
        made: dict[str, object] = {
            "approval_id": new_id(IdKind.APPROVAL, "local"),
            "company_id": COMPANY,
            "purpose": "access",
            "collection_id": None,
            "action": None,
            "approver": "the board",
            "reason": "assessment of 2025-01-31",
            "recorded_by": "k",
            "granted_at": now - timedelta(days=2),
            "until": now + timedelta(days=1),
            **given,
        }
        approval = Approval(**made)  # type: ignore[arg-type]
        place.region.approvals.grant(approval)
        return approval.approval_id

    with pytest.raises(ApprovalRequired) as refused:
        search()
    assert refused.value.legal_ref == "GDPR Art. 35(1)"
    for other in (
        {"purpose": "ads"},
        {"company_id": OTHER_COMPANY},
        {"action": Action.VERIFY},
        {"collection_id": "col_local_" + "0" * 24},
        {"until": now - timedelta(days=1)},
        {"granted_at": now + timedelta(hours=1)},
    ):
        approve(**other)
        with pytest.raises(ApprovalRequired):
            search()
    fitting = approve(action=Action.SEARCH, collection_id=collection)
    search()
    place.region.approvals.revoke(COMPANY, fitting, now, "k")
    with pytest.raises(ApprovalRequired):
        search()


def test_what_a_consent_says_is_looked_up_only_where_it_matters() -> None:
    asked: list[int] = []

    def standing() -> Standing:
        asked.append(1)
        return Standing(consent=True, age=Age.ADULT)

    guard = Guard(_policy(consent_required=True, minors=Minors.REFUSED))
    situation = Situation(Action.SEARCH, "access")
    guard.require(situation, COMPANY, None, standing)
    assert asked == []
    guard.require(replace(situation, action=Action.ENROL), COMPANY, None, standing)
    assert asked == [1]
    with pytest.raises(ConsentRequired):
        guard.require(replace(situation, action=Action.ENROL), COMPANY)
