"""The attacks of the check: can anybody be recognised under what was drawn over them?

Belongs here: which faces are attacked, how an attack's success is counted. Does not belong here: the recogniser, undoing a blur
(both are handed over), faces that were not covered at all (`check`).

What is attacked is what the cover shows: in every picture of an attack, gallery and probe, all outside of the cover is grey. A
wall behind two people would tell them apart as well, and says nothing about the cover. Probes are cut from the written output, at
the places of the original's landmarks, which an attacker may know. Three attackers, after EVALUATION of face de-identification
(Newton, Sweeney and Malin 2005; McPherson, Shokri and Shmatikov 2016):

- **raw**: the recogniser compares the probe with the original faces.
- **adapted**: it compares with original faces over which the same method was drawn (Newton's parrot), from other frames of the
  item than the probe's: whoever has the very frame needs no recogniser. So a still has no such trial, nor an item of one person.
- **reversed**: what the method did is undone as far as it can be, then compared with the original faces.

To a recogniser a cover is itself somewhat like some faces: under one dark colour, with nothing of a face in it, 3 of 27 masked
faces of crowds were ranked before a hundred strangers without masks, under a blur 8. So the scores of raw and reversed are taken
less those of the same method drawn over a grey picture at the same place, by other lots (zero normalisation, as Auckenthaler,
Carey and Lloyd-Thomas 2000 tell it).

The gallery of raw and reversed holds the people of the item and strangers, so that an item of one person has a chance to compare
with; that of adapted holds the people of the item alone. Few faces of an item are attacked, the largest, so that the cost stays
that of a second of video.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import comb

import numpy as np
import numpy.typing as npt

from moretta.core.geometry import mesh_landmarks
from moretta.core.redaction import FaceToHide
from moretta.core.thresholds import THRESHOLDS
from moretta.core.values import Floats, Pixels, TrackId
from moretta.use_cases.redaction.instruments import AttackTools
from moretta.use_cases.redaction.plan import Plan
from moretta.use_cases.redaction.tracks import Span

# An embedding takes 15 ms of one core and an attacked face five of them: twelve take under a second.
MOST_SAMPLES = 12
MOST_OF_A_TRACK = 4
# px of the dilated box: below, MobileFaceNet's 112 px show less than half of what they are made for, in the original too.
LEAST_SIDE = 48.0
# Detections from here on are faces on photographs (docs/model-cards/centerface.md); what is attacked must be one.
LEAST_SCORE = 0.5
# Two tracks whose originals are this alike are one person: FMR 1e-3.
SAME_PERSON = next(each.similarity for each in THRESHOLDS["mobilefacenet"] if each.fmr == 1e-3)
# What is cut out around a box, as a share of its sides, so that a method finds the surroundings it takes colours from.
_AROUND = 0.3
_GREY = 127
# Covers over no face at all that an attack on a face is compared with: two lots, since one is one colour.
NULLS = 2


class Attack(StrEnum):
    """Who attacks."""

    RAW = "raw"
    ADAPTED = "adapted"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Attacked:
    """What came of it: `reidentified` of `trials` faces were ranked first in a gallery of `gallery_size` people by the attack
    whose success is the least likely by chance; `reversal_similarity` is the greatest mean cosine between an original and what
    an attack made of its output, None where no face of the item was large enough."""

    gallery_size: int = 0
    trials: int = 0
    reidentified: int = 0
    reversal_similarity: float | None = None


@dataclass(slots=True)
class _Sample:
    """One attacked face, px of the upright original; `box` is its cover, `parrot_box` the adapted attacker's."""

    track_id: TrackId
    box: Floats
    parrot_box: Floats
    landmarks: Floats
    original: Floats | None = None
    parrot: Floats | None = None
    probes: dict[Attack, Floats] = field(default_factory=dict)
    nulls: dict[Attack, Floats] = field(default_factory=dict)


class LeakAttacks:
    """Attacks some faces of one item. Not safe for several threads at once."""

    def __init__(self, plan: Plan, tools: AttackTools, seed: int) -> None:
        self._tools, self._seed = tools, seed
        self._samples: dict[int, list[_Sample]] = {}
        # Another seed than the item's: an attacker knows the method and not the lot.
        others = replace(plan, seed=seed + 1)
        sampled = list(sampled_faces(plan))
        frames, tracks = {index for index, _ in sampled}, {face.track_id for _, face in sampled}
        self._adapted = len(frames) > 1 and len(tracks) > 1
        for index, face in sampled:
            other = next(each for each in others.hidden_at(index) if each.track_id == face.track_id)
            self._samples.setdefault(index, []).append(_Sample(face.track_id, face.box, other.box, face.landmarks))

    def take_original(self, pixels: Pixels, index: int) -> None:
        """Learn from frame `index` of the original, before anything is drawn over it."""
        for number, sample in enumerate(self._samples.get(index, ())):
            both = np.concatenate(
                [np.minimum(sample.box, sample.parrot_box)[:2], np.maximum(sample.box, sample.parrot_box)[2:]]
            )
            cut, _, shift = _cut(pixels, both)
            box, other = (np.asarray(each - np.tile(shift, 2), np.float32) for each in (sample.box, sample.parrot_box))
            face = self._tools.describe(cut, FaceToHide(sample.track_id, box, sample.landmarks - shift))
            if face.mesh is not None:
                face = replace(face, landmarks=mesh_landmarks(face.mesh.points))
                sample.landmarks = face.landmarks + shift
            sample.original = self._embedded(cut, box, face.landmarks)
            if not self._adapted:
                continue
            hidden = cut.copy()
            self._tools.redactor(self._seed + 1 + 1000 * index + number).hide(hidden, [replace(face, box=other)])
            sample.parrot = self._embedded(hidden, other, face.landmarks)

    def take_output(self, pixels: Pixels, index: int, scale: float) -> None:
        """Attack frame `index` of the output, which has `scale` px per px of the original."""
        for sample in self._samples.get(index, ()):
            cut, box, shift = _cut(pixels, sample.box * scale)
            landmarks = np.asarray(sample.landmarks * scale - shift, np.float32)
            sample.probes, sample.nulls = self._probed(cut, box, landmarks), self._null(cut, box, landmarks, sample)

    def _probed(self, cut: Pixels, box: Floats, landmarks: Floats) -> dict[Attack, Floats]:
        """What each attacker makes of a written face, where it can make anything of it."""
        probes: dict[Attack, Floats] = {}
        probe = self._embedded(cut, box, landmarks)
        if probe is not None:
            probes |= {Attack.RAW: probe, Attack.ADAPTED: probe}
        if self._tools.reverse is not None:
            undone = self._embedded(self._tools.reverse(cut, box), box, landmarks)
            if undone is not None:
                probes[Attack.REVERSED] = undone
        return probes

    def _null(self, cut: Pixels, box: Floats, landmarks: Floats, sample: _Sample) -> dict[Attack, Floats]:
        """The mean of what each attacker makes of covers over nobody."""
        found = []
        for lot in range(NULLS):
            blank = np.full_like(cut, _GREY)
            redactor = self._tools.redactor(self._seed + 1 + NULLS * int(sample.track_id) + lot)
            redactor.hide(blank, [FaceToHide(sample.track_id, box, landmarks)])
            found.append(self._probed(blank, box, landmarks))
        shared = [attack for attack in (Attack.RAW, Attack.REVERSED) if all(attack in each for each in found)]
        return {attack: np.asarray(np.mean([each[attack] for each in found], axis=0), np.float32) for attack in shared}

    def conclude(self) -> Attacked:
        """What the attacks on all faces taken came to."""
        samples = [each for several in self._samples.values() for each in several if each.probes]
        samples = [each for each in samples if each.original is not None]
        if not samples:
            return Attacked()
        people = same_people(samples_originals(samples), SAME_PERSON)
        outcomes = [outcome for attack in Attack if (outcome := self._ranked(attack, samples, people)) is not None]
        size, trials, hits = min(outcomes, key=lambda each: by_chance(each[2], each[1], each[0]), default=(0, 0, 0))
        size = size or len(set(people.values()))
        return Attacked(size, trials, hits, _greatest_mean(samples))

    def _ranked(
        self, attack: Attack, samples: Sequence[_Sample], people: Mapping[TrackId, int]
    ) -> tuple[int, int, int] | None:
        """Gallery size, trials and faces ranked first under `attack`; None where it has no trial."""
        adapted = attack is Attack.ADAPTED
        strangers = self._tools.strangers[:0] if adapted else self._tools.strangers
        size = len(set(people.values())) + len(strangers)
        trials = hits = 0
        for sample in samples:
            probe = sample.probes.get(attack)
            gallery = _gallery(samples, people, sample if adapted else None)
            mine = people[sample.track_id]
            if probe is None or mine not in gallery or len(gallery) + len(strangers) < size or size < 2:
                continue
            others = np.stack([*(vector for person, vector in gallery.items() if person != mine), *strangers])
            moved = probe - sample.nulls.get(attack, np.float32(0))
            trials += 1
            hits += bool(float(gallery[mine] @ moved) > float((others @ moved).max()))
        return (size, trials, hits) if trials else None

    def _embedded(self, pixels: Pixels, box: Floats, landmarks: Floats) -> Floats | None:
        """The embedding of what lies under the cover; None where the landmarks make no face."""
        try:
            return self._tools.embedder.embed(only_inside(pixels, box), landmarks).vector
        except ValueError:
            return None


def sampled_faces(plan: Plan) -> Iterator[tuple[int, FaceToHide]]:
    """The faces to attack, with their frames: detected ones that are large enough, spread over the largest tracks."""
    eligible = [(span, rows) for span in plan.hidden if len(rows := _eligible(span, plan.scale))]
    eligible.sort(key=lambda each: (-_side(each[0].rows[each[1]]).max(), each[0].track_id, each[0].first))
    eligible = eligible[:MOST_SAMPLES]
    each_gets = min(MOST_OF_A_TRACK, MOST_SAMPLES // max(len(eligible), 1))
    for span, rows in eligible:
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, each_gets).round().astype(int))]
        for index in (int(row) + span.first for row in chosen):
            yield index, next(face for face in plan.hidden_at(index) if face.track_id == span.track_id)


def _eligible(span: Span, scale: float) -> npt.NDArray[np.intp]:
    rows = span.rows
    return np.flatnonzero((rows[:, 14] >= LEAST_SCORE) & (_side(rows) / scale >= LEAST_SIDE))


def _side(rows: Floats) -> Floats:
    return np.asarray((rows[:, 2:4] - rows[:, :2]).min(axis=1))


def only_inside(pixels: Pixels, box: Floats) -> Pixels:
    """A copy of `pixels` (h, w, 3) that is grey outside of the ellipse in `box` (xyxy px)."""
    height, width = pixels.shape[:2]
    centre, half = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 1) / 2
    across = (np.arange(width) + 0.5 - centre[0]) / half[0]
    down = (np.arange(height) + 0.5 - centre[1]) / half[1]
    inside = np.square(across)[None, :] + np.square(down)[:, None] <= 1
    return np.where(inside[..., None], pixels, np.uint8(_GREY))


def same_people(originals: Mapping[TrackId, Floats], threshold: float) -> dict[TrackId, int]:
    """Each track's person, a small number: tracks are joined where their originals' cosine is at least `threshold`."""
    person: dict[TrackId, int] = {}
    for number, (track, vector) in enumerate(originals.items()):
        alike = {person[other] for other in person if float(originals[other] @ vector) >= threshold}
        person[track] = min(alike, default=number)
        person = {other: person[track] if mine in alike else mine for other, mine in person.items()}
    return person


def by_chance(hits: int, trials: int, gallery: int) -> float:
    """The probability of at least `hits` of `trials` where each has the chance 1 in `gallery`."""
    chance = 1 / max(gallery, 1)
    return sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(hits, trials + 1))


def samples_originals(samples: Sequence[_Sample]) -> dict[TrackId, Floats]:
    """The mean original of each track, a unit vector."""
    tracks = dict.fromkeys(sample.track_id for sample in samples)
    return {
        track: _unit([s.original for s in samples if s.track_id == track and s.original is not None])
        for track in tracks
    }


def _gallery(samples: Sequence[_Sample], people: Mapping[TrackId, int], not_of: _Sample | None) -> dict[int, Floats]:
    """One unit vector a person: the originals', or with `not_of` those drawn over, from other faces than that one."""
    vectors: dict[int, list[Floats]] = {}
    for sample in samples:
        vector = sample.original if not_of is None else sample.parrot
        if vector is not None and sample is not not_of:
            vectors.setdefault(people[sample.track_id], []).append(vector)
    return {person: _unit(several) for person, several in vectors.items()}


def _unit(vectors: Sequence[Floats]) -> Floats:
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def _greatest_mean(samples: Sequence[_Sample]) -> float:
    means = []
    for attack in (Attack.RAW, Attack.REVERSED):
        cosines = [
            float(s.original @ s.probes[attack]) for s in samples if s.original is not None and attack in s.probes
        ]
        means += [float(np.mean(cosines))] if cosines else []
    return round(max(means), 3)


def _cut(pixels: Pixels, box: Floats) -> tuple[Pixels, Floats, Floats]:
    """The part of `pixels` around `box`, the box in it, and the part's corner, px (2,)."""
    height, width = pixels.shape[:2]
    around = (box[2:] - box[:2]) * _AROUND
    left, top = np.clip(np.floor(box[:2] - around), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box[2:] + around), [left + 1, top + 1], [width, height]).astype(int)
    shift = np.array([left, top], np.float32)
    return pixels[top:bottom, left:right], np.asarray(box - np.tile(shift, 2), np.float32), shift
