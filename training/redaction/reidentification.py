"""Who is still recognised under each method, among many people.

Belongs here: the protocol and the attackers. Does not belong here: reading photographs (see `faces`), printing.

The gallery holds one photograph each of many people, the probes are other photographs of some of them, hidden. Attackers:

- *raw*: the recogniser compares hidden probes with originals;
- *adapted*: with originals that were hidden by the same method, another lot each (Newton, Sweeney and Malin 2005: the parrot);
- *reversed*: probes undone as far as can be, with originals, and *reversed, adapted*: with gallery photographs hidden and undone;
- *learned*: a linear discriminant on the pixels under the cover and the cover's shape, learned on other people who were hidden by
  the same method (the attack of McPherson, Shokri and Shmatikov 2016 with as much learning as so few people allow);
- *shape alone*: the ratio of the cover's sides, nothing under it.

Each sees only what the cover shows. The recogniser's pictures are aligned by the landmarks of the original, which the attacker is
given; the learned attacker's by the cover, since where landmarks lie in a face already tells people apart.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from moretta.core.redaction import Method, Redactor
from moretta.core.values import Floats, Pixels
from moretta.evaluation.recognition.intervals import share_interval
from moretta.statistics.audit import clopper_pearson
from moretta.use_cases.redaction.attacks import only_inside
from moretta.use_cases.redaction.instruments import AttackTools
from training.redaction.faces import Shown, picture

FMR = 1e-3
TIE = 1e-6  # scores that differ by less are equal
# px of the learned attacker's picture: finer than any cell.
_SMALL = 16
# Grey levels for a ratio of 1, so that principal components do not drop it.
_RATIO_WEIGHT = 200.0
_KEPT = 120
_INSIDE = 60
# Each half of the people is attacked by what the other half taught.
FOLDS = 2

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Success:
    """One attacker's: the share of probes ranked first, and accepted at `FMR`, with 95 % intervals by person.

    `times_chance` is the exact binomial 95 % interval (Clopper and Pearson 1934) of `rank1` as a multiple of chance, and
    `by_chance` the probability of so many hits or more where each probe has the chance 1 in the gallery's size.
    `ranks_above` is the mean share of the others that score below the person's own photograph: one half by chance. It counts
    every comparison where `rank1` counts a handful of hits, so it tells small leaks, with its 95 % interval by person.
    """

    attack: str
    hits: int
    probes: int
    rank1: float
    rank1_interval: tuple[float, float]
    times_chance: tuple[float, float]
    by_chance: float
    ranks_above: float
    ranks_above_interval: tuple[float, float]
    tar: float
    tar_interval: tuple[float, float]
    cosine: float


@dataclass(slots=True)
class Seen:
    """What attackers have of all photographs, in their order, under one method."""

    raw: list[Floats] = field(default_factory=list)
    undone: list[Floats] = field(default_factory=list)
    small: list[Floats] = field(default_factory=list)


class Reidentification:
    """One set of people: `photos` with `portrait.photo` 0 is the gallery, all others are probes."""

    def __init__(self, photos: Sequence[Shown], tools: Callable[[Method], AttackTools]) -> None:
        self._photos, self._tools = photos, tools
        self._people = np.array([each.portrait.person for each in photos])
        first = np.array([each.portrait.photo == 0 for each in photos])
        self._gallery = np.flatnonzero(first)
        self._probes = np.flatnonzero(~first & np.isin(self._people, self._people[first]))
        embed = tools(Method.SOLID).embedder.embed
        self._inside = _stacked(
            embed(only_inside(picture(each.portrait.path), each.face.box), each.face.landmarks).vector
            for each in photos
        )
        self._shapes = _stacked(np.array([_ratio(each.face.box)]) for each in photos)

    @property
    def people(self) -> int:
        """Size of the gallery; chance is 1 in it."""
        return len(self._gallery)

    @property
    def probes(self) -> int:
        """How many are tried."""
        return len(self._probes)

    def originals(self) -> Success:
        """The same without hiding anything."""
        return self._success("nothing hidden", self._scores(self._inside, self._inside))

    def surroundings(self) -> Success:
        """The learned attacker on what stays visible around any cover, and nothing under it."""
        pixels = (_around(picture(each.portrait.path), each.face.box) for each in self._photos)
        return self._success("learned, around the cover", self._learned(_stacked(pixels)))

    def attacks(self, method: Method) -> list[Success]:
        """Every attacker on `method`."""
        seen = self._seen(method)
        raw = _stacked(seen.raw)
        compared = {
            "raw": self._scores(raw, self._inside),
            "adapted": self._scores(raw, raw),
            "learned": self._learned(_stacked(seen.small)),
            "shape alone": -np.abs(self._shapes[self._probes] - self._shapes[self._gallery].T),
        }
        if seen.undone:
            undone = _stacked(seen.undone)
            compared |= {
                "reversed": self._scores(undone, self._inside),
                "reversed, adapted": self._scores(undone, undone),
            }
        return [self._success(attack, scores) for attack, scores in compared.items()]

    def _seen(self, method: Method) -> Seen:
        tools, seen = self._tools(method), Seen()
        for number, each in enumerate(self._photos):
            pixels, face = picture(each.portrait.path), each.face
            redactor: Redactor = tools.redactor(number)
            redactor.hide(pixels, [face])
            inside = only_inside(pixels, face.box)
            seen.raw.append(tools.embedder.embed(inside, face.landmarks).vector)
            seen.small.append(_small(inside, face.box))
            if tools.reverse is not None:
                undone = only_inside(tools.reverse(pixels, face.box), face.box)
                seen.undone.append(tools.embedder.embed(undone, face.landmarks).vector)
        return seen

    def _scores(self, probes: Vectors, gallery: Vectors) -> Vectors:
        return np.asarray(probes[self._probes] @ gallery[self._gallery].T, np.float32)

    def _success(self, attack: str, scores: Vectors) -> Success:
        people = self._people[self._probes]
        mine = self._people[self._gallery][None] == people[:, None]
        genuine = scores[mine]
        others = np.where(mine, -np.inf, scores)
        # A tie is no find: where all faces look the same, nobody is first.
        first = (genuine > others.max(axis=1) + TIE).astype(np.float64)
        accepted = (genuine > np.quantile(scores[~mine], 1 - FMR) + TIE).astype(np.float64)
        gaps = (genuine[:, None] - scores)[~mine].reshape(len(genuine), -1)
        above = (gaps > TIE).mean(axis=1) + (np.abs(gaps) <= TIE).mean(axis=1) / 2
        hits, trials, size = int(first.sum()), len(first), len(self._gallery)
        low, high = clopper_pearson(hits, trials, 0.025)
        return Success(
            attack,
            hits,
            trials,
            float(first.mean()),
            share_interval(first, people),
            (low * size, high * size),
            float(betainc(hits, trials - hits + 1, 1 / size)) if hits else 1.0,
            float(above.mean()),
            share_interval(above.astype(np.float64), people),
            float(accepted.mean()),
            share_interval(accepted, people),
            float(genuine.mean()),
        )

    def _learned(self, features: Vectors) -> Vectors:
        """Scores in the directions in which people differ most, as other people taught."""
        scores = np.zeros((len(self._probes), len(self._gallery)), np.float32)
        for fold in range(FOLDS):
            others = self._people % FOLDS != fold
            projected = discriminant(features[others], self._people[others])(features)
            tried = self._people[self._probes] % FOLDS == fold
            scores[tried] = self._scores(projected, projected)[tried]
        return scores


def discriminant(features: Vectors, people: npt.NDArray[np.intp]) -> Callable[[Vectors], Vectors]:
    """Linear discriminant analysis after principal components (Belhumeur, Hespanha and Kriegman 1997): to unit vectors."""
    mean = features.mean(axis=0)
    _, _, directions = np.linalg.svd(features - mean, full_matrices=False)
    basis = directions[: min(_KEPT, len(features) // 4)].T
    reduced = (features - mean) @ basis
    several = np.isin(people, np.flatnonzero(np.bincount(people) > 1))
    centred = np.concatenate(
        [reduced[people == p] - reduced[people == p].mean(axis=0) for p in np.unique(people[several])]
    )
    within = np.cov(centred.T) + 1e-3 * np.trace(np.cov(centred.T)) / basis.shape[1] * np.eye(basis.shape[1])
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-9))

    def projected(given: Vectors) -> Vectors:
        found = (given - mean) @ basis @ whiten
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9), np.float32)

    return projected


def _small(pixels: Pixels, box: Floats) -> Floats:
    """What lies in the box as few pixels, and the ratio of its sides."""
    height, width = pixels.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), [left + 1, top + 1], [width, height]).astype(int)
    part = cv2.resize(pixels[top:bottom, left:right], (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    return np.append(part.astype(np.float32).reshape(-1), np.float32(_RATIO_WEIGHT * _ratio(box)))


def _around(pixels: Pixels, box: Floats) -> Floats:
    """What lies in the box grown by half of its sides, grey under the cover, as few pixels, and the ratio of its sides."""
    grey = only_inside(np.full_like(pixels, _INSIDE), box)
    grown = np.asarray(box + np.concatenate([box[:2] - box[2:], box[2:] - box[:2]]) / 4, np.float32)
    return _small(np.where(grey == _INSIDE, grey, pixels), grown)


def _ratio(box: Floats) -> float:
    return float((box[3] - box[1]) / max(box[2] - box[0], 1))


def _stacked(vectors: Iterable[Floats]) -> Vectors:
    return np.stack(list(vectors)).astype(np.float32)
