"""Codes, tokens and sessions as values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import CodeExpired, CodeRejected, CodeUsed, SessionEnded
from moretta.core.subject_access import (
    MAX_WRONG,
    SESSION_IDLE,
    SESSION_LIFE,
    SubjectLink,
    SubjectSession,
    code_hash,
    form_token,
    is_form_token,
    new_code,
    new_link_id,
    new_session,
    parse_token,
    region_of_access,
    require_code,
    require_session,
    session_hash,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def issued() -> tuple[SubjectLink, bytes]:
    link_id = new_link_id("eu")
    hashed = code_hash(link_id, new_code())
    return SubjectLink(link_id, "co_1", "per_1", hashed, "cli", NOW, NOW + timedelta(days=7)), hashed


def test_a_code_has_130_bits_in_letters_that_are_not_mistaken_for_others() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(code.replace("-", "")) == 26 for code in codes)
    # 200 codes hold each of the 32 letters unless something is missing from the alphabet: (31/32)^5200 < 1e-70.
    assert len(set("".join(codes)) - {"-"}) == 32
    assert not set("".join(codes)) & set("iloOIL")


def test_a_code_is_read_as_people_write_it() -> None:
    code = "0123456789abcdefghjkmnpqrs"
    read = {code_hash("lnk", one) for one in (code, code.upper(), f" O l23-456 789{code[10:]} ")}
    assert len(read) == 1


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_hash_or_a_refusal(text: str) -> None:
    try:
        assert len(code_hash("lnk", text)) == 32
    except CodeRejected as error:
        # The same words whatever was typed: nothing of it is in them but by chance.
        with pytest.raises(CodeRejected) as another:
            code_hash("lnk", "")
        assert error.detail == another.value.detail


def test_a_code_opens_its_own_link_alone(issued: tuple[SubjectLink, bytes]) -> None:
    link, right = issued
    require_code(link, right, NOW)
    code = new_code()
    assert code_hash(new_link_id("eu"), code) != code_hash(link.link_id, code)
    with pytest.raises(CodeRejected):
        require_code(link, code_hash(link.link_id, code), NOW)


def test_what_became_of_a_link_is_told_only_to_who_has_its_code(issued: tuple[SubjectLink, bytes]) -> None:
    link, right = issued
    wrong = bytes(32)
    used, late, locked = replace(link, used_at=NOW), NOW + timedelta(days=7), replace(link, wrong=MAX_WRONG)
    with pytest.raises(CodeUsed):
        require_code(used, right, NOW)
    with pytest.raises(CodeExpired):
        require_code(link, right, late)
    with pytest.raises(CodeRejected):
        require_code(locked, right, NOW)
    told = set()
    for one, at in ((link, NOW), (used, NOW), (link, late), (locked, NOW)):
        with pytest.raises(CodeRejected) as refused:
            require_code(one, wrong, at)
        told.add(refused.value.detail)
    assert len(told) == 1


def test_a_session_ends_when_nobody_clicks_and_after_half_a_day() -> None:
    token = new_session("eu")
    session = SubjectSession(token.session_id, "co_1", "per_1", session_hash(token), NOW, NOW)
    require_session(session, token, NOW + SESSION_IDLE - timedelta(seconds=1))
    with pytest.raises(SessionEnded):
        require_session(session, token, NOW + SESSION_IDLE)
    busy = replace(session, seen_at=NOW + SESSION_LIFE - timedelta(seconds=1))
    with pytest.raises(SessionEnded):
        require_session(busy, token, NOW + SESSION_LIFE)
    with pytest.raises(SessionEnded):
        require_session(session, new_session("eu"), NOW)


def test_a_token_is_read_back_and_nothing_else_is_one() -> None:
    token = new_session("eu")
    assert parse_token(token.text) == token
    for text in ("", token.session_id, f"{token.text}x", token.text.replace("ses", "lnk"), f"{token.text}\n"):
        assert parse_token(text) is None


def test_a_form_token_is_for_one_form_of_one_session() -> None:
    token, other = new_session("eu"), new_session("eu")
    held = form_token(token, "/me/erase")
    assert is_form_token(token, "/me/erase", held)
    assert not is_form_token(token, "/me/object", held)
    assert not is_form_token(other, "/me/erase", held)
    assert not is_form_token(token, "/me/erase", "")
    assert not is_form_token(token, "/me/erase", "ü")
    assert token.secret not in held


def test_ids_name_their_region() -> None:
    assert region_of_access(new_link_id("eu")) == "eu"
    assert region_of_access(new_session("local").session_id) == "local"
    assert region_of_access("per_eu_" + "0" * 24) is None


def test_secrets_are_not_shown_by_accident(issued: tuple[SubjectLink, bytes]) -> None:
    token = new_session("eu")
    assert token.secret not in repr(token)
    assert repr(issued[1]) not in repr(issued[0])
