"""What a redaction works with, as the wiring hands it over.

Belongs here: the one bundle of ports and functions. Does not belong here: any implementation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from moretta.core.ports import FaceDetector, FaceEmbedder
from moretta.core.redaction import FaceFollower, FaceToHide, Method, Redactor
from moretta.core.values import Floats, Pixels

Reversal = Callable[[Pixels, Floats], Pixels]


class Cuts(Protocol):
    """Tells where scenes begin."""

    def cut_before(self, pixels: Pixels) -> bool:
        """Whether a new scene starts with this picture."""


@dataclass(frozen=True, slots=True)
class AttackTools:
    """What an attacker has.

    `describe` adds a mesh to a face where one fits; `redactor` makes a fresh method from a seed; `reverse` undoes it in a
    picture under a box xyxy px, and is None where there is nothing to undo; `strangers` float32 (n, d): embeddings of nobody in
    the item, of the embedder's own kind.
    """

    embedder: FaceEmbedder
    describe: Callable[[Pixels, FaceToHide], FaceToHide]
    redactor: Callable[[int], Redactor]
    reverse: Reversal | None
    strangers: Floats


@dataclass(frozen=True, slots=True)
class Detectors:
    """Who looks for faces: `quick` at frames of a video, `careful` now and then beside it, `still` at pictures of their own.

    Each may be called from two threads at once.
    """

    quick: FaceDetector
    careful: FaceDetector
    still: FaceDetector


@dataclass(frozen=True, slots=True)
class RedactionInstruments:
    """Everything that finds, follows and hides faces.

    `finding` looks at a low threshold, since a face that is not hidden is worse than a wall that is; `checking` at the one at
    which a face counts as found. `describe` adds mesh and measurements to a face for the methods that need them, which are
    `needs_mesh`. `redactor` makes a fresh one from method and seed. `attack` gives what the check attacks a method with; None
    where it does not attack.
    """

    finding: Detectors
    checking: Detectors
    follower: FaceFollower
    cuts: Callable[[], Cuts]
    describe: Callable[[Pixels, FaceToHide], FaceToHide]
    redactor: Callable[[Method, int], Redactor]
    needs_mesh: frozenset[Method] = frozenset({Method.AVATAR})
    attack: Callable[[Method], AttackTools] | None = None
