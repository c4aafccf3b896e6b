"""The first-layer sign: one printable page that says who recognises faces here, why, and where to read more.

Belongs here: laying it out as PDF, with a QR code that leads to the notice. Does not belong here: what is true (see
`collecting`).

Source: EDPB Guidelines 3/2019 on video devices, 111-118: the most important information at once (controller, purpose, rights,
where the second layer is), readable before one enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import segno
from fontTools.ttLib import TTLibError  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos

from moretta.core.errors import RequestInvalid

# A4 in millimetres, and a margin that every printer can print within.
_WIDTH, _MARGIN = 210.0, 18.0
_QR_SIDE = 52.0
# ISO/IEC 18004: four modules of quiet zone around the symbol.
_QUIET = 4
# The first four bytes of a TrueType or OpenType font (ISO/IEC 14496-22, 4.4).
_TRUETYPE = (b"\x00\x01\x00\x00", b"true", b"OTTO")
_INK, _SOFT, _ACCENT = (29, 26, 23), (95, 87, 79), (122, 31, 43)


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands on a sign: `lines` are pairs of a heading and its text; `address` is where the QR code leads."""

    title: str
    subtitle: str
    lines: Sequence[tuple[str, str]]
    address: str


def sign_pdf(sign: Sign, font: Path | None = None) -> bytes:
    """The sign as a PDF of one A4 page.

    Args:
        font: a TrueType font, for words beyond Latin-1, which the fonts of every PDF reader do not hold.

    Raises:
        RequestInvalid: words beyond Latin-1 and no font, a font that cannot be used, or more text than one page takes.
    """
    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(auto=False)
    pdf.set_margins(_MARGIN, _MARGIN, _MARGIN)
    pdf.set_title(sign.title)
    pdf.set_creator("Moretta")
    family = _font(pdf, sign, font)
    pdf.add_page()
    _head(pdf, family, sign)
    for heading, text in sign.lines:
        _line(pdf, family, heading, text)
    if pdf.get_y() > pdf.h - _MARGIN - _QR_SIDE - 6:
        raise RequestInvalid("expected what fits on one page; shorten the words of controller, purpose or collection")
    _foot(pdf, family, sign.address)
    return bytes(pdf.output())


def _font(pdf: FPDF, sign: Sign, font: Path | None) -> str:
    if font is not None:
        try:
            with font.open("rb") as opened:
                known = opened.read(4) in _TRUETYPE
            for style in ("", "B") if known else ():
                pdf.add_font("sign", style, font)
        except (OSError, ValueError, KeyError, RuntimeError, TTLibError):
            known = False
        if not known:
            raise RequestInvalid("expected MORETTA_SIGN_FONT to name a TrueType font file")
        return "sign"
    told = (sign.title, sign.subtitle, sign.address, *(part for line in sign.lines for part in line))
    try:
        "".join(told).encode("latin-1")
    except UnicodeEncodeError:
        raise RequestInvalid(
            "expected words of Latin-1 on the sign; for others set MORETTA_SIGN_FONT to a TrueType font that has them"
        ) from None
    return "Helvetica"


def _head(pdf: FPDF, family: str, sign: Sign) -> None:
    _icon(pdf, _WIDTH - _MARGIN - 30, _MARGIN, 30)
    pdf.set_text_color(*_ACCENT)
    pdf.set_font(family, "B", 30)
    pdf.multi_cell(_WIDTH - 2 * _MARGIN - 36, 12.5, sign.title, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_text_color(*_INK)
    pdf.set_font(family, "", 15)
    pdf.ln(2)
    pdf.multi_cell(_WIDTH - 2 * _MARGIN - 36, 7, sign.subtitle, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_y(max(pdf.get_y(), _MARGIN + 34) + 4)
    pdf.set_draw_color(*_ACCENT)
    pdf.set_line_width(0.8)
    pdf.line(_MARGIN, pdf.get_y(), _WIDTH - _MARGIN, pdf.get_y())
    pdf.ln(6)


def _icon(pdf: FPDF, x: float, y: float, side: float) -> None:
    """A head within the corners of a viewfinder."""
    pdf.set_draw_color(*_ACCENT)
    pdf.set_line_width(1.4)
    corner = side / 4
    for left, top, across, down in (
        (x, y, 1, 1),
        (x + side, y, -1, 1),
        (x, y + side, 1, -1),
        (x + side, y + side, -1, -1),
    ):
        pdf.line(left, top, left + across * corner, top)
        pdf.line(left, top, left, top + down * corner)
    pdf.ellipse(x + side * 0.36, y + side * 0.18, side * 0.28, side * 0.34)
    pdf.arc(x + side * 0.2, y + side * 0.58, side * 0.6, 180, 360, side * 0.56)


def _line(pdf: FPDF, family: str, heading: str, text: str) -> None:
    pdf.set_text_color(*_SOFT)
    pdf.set_font(family, "B", 11)
    pdf.cell(0, 6, heading, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_text_color(*_INK)
    pdf.set_font(family, "", 14)
    pdf.multi_cell(_WIDTH - 2 * _MARGIN, 6.4, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(3)


def _foot(pdf: FPDF, family: str, address: str) -> None:
    top = pdf.h - _MARGIN - _QR_SIDE
    _qr(pdf, address, _MARGIN, top)
    left = _MARGIN + _QR_SIDE + 8
    pdf.set_xy(left, top + 6)
    pdf.set_text_color(*_INK)
    pdf.set_font(family, "B", 15)
    pdf.multi_cell(
        _WIDTH - _MARGIN - left, 7, "All details, and your rights", align="L", new_x=XPos.LEFT, new_y=YPos.NEXT
    )
    pdf.set_font(family, "", 12)
    pdf.multi_cell(
        _WIDTH - _MARGIN - left,
        6,
        "Point your phone's camera at the code, or open the address below. Nothing is read from your phone.",
        align="L",
        new_x=XPos.LEFT,
        new_y=YPos.NEXT,
    )
    pdf.ln(2)
    pdf.set_x(left)
    pdf.set_text_color(*_ACCENT)
    pdf.multi_cell(_WIDTH - _MARGIN - left, 5.6, address, align="L", wrapmode=WrapMode.CHAR)


def _qr(pdf: FPDF, address: str, x: float, y: float) -> None:
    """The code as filled squares: sharp at every size. Level M takes 15 % of damage (ISO/IEC 18004)."""
    rows = [list(row) for row in segno.make(address, error="m", micro=False).matrix_iter(border=_QUIET)]
    module = _QR_SIDE / len(rows)
    pdf.set_fill_color(255, 255, 255)
    pdf.rect(x, y, _QR_SIDE, _QR_SIDE, style="F")
    pdf.set_fill_color(0, 0, 0)
    for line, row in enumerate(rows):
        start = None
        for at, dark in enumerate([*row, 0]):
            if dark and start is None:
                start = at
            elif not dark and start is not None:
                # A little taller than a module, so that no printer leaves a hair of white between two rows.
                pdf.rect(x + start * module, y + line * module, (at - start) * module, module * 1.02, style="F")
                start = None
