"""No person reaches another's pages, data, photo, archive or proof; codes and sessions cannot be guessed, replayed or read."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.consent_rig import CONTROLLER
from tests.recognition_rig import COMPANY
from tests.subject_place import Browser, Home, a_home

from moretta.core.consent_proof import PaperProof
from moretta.core.errors import CodeRejected, CodeUsed, RateLimited
from moretta.core.ledger import EntryKind
from moretta.core.recognition import Person, PersonState
from moretta.core.subject_access import MAX_WRONG, new_code
from moretta.use_cases.consent.give import Agreement

# Found without a session: how somebody gets in, and files that are the same for all.
OPEN = {"/me/start", "/me/start/{link}", "/me/start/{link}/{code}", "/me/static/{name}"}
MARKUP = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with a_home(tmp_path / "place", origin="http://localhost") as home:
        yield home


def _routes(home: Home) -> list[tuple[str, str]]:
    """Method and address of every page and form that belongs to one person."""
    routes = [route for route in home.app.routes if isinstance(route, APIRoute) and f"{route.path}/".startswith("/me/")]
    return sorted((method, route.path) for route in routes if route.path not in OPEN for method in route.methods)


def _with_consent(home: Home, name: str) -> Person:
    """Somebody with a consent on paper and a stored photo."""
    person = home.person(name, photo=True)
    paper = PaperProof("ab" * 32, "cli")
    home.consents.give(COMPANY, Agreement(home.collection.collection_id, home.notice.sha256, paper, person.person_id))
    return person


def test_every_address_is_closed_without_a_session(home: Home) -> None:
    routes = _routes(home)
    assert len(routes) > 20
    for method, address in routes:
        answer = home.browser().call(method, _filled(address), **_form(method))
        assert answer.status_code == 403, (method, address)
        assert "Your visit is over" in answer.text


def test_no_address_shows_or_changes_anything_of_another_person(home: Home) -> None:
    """Each address, with each id of Anna's in it, asked for by Berta; each form with Anna's token as well."""
    anna, berta = _with_consent(home, "Anna Secret"), _with_consent(home, "Berta")
    (face,) = home.recognition.faces(COMPANY, anna.person_id)
    (consent,) = home.consents.consents(COMPANY, person_id=anna.person_id)
    hers, visitor = home.visitor(anna), home.visitor(berta)
    ids = {"face_id": face.face_id, "consent_id": consent.consent_id}
    stolen = hers.token("/me/leave", "/me")
    before = home.recognition.person(COMPANY, anna.person_id)
    for method, address in _routes(home):
        asked = address.format(**ids)
        extra = {"person_id": anna.person_id, "company_id": COMPANY, "name": "Eve", "form_token": stolen}
        answer = visitor.call(method, asked, params=extra, **_form(method, extra))
        if "{" in address:
            assert answer.status_code == 404, (method, address)
        if method == "POST":
            assert answer.status_code == 403, (method, address)
        assert "Secret" not in answer.text, (method, address)
        assert anna.person_id not in answer.text
    assert home.recognition.person(COMPANY, anna.person_id) == before
    assert home.consents.consent(COMPANY, consent.consent_id) == consent
    assert home.rights.requests(COMPANY, person_id=anna.person_id) == []
    # She herself gets them.
    assert all(hers.get(one).status_code == 200 for one in (f"/me/photos/{face.face_id}", "/me/consent"))
    assert hers.get(f"/me/consent/{consent.consent_id}/receipt").status_code == 200


def test_what_a_person_sends_names_nobody_else(home: Home) -> None:
    """Berta's own forms, with Anna's ids in every field that one might look for."""
    anna, berta = _with_consent(home, "Anna"), _with_consent(home, "Berta")
    visitor = home.visitor(berta)
    names = ("person_id", "subject", "id", "company_id", "collection_id")
    fields = dict.fromkeys(names, anna.person_id)
    for address, on in (
        ("/me/restrict", "/me/rights"),
        ("/me/correct", "/me/correct"),
        ("/me/object", "/me/object"),
        ("/me/erase", "/me/erase"),
    ):
        visitor.send(address, on, {**fields, "name": "Eve"})
    assert home.recognition.person(COMPANY, anna.person_id).name == "Anna"
    assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.ACTIVE


def test_a_certificate_is_shown_to_its_own_subject_alone(home: Home) -> None:
    anna, berta = home.person("Anna"), home.person("Berta")
    hers, visitor = home.visitor(anna), home.visitor(berta)
    hers.send("/me/erase", "/me/erase")
    assert hers.get("/me/certificate").status_code == 200
    assert visitor.get("/me/certificate").status_code == 404
    assert visitor.get("/me/erased").status_code == 404


@pytest.mark.parametrize("part", ["id", "secret", "empty", "swapped"])
def test_forged_and_altered_cookies_open_nothing(home: Home, part: str) -> None:
    hers, visitor = home.visitor(home.person("Anna")), home.visitor(home.person("Berta"))
    (name, value), (_, other) = next(iter(hers.cookies.items())), next(iter(visitor.cookies.items()))
    some_id, secret = value.split(".")
    forged = {
        "id": f"{some_id[:-1]}{'0' if some_id[-1] != '0' else '1'}.{secret}",
        "secret": f"{some_id}.{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "empty": "",
        "swapped": f"{some_id}.{other.split('.')[1]}",
    }[part]
    assert Browser(home, cookies={name: forged}).get("/me").status_code == 403
    assert hers.get("/me").status_code == 200


def test_a_code_opens_the_pages_once(home: Home) -> None:
    made = home.link(home.person("Anna"))
    assert home.browser().enter(made.link.link_id, made.code).status_code == 303
    again = home.browser().enter(made.link.link_id, made.code)
    assert (again.status_code, "set-cookie" in again.headers) == (409, False)
    assert "used already" in again.text


def test_of_two_uses_at_once_one_gets_in(home: Home) -> None:
    made = home.link(home.person("Anna"))

    def enter(_: int) -> bool:
        try:
            home.pages.enter(made.link.link_id, made.code)
        except CodeUsed:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(enter, range(2))) == [False, True]


def test_looking_at_a_link_uses_nothing_up(home: Home) -> None:
    made = home.link(home.person("Anna"))
    browser = home.browser()
    for address in (f"/me/start/{made.link.link_id}", f"/me/start/{made.link.link_id}/{made.code}"):
        shown = browser.get(address)
        assert (shown.status_code, "set-cookie" in shown.headers) == (200, False)
        assert browser.call("HEAD", address).status_code == 200
    assert browser.enter(made.link.link_id, made.code).status_code == 303


def test_an_expired_code_says_so_to_whoever_has_it_and_to_nobody_else(home: Home) -> None:
    made = home.link(home.person("Anna"), timedelta(hours=1))
    home.pass_time(timedelta(hours=1))
    assert home.browser().enter(made.link.link_id, made.code).status_code == 410
    assert home.browser().enter(made.link.link_id, new_code()).status_code == 403


def test_unknown_links_wrong_codes_and_used_links_are_refused_alike(home: Home) -> None:
    used, made = home.link(home.person("Anna")), home.link(home.person("Berta"))
    home.browser().enter(used.link.link_id, used.code)
    answers = [
        home.browser().enter(link, code)
        for link, code in (
            ("lnk_local_" + "0" * 24, new_code()),
            (made.link.link_id, new_code()),
            (used.link.link_id, new_code()),
            (made.link.link_id, used.code),
        )
    ]
    assert {answer.status_code for answer in answers} == {403}
    links = ("lnk_local_" + "0" * 24, made.link.link_id, used.link.link_id)
    assert len({_without(answer.text, links) for answer in answers}) == 1


@pytest.mark.parametrize("link", ["", "lnk_elsewhere_" + "0" * 24, "per_local_" + "0" * 24, "../../etc", "ü" * 30])
def test_what_is_no_link_opens_nothing(home: Home, link: str) -> None:
    assert home.browser().enter(link, new_code()).status_code == 403


def test_a_code_may_be_typed_as_it_is_read(home: Home) -> None:
    made = home.link(home.person("Anna"))
    typed = made.code.upper().replace("-", " ").replace("0", "O").replace("1", "l")
    assert home.browser().enter(made.link.link_id, typed).status_code == 303


def test_codes_are_tried_a_few_times_and_then_slowly(home: Home) -> None:
    made = home.link(home.person("Anna"))
    answers = [home.browser().enter(made.link.link_id, new_code()).status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]
    # The right one, too, has to wait: and then it opens.
    assert home.browser().enter(made.link.link_id, made.code).status_code == 429
    home.pass_time(timedelta(seconds=10))
    assert home.browser().enter(made.link.link_id, made.code).status_code == 303


def test_after_ten_wrong_codes_a_link_opens_no_more_in_any_process(home: Home) -> None:
    made = home.link(home.person("Anna"))
    for _ in range(MAX_WRONG):
        home.pass_time(timedelta(seconds=60))
        with pytest.raises(CodeRejected):
            home.pages.enter(made.link.link_id, new_code())
    home.pass_time(timedelta(seconds=60))
    assert home.browser().enter(made.link.link_id, made.code).status_code == 403
    assert home.place.region.subjects.link(made.link.link_id).wrong == MAX_WRONG + 1


def test_all_links_together_are_tried_at_a_bounded_rate(home: Home) -> None:
    answers = []
    for number in range(105):
        try:
            home.pages.enter(f"lnk_local_{number:024x}", new_code())
        except (CodeRejected, RateLimited) as error:
            answers.append(type(error))
    assert answers == [CodeRejected] * 100 + [RateLimited] * 5


def test_one_visit_asks_for_pages_at_a_bounded_rate(home: Home) -> None:
    visitor = home.visitor(home.person("Anna"))
    answers = {visitor.get("/me/verify").status_code for _ in range(62)}
    assert answers == {200, 429}


def test_neither_codes_nor_sessions_are_in_the_database_or_the_log(home: Home) -> None:
    anna = home.person("Anna")
    made = home.link(anna)
    visitor = home.browser()
    visitor.get(f"/me/start/{made.link.link_id}/{made.code}")
    visitor.enter(made.link.link_id, made.code)
    kept = b"".join(path.read_bytes() for path in home.place.root.rglob("*") if path.is_file())
    assert home.place.region.subjects.link(made.link.link_id).secret_hash in kept
    token = next(iter(visitor.cookies.values()))
    for secret in (made.code, made.code.replace("-", ""), token, token.split(".")[1]):
        assert secret.encode() not in kept
        assert secret not in home.log.getvalue()
    assert made.link.link_id not in home.log.getvalue()


def test_links_and_visits_are_told_in_the_log_without_saying_whose(home: Home) -> None:
    anna, log = home.person("Anna"), home.place.region.log
    before = log.size()
    home.visitor(anna)
    entries = [one.entry for one in log.entries(before, 10)]
    assert [entry.kind for entry in entries] == [EntryKind.SUBJECT_LINK, EntryKind.SUBJECT_VISIT]
    assert all(len(entry.subject) == 32 and anna.person_id.encode() not in entry.leaf() for entry in entries)


def test_a_form_without_its_token_does_nothing(home: Home) -> None:
    anna = home.person("Anna")
    visitor = home.visitor(anna)
    restrict = visitor.token("/me/restrict", "/me/rights")
    for method, address in _routes(home):
        if method == "POST":
            for token in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": restrict[:-1]}):
                assert visitor.call("POST", address, data={"x": "y", **token}).status_code == 403, address
            if address != "/me/restrict":
                assert visitor.call("POST", address, data={"form_token": restrict}).status_code == 403, address
    assert home.recognition.person(COMPANY, anna.person_id).state is PersonState.ACTIVE
    assert home.rights.requests(COMPANY, person_id=anna.person_id) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_from_another_site_does_nothing_even_with_its_token(home: Home, site: str) -> None:
    visitor = home.visitor(home.person("Anna"))
    token = visitor.token("/me/restrict", "/me/rights")
    sent = {"data": {"form_token": token}, "headers": {"sec-fetch-site": site}}
    assert visitor.call("POST", "/me/restrict", **sent).status_code == 403
    made = home.link(home.person("Berta"))
    answer = home.browser().enter(made.link.link_id, made.code, headers={"sec-fetch-site": site})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_other_bodies_than_small_forms_are_refused(home: Home) -> None:
    visitor = home.visitor(home.person("Anna"))
    token = visitor.token("/me/restrict", "/me/rights")
    assert visitor.call("POST", "/me/restrict", json={"form_token": token}).status_code == 403
    assert visitor.call("POST", "/me/restrict", data={"form_token": token, "x": "y" * 200_000}).status_code == 413
    assert visitor.call("POST", "/me/restrict", files={"form_token": token.encode()}).status_code == 403


def test_a_form_token_ends_with_its_session(home: Home) -> None:
    anna = home.person("Anna")
    first, second = home.visitor(anna), home.visitor(anna)
    token = first.token("/me/restrict", "/me/rights")
    assert second.call("POST", "/me/restrict", data={"form_token": token}).status_code == 403


def test_the_cookie_is_for_this_host_over_https_alone(tmp_path: Path) -> None:
    with a_home(tmp_path / "place") as home:
        made = home.link(home.person("Anna"))
        over_https = home.browser("https").enter(made.link.link_id, made.code).headers["set-cookie"]
        name, *attributes = over_https.split("; ")
        assert name.startswith("__Host-moretta-me=ses_local_")
        assert {one.lower() for one in attributes} == {"httponly", "secure", "samesite=strict", "path=/"}
    with a_home(tmp_path / "named", origin="https://privacy.example.org") as home:
        made = home.link(home.person("Anna"))
        behind_proxy = home.browser("http").enter(made.link.link_id, made.code).headers["set-cookie"]
        assert behind_proxy.startswith("__Host-")


def test_a_browser_that_enters_anew_leaves_the_visit_before(home: Home) -> None:
    visitor = home.visitor(home.person("Anna"))
    old = dict(visitor.cookies)
    made = home.link(home.person("Berta"))
    visitor.enter(made.link.link_id, made.code)
    assert "Berta" in visitor.get("/me").text
    assert Browser(home, cookies=old).get("/me").status_code == 403


def test_no_page_can_be_framed_cached_or_made_to_load_anything_from_elsewhere(home: Home) -> None:
    visitor = home.visitor(_with_consent(home, "Anna"))
    pages = [address for method, address in _routes(home) if method == "GET" and "{" not in address]
    for address in [*pages, "/me/start/x", "/me/start/x/y", "/me/static/subject.js"]:
        answer = visitor.get(address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "http://" not in answer.text.replace("http://localhost", "")
        assert "https://" not in answer.text
        assert " style=" not in answer.text
        assert "<style" not in answer.text


def test_no_address_sends_anybody_elsewhere(home: Home) -> None:
    elsewhere = "https://evil.example"
    visitor = home.visitor(home.person("Anna"))
    wishes = dict.fromkeys(("next", "url", "return", "redirect", "done", "language", "before"), elsewhere)
    for method, address in _routes(home):
        answer = visitor.call(method, _filled(address), params=wishes, **_form(method, wishes))
        assert answer.headers.get("location", "/me").startswith("/me")
        assert "evil" not in answer.text
    made = home.link(home.person("Berta"))
    entered = visitor.call("POST", "/me/start", data={"link": made.link.link_id, "code": made.code, **wishes})
    assert entered.headers["location"] == "/me"


def test_names_notices_and_links_with_markup_are_shown_as_they_are_written(tmp_path: Path) -> None:
    text = f"# {MARKUP}\n\n- {MARKUP}\n\n{MARKUP}\n[x](javascript:alert(3))"
    with a_home(tmp_path / "place", origin="http://localhost", text=text) as home:
        anna = home.person("Anna")
        home.recognition.update_person(COMPANY, anna.person_id, name=MARKUP, attributes=(('"><b>key', MARKUP),))
        visitor = home.visitor(anna)
        shown = [visitor.get(address).text for address in ("/me", "/me/consent", "/me/correct", "/me/rights")]
        shown.append(visitor.send("/me/consent/sign", "/me/consent", {"notice": home.notice.sha256}).text)
        shown.append(home.browser().get("/me/start/%3Cscript%3E/%22%3E%3Cscript%3E").text)
        shown.append(home.browser().enter('"><script>', '"><script>').text)
        for page in shown:
            assert "<script>" not in page
            assert "<img src=x" not in page
            assert "<b>key" not in page
            assert 'href="javascript' not in page
        assert "&lt;script&gt;" in shown[0]
        assert "&lt;script&gt;" in shown[1]


def test_a_link_is_made_over_http_by_whoever_may_manage_rights(home: Home) -> None:
    anna = home.person("Anna")
    address = f"/v1/persons/{anna.person_id}/subject-links"
    made = _api(home, "managing", address, {})
    assert made.status_code == 201
    view = made.json()
    assert view["url"] == f"http://localhost/me/start/{view['id']}"
    assert view["direct_url"] == f"{view['url']}/{view['code']}"
    assert home.browser().enter(view["id"], view["code"]).status_code == 303
    assert _api(home, "writing", address, {}).status_code == 403
    assert _api(home, "strange", address, {}).status_code == 404
    assert _api(home, "managing", address, {"hours": 0}).status_code == 422
    assert _api(home, "managing", f"/v1/persons/per_local_{'0' * 24}/subject-links", {}).status_code == 404
    for _ in range(4):
        assert _api(home, "managing", address, {"hours": 1}).status_code == 201
    assert _api(home, "managing", address, {}).status_code == 429
    home.rights.erase(COMPANY, anna.person_id)
    assert _api(home, "managing", address, {}).status_code == 410


def test_whoever_was_erased_before_the_code_was_used_is_told_nothing(home: Home) -> None:
    anna = home.person("Anna")
    made = home.link(anna)
    home.rights.erase(COMPANY, anna.person_id)
    assert home.browser().enter(made.link.link_id, made.code).status_code == 403


def test_the_controller_and_nothing_of_a_request_is_in_the_service_log(home: Home) -> None:
    anna = home.person("Anna Lund")
    visitor = home.visitor(anna)
    visitor.get("/me/consent")
    visitor.send("/me/correct", "/me/correct", {"name": "Anna Berg"})
    log = home.log.getvalue()
    assert "/me/correct" in log
    for words in ("Anna", "Berg", anna.person_id, CONTROLLER, next(iter(visitor.cookies.values()))):
        assert words not in log


def _filled(address: str) -> str:
    return address.format(face_id="fac_local_" + "0" * 24, consent_id="con_local_" + "0" * 24)


def _form(method: str, fields: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    return {"data": {"x": "y", **(fields or {})}} if method == "POST" else {}


def _without(text: str, words: tuple[str, ...]) -> str:
    for word in words:
        text = text.replace(word, "")
    return text


def _api(home: Home, key: str, address: str, body: dict[str, int]) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(home.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post(address, json=body, headers={"Authorization": f"Bearer {key}"})

    return asyncio.run(ask())
