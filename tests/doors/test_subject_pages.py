"""What a person sees and does on their own pages."""

import html
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.consent_rig import CONTROLLER, Authenticator
from tests.recognition_rig import COMPANY
from tests.rights_rig import trust_of
from tests.storage_rig import KINDS, a_database
from tests.subject_place import Home, a_home

from moretta.core.consent_proof import PaperProof
from moretta.core.errors import PersonErased
from moretta.core.ledger import EntryKind
from moretta.core.recognition import PersonState
from moretta.core.rights import RequestedBy, RequestState, Right
from moretta.core.signing import fingerprint
from moretta.ledger.certificates import verify_certificate
from moretta.use_cases.consent.give import Agreement
from moretta.use_cases.retention.holds import place

ORIGIN = "http://localhost"


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """In both kinds of database."""
    with a_database(request.param, request, tmp_path) as database:
        url = None if database.server is None else str(database.where)
        with a_home(tmp_path / "place", origin=ORIGIN, database=url) as home:
            yield home


def test_a_person_reads_what_is_stored_of_them_in_plain_words(home: Home) -> None:
    anna = home.person("Anna", attributes=(("badge", "4711"),))
    shown = home.visitor(anna).get("/me").text
    for words in (
        "Anna",
        "4711",
        "access",
        CONTROLLER,
        "90 days after",
        "three years",
        "Compared when somebody searches",
        "encrypted",
    ):
        assert words in shown


def test_what_a_person_does_on_their_own_pages_is_told_as_theirs_without_saying_whose(home: Home) -> None:
    anna = home.person("Anna", photo=True)
    visitor, begin = home.visitor(anna), home.place.region.log.size()
    visitor.send("/me/restrict", "/me/rights")
    told = [one.entry for one in home.place.region.log.entries(begin, 100)]
    assert EntryKind.RESTRICTED in {entry.kind for entry in told}
    assert {dict(entry.facts).get("by") for entry in told} == {"subject"}
    assert not any(anna.person_id in value for entry in told for _, value in entry.facts)


def test_a_person_sees_every_act_that_compared_or_matched_them(home: Home) -> None:
    anna = home.person("Anna")
    home.place.found(home.collection.collection_id, "Anna/2")
    home.place.found(home.collection.collection_id, "Zoe/1")
    visitor = home.visitor(anna)
    shown = visitor.get("/me/searches").text
    assert shown.count("it matched you") == 1
    assert shown.count("no match with you") == 1
    assert "Nobody compared" not in shown


def test_searches_are_shown_page_by_page(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moretta.use_cases.subject.facade.SEARCHES_A_PAGE", 2)
    monkeypatch.setattr("moretta.api.subject.SEARCHES_A_PAGE", 2)
    anna = home.person("Anna")
    for number in range(3):
        home.place.found(home.collection.collection_id, f"Anna/{number + 2}")
    visitor = home.visitor(anna)
    first = visitor.get("/me/searches").text
    assert first.count("it matched you") == 2
    following = first.split('href="/me/searches?before=')[1].split('"')[0]
    assert visitor.get(f"/me/searches?before={following}").text.count("it matched you") == 1
    assert visitor.get("/me/searches?before=x'--").status_code == 200


def test_a_look_at_ones_own_photo_is_logged(home: Home) -> None:
    anna = home.person("Anna", photo=True)
    visitor, log = home.visitor(anna), home.place.region.log
    address = visitor.get("/me/photos").text.split('src="')[1].split('"')[0]
    before = log.size()
    photo = visitor.get(address)
    assert photo.headers["content-type"] == "image/jpeg"
    assert photo.content.startswith(b"\xff\xd8\xff")
    assert [one.entry.kind for one in log.entries(before, 10)] == [EntryKind.PHOTO_VIEWED]


def test_a_consent_is_given_with_a_passkey_and_withdrawn_in_as_many_clicks(home: Home) -> None:
    anna, key = home.person("Anna"), Authenticator(ORIGIN)
    visitor = home.visitor(anna)
    # Two clicks: give, sign.
    page = visitor.send("/me/consent/sign", "/me/consent", {"notice": home.notice.sha256})
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    given = visitor.call("POST", "/me/consent/give", data=_signed(page.text, key))
    assert given.headers["location"] == "/me/consent?done=given"
    shown = visitor.get("/me/consent?done=given").text
    assert "You consented" in shown
    address = shown.split('<a href="/me/consent/')[1].split('"')[0]
    receipt = visitor.get(f"/me/consent/{address}")
    assert receipt.text.count(".") == 2
    # Two clicks: withdraw, confirm.
    assert "Withdraw and erase" in visitor.get("/me/withdraw").text
    withdrawn = visitor.send("/me/withdraw", "/me/withdraw")
    assert withdrawn.headers["location"] == "/me/erased"
    with pytest.raises(PersonErased):
        home.recognition.person(COMPANY, anna.person_id)


def test_a_refusal_takes_one_click_and_is_recorded(home: Home) -> None:
    visitor = home.visitor(home.person("Anna"))
    assert visitor.send("/me/consent/refuse", "/me/consent", {"notice": home.notice.sha256}).status_code == 303
    assert "refused" in visitor.get("/me/consent").text


def test_a_guardian_says_what_they_are_to_the_child(home: Home) -> None:
    key, visitor = Authenticator(ORIGIN), home.visitor(home.person("Anna"))
    page = visitor.send("/me/consent/sign", "/me/consent", {"notice": home.notice.sha256}).text
    fields = _signed(page, key)
    assert visitor.call("POST", "/me/consent/give", data={**fields, "age": "minor"}).status_code == 422
    assert visitor.call("POST", "/me/consent/give", data={**fields, "guardian": "mother"}).status_code == 422
    minor = {**fields, "age": "minor", "guardian": "mother"}
    assert visitor.call("POST", "/me/consent/give", data=minor).status_code == 303


def test_name_and_attributes_are_corrected(home: Home) -> None:
    anna = home.person("Anna", attributes=(("badge", "4711"), ("floor", "3")))
    visitor = home.visitor(anna)
    sent = {"name": "Anna Lund", "attribute:badge": "4712", "attribute:floor": "", "attribute:rank": "boss"}
    assert visitor.send("/me/correct", "/me/correct", sent).headers["location"] == "/me/rights?done=corrected"
    changed = home.recognition.person(COMPANY, anna.person_id)
    assert (changed.name, changed.attributes) == ("Anna Lund", (("badge", "4712"),))
    visitor.send("/me/correct", "/me/correct", {"name": "Anna Lund", "attribute:badge": ""})
    assert home.recognition.person(COMPANY, anna.person_id).attributes == ()
    same = {"name": "Anna Lund"}
    assert visitor.send("/me/correct", "/me/correct", same).headers["location"] == "/me/rights?done=unchanged"


def test_a_person_stops_being_compared_and_starts_again(home: Home) -> None:
    anna = home.person("Anna")
    visitor = home.visitor(anna)
    visitor.send("/me/restrict", "/me/rights")
    assert home.place.found(home.collection.collection_id, "Anna/2") == [[]]
    visitor.send("/me/unrestrict", "/me/rights")
    assert home.place.found(home.collection.collection_id, "Anna/2") == [[anna.person_id]]


def test_a_restriction_that_an_operator_set_is_not_the_persons_to_lift(home: Home) -> None:
    anna = home.person("Anna")
    visitor = home.visitor(anna)
    home.recognition.update_person(COMPANY, anna.person_id, state=PersonState.RESTRICTED)
    assert visitor.send("/me/unrestrict", "/me/rights").status_code == 409
    assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.RESTRICTED


def test_an_objection_stops_comparing_at_once_and_stays_open_until_it_is_answered(home: Home) -> None:
    anna = home.person("Anna")
    visitor = home.visitor(anna)
    visitor.send("/me/object", "/me/object", {"reason": "I do not want this"})
    assert home.place.found(home.collection.collection_id, "Anna/2") == [[]]
    (asked,) = home.rights.requests(COMPANY, person_id=anna.person_id)
    assert (asked.right, asked.state, asked.by) == (Right.OBJECTION, RequestState.RECEIVED, RequestedBy.SUBJECT)
    shown = visitor.get("/me/rights").text
    assert f"{asked.due_at.day} {asked.due_at:%B %Y}" in shown


def test_the_download_holds_what_is_kept_of_the_person(home: Home) -> None:
    anna = home.person("Anna", photo=True)
    visitor = home.visitor(anna)
    given = visitor.send("/me/download", "/me/rights")
    assert given.headers["content-type"] == "application/zip"
    assert given.headers["content-disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(given.content))
    assert json.loads(archive.read("person.json"))["name"] == "Anna"
    assert any(name.startswith("photos/") for name in archive.namelist())
    (asked,) = home.rights.requests(COMPANY, person_id=anna.person_id)
    assert (asked.right, asked.state) == (Right.ACCESS, RequestState.FULFILLED)


def test_an_erased_person_sees_a_certificate_that_verifies_and_nothing_else(home: Home) -> None:
    anna = home.person("Anna", photo=True)
    visitor = home.visitor(anna)
    assert visitor.send("/me/erase", "/me/erase").headers["location"] == "/me/erased"
    shown = visitor.get("/me/erased").text
    document = visitor.get("/me/certificate").content
    assert json.loads(document)["certificate_id"] in shown
    assert verify_certificate(document, trust_of(home.place)).statements
    assert b"Anna" not in document
    told, key = visitor.get("/me/verify").text, trust_of(home.place).keys[0]
    assert key.hex() in told
    assert fingerprint(key) in told
    for address in ("/me", "/me/consent", "/me/searches", "/me/rights", "/me/photos", "/me/correct", "/me/erase"):
        assert visitor.get(address).headers["location"] == "/me/erased"


def test_an_operators_erasure_is_seen_by_whoever_is_in(home: Home) -> None:
    anna = home.person("Anna")
    visitor = home.visitor(anna)
    home.rights.erase(COMPANY, anna.person_id)
    assert visitor.get("/me").headers["location"] == "/me/erased"
    assert visitor.get("/me/certificate").status_code == 200


def test_what_is_kept_by_a_legal_hold_is_told_and_stays_open(home: Home) -> None:
    anna = home.person("Anna")
    visitor = home.visitor(anna)
    until = home.clock() + timedelta(days=30)
    place(home.place.means, COMPANY, anna.person_id, "claim 12/2026", "legal department", until, "cli")
    assert visitor.send("/me/erase", "/me/erase").headers["location"] == "/me/rights?done=asked"
    shown = visitor.get("/me/rights?done=asked").text
    assert "must be answered" in shown
    assert home.recognition.person(COMPANY, anna.person_id)


def test_a_consent_on_paper_is_shown_and_withdrawn_here(home: Home) -> None:
    paper = Agreement(home.collection.collection_id, home.notice.sha256, PaperProof("ab" * 32, "cli"), name="Berta")
    consent = home.consents.give(COMPANY, paper)
    assert consent.person_id is not None
    visitor = home.visitor(home.recognition.person(COMPANY, consent.person_id))
    assert "signed on paper" in visitor.get("/me/consent").text
    assert visitor.send("/me/withdraw", "/me/withdraw").headers["location"] == "/me/erased"


def test_a_notice_is_shown_in_the_language_that_the_browser_asks_for(home: Home) -> None:
    anna = home.person("Anna")
    home.consents.add_notice(
        COMPANY, home.collection.collection_id, language="de", controller=CONTROLLER, text="# Ihr Gesicht\n\nHinweis"
    )
    visitor = home.visitor(anna)
    assert "Ihr Gesicht" in visitor.get("/me/consent", headers={"accept-language": "de-CH, en;q=0.5"}).text
    assert "Ihr Gesicht" in visitor.get("/me/consent", headers={"accept-language": "fr"}).text  # the first there is
    assert "Your face at the door" in visitor.get("/me/consent?language=en", headers={"accept-language": "de"}).text


def test_whoever_leaves_is_out(home: Home) -> None:
    visitor = home.visitor(home.person("Anna"))
    cookies = dict(visitor.cookies)
    assert visitor.send("/me/leave", "/me").status_code == 200
    assert not visitor.cookies
    visitor.cookies = cookies
    assert visitor.get("/me").status_code == 403


def test_a_visit_ends_after_a_quarter_of_an_hour_without_a_click(home: Home) -> None:
    visitor = home.visitor(home.person("Anna"))
    home.pass_time(timedelta(minutes=14))
    assert visitor.get("/me").status_code == 200
    home.pass_time(timedelta(minutes=14))
    assert visitor.get("/me").status_code == 200
    home.pass_time(timedelta(minutes=15))
    assert visitor.get("/me").status_code == 403


def _signed(page: str, key: Authenticator) -> dict[str, str]:
    """The fields of the signing page's form as its script fills them."""

    def part(pattern: str) -> str:
        found = re.search(pattern, page)
        assert found is not None, page
        return html.unescape(found[1])

    registration = part(r'data-registration="([^"]*)"')
    return {
        "form_token": part(r'action="/me/consent/give"[^>]*>\s*<input type="hidden" name="form_token" value="([^"]+)"'),
        "notice": part(r'name="notice" value="([^"]+)"'),
        "challenge": part(r'name="challenge" value="([^"]+)"'),
        "age": "adult",
        "guardian": "",
        "registration": key.create(registration) if registration else "",
        "assertion": key.get(part(r'data-authentication="([^"]*)"')),
    }
