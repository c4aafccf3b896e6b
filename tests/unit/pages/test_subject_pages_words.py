"""Words and markup of people's own pages."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from tests.storage_rig import NOW, a_collection

from moretta.core.audit import SearchAbout, SearchKind, SearchRecord
from moretta.core.consent import ConsentMethod
from moretta.core.protection import Scheme
from moretta.core.recognition import PersonState
from moretta.core.retention import CountsFrom, RetentionRule
from moretta.core.rights import RequestState, Right
from moretta.pages.subject import SubjectPageMaker, notice_markup, retention_words, search_words


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, len(attrs)))


def test_a_notice_becomes_headings_lists_and_paragraphs() -> None:
    text = "# Your face\n\nWe keep\na template.\n- one\n- two\n## Why\nTo open the door.\n"
    assert notice_markup(text) == (
        "<h3>Your face</h3>\n<p>We keep<br>a template.</p>\n<ul><li>one</li><li>two</li></ul>\n<h3>Why</h3>\n"
        "<p>To open the door.</p>"
    )


@given(st.text(alphabet=st.sampled_from("#-* \n<>\"'&abc/=[]():"), max_size=200))
def test_no_notice_brings_any_other_tag_or_attribute(text: str) -> None:
    tags = _Tags()
    tags.feed(notice_markup(text))
    assert {tag for tag, _ in tags.found} <= {"h3", "p", "br", "ul", "li"}
    assert all(attributes == 0 for _, attributes in tags.found)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("scheme_words", Scheme),
        ("state_words", PersonState),
        ("method_words", ConsentMethod),
        ("right_words", Right),
        ("request_words", RequestState),
    ],
)
def test_there_are_words_for_everything_that_can_be(name: str, values: type) -> None:
    words = SubjectPageMaker()._environment.filters[name]
    assert all(words(value) for value in values)  # type: ignore[attr-defined]


def test_a_search_is_told_as_what_it_was() -> None:
    def told(kind: SearchKind, compared: int) -> str:
        record = SearchRecord("sea_" + "0" * 24, kind, "col", "co", "2026-03-01T12:00:00Z", "access", "key", compared)
        return search_words(SearchAbout(record, False, 1))

    assert told(SearchKind.SEARCH, 12).endswith("and 11 more records")
    assert told(SearchKind.SEARCH, 2).endswith("and 1 more record")
    assert told(SearchKind.SEARCH, 1).endswith("among your data")
    assert told(SearchKind.VERIFY, 1).endswith("shows you")


def test_retention_is_told_as_it_is_set() -> None:
    collection = replace(a_collection(), retention_days=None)
    rule = RetentionRule(collection.collection_id)
    left = "Or until you withdraw your consent or have yourself erased."
    assert (
        retention_words(collection, rule) == f"Three years after you were recognised or enrolled last at most. {left}"
    )
    assert retention_words(collection, replace(rule, bipa=False)) == left
    month = replace(collection, retention_days=30)
    counted = replace(rule, counts_from=CountsFrom.ENROLMENT, photo_days=7, purpose_ends=NOW)
    assert retention_words(month, counted) == (
        "30 days after you were enrolled last. Until 1 March 2026 at most, when the purpose ends. Never over three years. "
        f"Photos: 7 days. {left}"
    )


def test_a_page_that_lacks_a_value_is_not_rendered() -> None:
    with pytest.raises(UndefinedError):
        SubjectPageMaker().page("overview", lambda _: "", {"where": None})


def test_there_are_no_other_assets_than_the_pages_own() -> None:
    maker = SubjectPageMaker()
    assert maker.asset("moretta.css") is not None
    assert all(maker.asset(name) is None for name in ("", "../subject.py", "report.html", "subject"))
