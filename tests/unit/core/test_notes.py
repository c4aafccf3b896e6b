"""Signed notes: published vectors of the form, checkpoints that hold, and everything that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import ProofRejected
from moretta.core.notes import (
    COSIGNATURE,
    Note,
    NoteKey,
    cosignature,
    parse_note,
    parse_note_key,
    parse_signature,
    require_signed,
    signed_checkpoint,
)
from moretta.keys.signing import SeedSigner, is_signed_by

# From the documentation of Go's package of signed notes (golang.org/x/mod/sumdb/note), whose form C2SP signed-note describes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAID = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
SIGNER = SeedSigner(b"s" * 32)
KEY = NoteKey("moretta/eu/1", SIGNER.public_key)
TEXT = signed_checkpoint("moretta/eu/1", 7, bytes(range(32)), SIGNER)


def test_the_published_note_holds_under_its_published_key() -> None:
    key = parse_note_key(PETER)
    assert (key.name, key.hash().hex(), key.text()) == ("PeterNeumann", "c74f20a3", PETER)
    note = Note("", 0, b"", SAID, (parse_signature(LINE),))
    assert require_signed(note, key, is_signed_by) == 0
    assert parse_signature(LINE).line() == f"{LINE}\n"
    with pytest.raises(ProofRejected):
        require_signed(Note("", 0, b"", SAID.replace("your", "my"), note.signatures), key, is_signed_by)


def test_a_checkpoint_says_what_was_signed() -> None:
    note = parse_note(TEXT)
    assert (note.origin, note.size, note.root) == ("moretta/eu/1", 7, bytes(range(32)))
    assert TEXT.startswith("moretta/eu/1\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— moretta/eu/1 ")
    require_signed(note, KEY, is_signed_by)


def test_a_cosignature_is_over_its_time_too_and_is_no_signature_of_the_log() -> None:
    witness = SeedSigner(b"w" * 32)
    key = NoteKey("w.example", witness.public_key, COSIGNATURE)
    line = cosignature(parse_note(TEXT), "w.example", 1_700_000_000, witness)
    told = parse_note(TEXT + line.line())
    assert require_signed(told, key, is_signed_by) == 1_700_000_000
    later = line.content[:7] + bytes([line.content[7] ^ 1]) + line.content[8:]
    forged = parse_note(TEXT + type(line)(line.name, line.key_hash, later).line())
    with pytest.raises(ProofRejected):
        require_signed(forged, key, is_signed_by)
    with pytest.raises(ProofRejected):
        require_signed(told, NoteKey("w.example", witness.public_key), is_signed_by)


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("\n7\n", "\n8\n"),
        TEXT.replace("AAEC", "AAED"),
        TEXT.replace("eu/1\n", "eu/2\n", 1),
        signed_checkpoint("moretta/eu/1", 7, bytes(range(32)), SeedSigner(b"t" * 32)),
    ],
)
def test_a_note_that_was_changed_or_is_another_signers_does_not_hold(changed: str) -> None:
    note = parse_note(changed)
    with pytest.raises(ProofRejected):
        require_signed(note, KEY, is_signed_by)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        TEXT.replace("\n7\n", "\n07\n"),
        TEXT.replace("\n7\n", "\n-7\n"),
        TEXT.replace("Hh8=", "Hh8"),
        TEXT.replace("Hh8=", "Hh9="),
        TEXT[:-1],
        TEXT.replace("\n\n", "\nextension\n\n"),
        TEXT + "x" * 100_000 + "\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(ProofRejected):
        parse_note(text)


@given(st.text(max_size=200))
def test_any_text_is_a_note_or_refused(text: str) -> None:
    for parse in (parse_note, parse_note_key, parse_signature):
        try:
            parse(text)
        except ProofRejected:
            continue


@pytest.mark.parametrize(
    "text", ["", "name", PETER.replace("c7", "c8"), PETER[:-4], f"bad name{PETER}", f"{PETER}AAAA"]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ProofRejected):
        parse_note_key(text)
