"""What a drill looks for: the subject in every form in which something could have been kept.

Belongs here: marks and their bytes. Does not belong here: where they are looked for.

A window is 16 bytes: by chance it stands in a terabyte once in 2^88 times. In `plain` forms are what nobody may keep anywhere; in
`sealed` forms the ciphertext and the wrapped key, which go as well, but which a database server keeps in its files for a while.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from moretta.core.erasure import MARKER_BYTES
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.protection.quantise import HE_GALLERY_SCALE, HE_PROBE_SCALE, SHARES_SCALE, quantised
from moretta.protection.rotation import SEED_BYTES, rotated
from moretta.wiring.drill.subject import Somebody

# So many windows of a long value: one that was kept in part is found by one of them.
_WINDOWS = 8
_NUMBERS = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """Bytes to look for, and what they are."""

    what: str
    content: bytes = field(repr=False)
    sealed: bool = False


def plain_marks(subject: Somebody, terms: ProtectionTerms) -> list[Mark]:
    """Marks of what no store may hold in the clear: name, photo, template."""
    name = subject.name
    marks = [Mark("name (UTF-8)", name.encode())]
    marks += [Mark(f"name ({form})", name.encode(form)) for form in ("UTF-16-LE", "UTF-16-BE")]
    # What comes before is the same in all drills.
    marks += [Mark("photo", window) for window in _windows(subject.photo[64:])]
    for words, content, size in _templates(subject.template, terms):
        marks += [Mark(f"template ({words})", window) for window in _windows(content, size)]
    return marks


def sealed_marks(windows: Iterable[bytes], segments: Iterable[bytes]) -> list[Mark]:
    """Marks of ciphertext: windows of sealed values and the wrapped key, and of packed segments that held the subject."""
    marks = [Mark("sealed value or wrapped key", window, sealed=True) for window in windows]
    for segment in segments:
        marks += [Mark("packed ciphertext", window, sealed=True) for window in _windows(segment)]
    return marks


def _templates(template: npt.NDArray[np.float32], terms: ProtectionTerms) -> Iterator[tuple[str, bytes, int]]:
    """The template in every form that a scheme computes with, and how long a window of it must be; some turn it first."""
    forms = {"": template.astype(np.float64)}
    if terms.scheme is not Scheme.PLAIN:
        forms["turned, "] = rotated(template, terms.material[:SEED_BYTES])
    for words, vector in forms.items():
        yield f"{words}float32", vector.astype("<f4").tobytes(), MARKER_BYTES
        yield f"{words}float64", vector.astype("<f8").tobytes(), MARKER_BYTES
        for scale in (HE_GALLERY_SCALE, HE_PROBE_SCALE, SHARES_SCALE):
            # A whole number of a template holds 5 to 7 random bits: 16 of them are as good as 80.
            whole = quantised(vector, scale)
            yield f"{words}int16 at {scale}", whole.astype("<i2").tobytes(), 2 * _NUMBERS
            yield f"{words}int32 at {scale}", whole.astype("<i4").tobytes(), 4 * _NUMBERS


def _windows(content: bytes, size: int = MARKER_BYTES) -> list[bytes]:
    last = len(content) - size
    # A multiple of 16, so that every window begins with a whole number.
    step = max(MARKER_BYTES, last // (_WINDOWS - 1) // MARKER_BYTES * MARKER_BYTES)
    return [content[at : at + size] for at in range(0, last + 1, step)][:_WINDOWS]
