"""Which people and clips a model or a calibration may be fitted on, and which only report.

Belongs here: the one split rule that the training of the blending detector, the fitting of the trust fusion and every
reported figure share, so that nothing is judged on a person or a clip that it was fitted on.
Does not belong here: reading data.

The rule: a clip stands in one of the two lists below; every other key is placed by the SHA-256 of its name, so that a
new person falls on one side without a list to keep, and no choice can favour a figure.
"""

import hashlib
from typing import Literal

Part = Literal["fit", "report"]

FIT_SHARE = 0.75
# Mixed into the hash. Chosen once, before anything was fitted and by counting keys alone, so that the small sets too
# have about a quarter of their keys on the reporting side.
SALT = "moretta-split-3"

# Clips are too few for a hash to balance, so they are named. Fixed before any detector was trained.
FIT_CLIPS = frozenset({"talking/d0.mp4", "talking/d3.mp4", "talking/d14.mp4", "talking/s18.mp4"})
REPORT_CLIPS = frozenset(
    {
        "talking/d9.mp4",
        "talking/d18.mp4",
        "talking/s29.mp4",
        "liveness/lestari15_real.mp4",
        "liveness/lestari15_fake.mp4",
        "rppg_face/evm_face.mp4",
        "franck.mp4",
    }
)


def part_of(key: str) -> Part:
    """The side of the split on which a person, a clip or a picture without a known person falls.

    Args:
        key: the set and the name in it, with a slash: a person (`lfw/A_Person`), a clip (`talking/d0.mp4`), or the
            picture itself where its person is unknown (`realfake/real/real_1.jpg`). Never a person's single picture
            where the person is known: `person_key` makes the key from such a path.

    Returns:
        "fit" for about three keys of four, "report" for the rest; the same on every machine and in every release.
    """
    if key in FIT_CLIPS:
        return "fit"
    if key in REPORT_CLIPS:
        return "report"
    draw = int.from_bytes(hashlib.sha256(f"{SALT}/{key}".encode()).digest()[:8], "big") / 2**64
    return "fit" if draw < FIT_SHARE else "report"


def person_key(path: str) -> str:
    """The key of the person in `path` (set/person/picture, as in `lfw/A_Person/A_Person_0001.jpg`).

    Raises:
        ValueError: the path has another form.
    """
    parts = path.split("/")
    if len(parts) != 3:
        raise ValueError("expected set/person/picture: three names with slashes between")
    return "/".join(parts[:2])
