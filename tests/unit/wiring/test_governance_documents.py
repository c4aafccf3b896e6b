"""Governance documents tell what the running deployment is, change with it, and say what they do not know."""

import re
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.governance_rig import ACCESS, ORIGIN, POLICY, Office, an_office
from tests.recognition_rig import COMPANY, OTHER_COMPANY

from moretta.core.errors import NotFound, RequestInvalid
from moretta.core.governance import SCHEMES
from moretta.core.policy import BUILT_IN, Basis, Context
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import Thresholds
from moretta.core.retention import CountsFrom, RetentionRule
from moretta.core.thresholds import THRESHOLDS
from moretta.wiring.governance.collecting import measured_rates

REPOSITORY = Path(__file__).parents[3]
# A font that no PDF reader needs to have: any TrueType file of the machine that tests run on.
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def content_of(pdf: bytes) -> str:
    """What the PDF draws: its content streams, inflated."""
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]).decode("latin-1"))
        except zlib.error:
            continue
    return "\n".join(found)


def text_of(pdf: bytes) -> str:
    """The text of a PDF in one of the fonts that every reader has."""
    shown = re.findall(r"\(((?:\\.|[^\\()])*)\)", content_of(pdf))
    return " ".join(re.sub(r"\\(.)", r"\1", part) for part in shown)


def code_of(pdf: bytes) -> str:
    """What the QR code says, as a camera would see it: its rectangles are drawn at 20 pixels a millimetre."""
    scale = 20 * 25.4 / 72
    canvas = np.full((int(842 * scale), int(596 * scale)), 255, np.uint8)
    colour = 0
    for line in content_of(pdf).splitlines():
        # fpdf2 sets the fill's colour before each rectangle, and fills it in the same line or the next.
        for part in re.finditer(
            r"(?P<fill>[\d.]+(?: [\d.]+ [\d.]+)?) (?:g|rg)\b|(?P<box>[-\d.]+ [-\d.]+ [-\d.]+ [-\d.]+) re f", line
        ):
            if part["fill"]:
                colour = int(255 * float(part["fill"].split()[0]))
                continue
            x, y, width, height = (float(number) * scale for number in part["box"].split())
            top, bottom = sorted((842 * scale - y, 842 * scale - y - height))
            canvas[round(top) : round(bottom), round(x) : round(x + width)] = colour
    # A phone takes many looks from many distances; OpenCV's reader misses one code in dozens at any single size.
    for size in (1.0, 0.75, 0.5, 1.5, 2.0):
        look = cv2.resize(
            canvas, None, fx=size, fy=size, interpolation=cv2.INTER_AREA if size < 1 else cv2.INTER_NEAREST
        )
        for reader in (cv2.QRCodeDetector(), cv2.QRCodeDetectorAruco()):
            seen, _, _ = reader.detectAndDecode(look)
            if seen:
                return str(seen)
    return ""


def test_the_records_tell_of_what_is_configured_and_change_with_it(tmp_path: Path) -> None:
    with an_office(tmp_path / "one") as office:
        office.place.enrolled(office.collection_id, "anna", "anna/1")
        told = office.documents.ropa(COMPANY)
        for fact in (
            "Example Ltd, 1 Canal Street",
            "dpo@example.org",
            POLICY.sha256,
            "Front door",
            office.collection_id,
            "1 enrolled persons",
            "60 days, counted from the last interaction",
            office.notice.notice_id,
        ):
            assert fact in told
        office.retention.set_rule(COMPANY, RetentionRule(office.collection_id, CountsFrom.ENROLMENT, photo_days=7))
        changed = office.documents.ropa(COMPANY)
        assert "60 days, counted from the last enrolment; photos 7 days" in changed
        assert office.collection_id not in office.documents.ropa(OTHER_COMPANY)
    another = replace(ACCESS, basis=Basis.LEGITIMATE_INTERESTS, retention_days=30)
    with an_office(tmp_path / "two", policy=replace(POLICY, purposes=(another,)), retention_days=20) as office:
        told = office.documents.ropa(COMPANY)
        assert "legitimate interests (GDPR Art. 6(1)(f))" in told
        assert "30 days" in told


def test_recipients_and_countries_are_told_where_the_policy_names_them(tmp_path: Path) -> None:
    named = replace(ACCESS, recipients=("Guards Ltd, who watch the door", "courts | on request"))
    policy = replace(POLICY, purposes=(named,), countries=(("local", "DE"),))
    with an_office(tmp_path / "one", policy=policy) as office:
        told, page = office.documents.ropa(COMPANY), office.documents.notice_page(office.notice.notice_id)
        assert "| Recipients | Guards Ltd, who watch the door, courts \\| on request |" in told
        assert "| nowhere | DE |" in told
        assert "the country of region" not in told
        assert "<td>region local (DE)</td>" in page
        assert "Guards Ltd, who watch the door, courts | on request" in page
    with an_office(tmp_path / "two") as office:
        missing = office.documents.ropa(COMPANY).rpartition("## Missing")[2]
        assert "the country of region local" in missing
        assert "the recipients, or categories of them, of access" in missing
        assert "nobody is named" in office.documents.notice_page(office.notice.notice_id)


def test_what_is_not_known_is_said_to_be_missing_and_nothing_is_guessed(tmp_path: Path) -> None:
    with an_office(tmp_path, policy=BUILT_IN) as office:
        told = office.documents.ropa(COMPANY)
    assert BUILT_IN.controller.name not in told
    missing = told.rpartition("## Missing")[2]
    for what in ("the controller's name", "how the controller is reached", "the data protection officer"):
        assert f"**missing: {what}" in told
        assert f"- {what}" in missing


def test_words_of_an_operator_do_not_break_out_of_a_table(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        office.place.recognition.update_collection(COMPANY, office.collection_id, name="door | east\n# <b>")
        told = office.documents.ropa(COMPANY)
    assert "door \\| east \\# \\<b\\>" in told


def test_the_records_tell_where_data_is_without_an_address(tmp_path: Path) -> None:
    regions = tmp_path / "regions.toml"
    regions.write_text(
        f'default = "local"\n[regions.local]\ndatabase = "postgresql://db.secret.internal/x"\nblobs = "s3://bucket-secret/x"\n'
        f'segments = "file://{tmp_path}/segments"\nkeys = "pkcs11:token=secret?module-path=/usr/lib/none.so&pin-source=file:/x"\n'
        f'gallery_keys = "file://{tmp_path}/gallery-keys"\nreplicate_to = ["us"]\n[regions.us]\n'
    )
    with an_office(tmp_path / "place", regions_file=regions) as office:
        told = office.documents.ropa(COMPANY)
    assert (
        "| local | PostgreSQL | a bucket | a PKCS\\#11 token |" in told
        or "| local | PostgreSQL | a bucket | a PKCS#11 token |" in told
    )
    assert "| us | none | none | none |" in told
    assert "secret" not in told


def test_the_assessment_tells_measured_rates_and_what_is_missing(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        unknown = office.documents.dpia(COMPANY)
        assert "**missing: measured rates of the model `scripted:1`**" in unknown
        measured = THRESHOLDS["mobilefacenet"][2]
        card = EmbedderCard("mobilefacenet", "scripted:1", 64)
        office.documents = replace(office.documents, means=replace(office.means, cards=(card,)))
        # At a threshold over what was measured, the nearest measurement under it is told, which is no worse for strangers.
        office.place.recognition.update_collection(
            COMPANY, office.collection_id, thresholds=Thresholds(measured.similarity + 0.001, 0.7, measured.fmr)
        )
        told = office.documents.dpia(COMPANY)
    assert f"{measured.fmr:g} at {measured.similarity:.3f}" in told
    assert f"{100 * measured.fnmr:.2f} %" in told
    for what in ("the advice of the data protection officer", "rates measured on your own people"):
        assert f"- {what}" in told.rpartition("## Missing")[2]


def test_a_purpose_in_public_space_is_told_as_one(tmp_path: Path) -> None:
    public = replace(ACCESS, name="square | watch", contexts=frozenset({Context.PUBLIC_SPACE}))
    with an_office(tmp_path, policy=replace(POLICY, purposes=(ACCESS, public))) as office:
        told = office.documents.dpia(COMPANY)
    assert "**Identification at a distance.**" in told
    assert "square \\| watch" in told


def test_rates_of_another_model_are_not_told() -> None:
    cards = (EmbedderCard("mobilefacenet", "mobilefacenet:1", 192),)
    assert measured_rates(cards, "mobilefacenet:1") == THRESHOLDS["mobilefacenet"]
    assert measured_rates(cards, "mobilefacenet:2") is None


def test_each_scheme_is_told_as_the_threat_model_tells_it() -> None:
    # The document points to its own text with `(below)`; there is no below elsewhere.
    lines = (REPOSITORY / "docs" / "THREAT_MODEL.md").read_text().replace(" (below)", "").splitlines()
    for scheme, facts in SCHEMES.items():
        expected = (f"`{scheme}`", facts.thief, facts.server, facts.key_holder, facts.tolerance)
        assert f"| {' | '.join(expected)} |" in lines


def sign_of(office: Office) -> bytes:
    return office.documents.sign(COMPANY, office.notice.notice_id)


def test_the_sign_tells_who_why_how_long_and_what_one_may_do(tmp_path: Path) -> None:
    with an_office(tmp_path / "one") as office:
        told = text_of(sign_of(office))
        for fact in ("Example Ltd", "access", "consent (GDPR Art. 6(1)(a))", "60 days after", office.notice.notice_id):
            assert fact in told
    with an_office(tmp_path / "two", retention_days=30) as office:
        assert "30 days after" in text_of(sign_of(office))


def test_the_code_of_the_sign_leads_to_the_notice(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        assert code_of(sign_of(office)) == f"{ORIGIN}/notices/{office.notice.notice_id}"


def test_a_sign_without_an_address_or_of_another_company_is_refused(tmp_path: Path) -> None:
    with an_office(tmp_path, subject_origin=None) as office:
        with pytest.raises(RequestInvalid, match="MORETTA_SUBJECT_ORIGIN"):
            sign_of(office)
        with pytest.raises(NotFound):
            office.documents.sign(OTHER_COMPANY, office.notice.notice_id)


@pytest.mark.skipif(not FONT.exists(), reason="this machine has no TrueType font at the usual place")
def test_words_beyond_latin_1_need_a_font_and_print_with_it(tmp_path: Path) -> None:
    policy = replace(POLICY, controller=replace(POLICY.controller, contact="Łódź"))
    with an_office(tmp_path, policy=policy) as office:
        with pytest.raises(RequestInvalid, match="MORETTA_SIGN_FONT"):
            sign_of(office)
        documents = replace(office.documents, settings=office.documents.settings.model_copy(update={"sign_font": FONT}))
        office.documents = documents
        assert code_of(sign_of(office)).startswith(ORIGIN)
        no_font = tmp_path / "no.ttf"
        no_font.write_bytes(b"no font")
        office.documents = replace(documents, settings=documents.settings.model_copy(update={"sign_font": no_font}))
        with pytest.raises(RequestInvalid, match="TrueType"):
            sign_of(office)


def test_more_than_a_page_takes_is_refused(tmp_path: Path) -> None:
    policy = replace(POLICY, controller=replace(POLICY.controller, contact="word " * 900))
    with an_office(tmp_path, policy=policy) as office, pytest.raises(RequestInvalid, match="one page"):
        sign_of(office)


def test_the_page_of_a_notice_tells_what_is_configured(tmp_path: Path) -> None:
    with an_office(tmp_path) as office:
        told = office.documents.notice_page(office.notice.notice_id)
        for fact in (
            "<h1>Your face at the door</h1>",
            "60 days after the last interaction",
            "dpo@example.org",
            office.notice.sha256,
        ):
            assert fact in told
        office.retention.set_rule(
            COMPANY, RetentionRule(office.collection_id, purpose_ends=office.clock() + timedelta(days=9))
        )
        assert "The purpose ends" in office.documents.notice_page(office.notice.notice_id)
        with pytest.raises(NotFound):
            office.documents.notice_page("not_local_0123456789abcdef01234567")


def test_markup_in_a_notice_stays_text(tmp_path: Path) -> None:
    from moretta.wiring.governance.rendering import prose

    told = prose("<script>alert(1)</script> [x](javascript:alert(1)) ![y](https://example.org/y.png)")
    assert "<script" not in told
    assert "href" not in told.partition("example.org")[0].replace('href="https', "")
    assert "<img" not in told
    del tmp_path
