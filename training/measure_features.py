"""Prints, and writes into the product, what anonymised features give away and what they keep.

    python -m training.measure_features DATA --clip franck.mp4 --out src/moretta/core/feature_leakage_measured.py

DATA is the labelled development data; `--clip` names further clips of one person each. Nothing but figures is written.
The printed tables are those of docs/model-cards/anonymised-features.md.
"""

import argparse
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from moretta.core.feature_leakage import AttributeLeak, Kept, Leakage, Reidentification
from moretta.core.features import NAMES, Detail
from moretta.core.values import FaceSample, Floats
from moretta.use_cases.features import FeatureInstruments, Watched, anonymised, centred, ranged
from training.anonymised import attacks
from training.anonymised.agreement import blinks_of, matched, same
from training.anonymised.media import Laboratory, Person, clips, envelope_of, laboratory, people, samples_of

SEGMENT_S, HOP_S = 2.0, 0.5
MOST_FRAMES = 600  # of each clip, so that a long one does not decide
DTW_RATE_HZ = 10.0
HEAD = '''"""What anonymised features were measured to give away and to keep.

Belongs here: data, written by `python -m training.measure_features --out`; never edited by hand. A line's figures stand in the
order of its class's fields.
"""

from moretta.core.feature_leakage import AttributeLeak, Kept, Leakage, Reidentification
from moretta.core.features import Detail

'''
STATIC, GAZE, DYNAMIC = "rest and extent", "gaze and expression", "movement"
CLIPS, PHOTOS = f"segments of {SEGMENT_S:g} s of the other half of the same clip", "photos as the frames of two tracks"
CORRELATION = "median correlation over clips"
NAMED = {  # in what is written, where these recur
    f"{CLIPS}, {STATIC}": "_REST",
    f"{CLIPS}, {GAZE}": "_EXPRESSION",
    f"{CLIPS}, {DYNAMIC}": "_MOVEMENT",
    f"{PHOTOS}, {STATIC}": "_PHOTOS",
    CORRELATION: "_CORRELATION",
}
EXPRESSION = slice(3, 13)  # of the columns: gaze and expression; pose is how somebody sits before the camera


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clip", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lab = laboratory()
    watched, seen = [], []
    for clip in clips(given.data, given.clip):
        samples = [_light(sample) for sample in islice(samples_of(lab, clip), MOST_FRAMES)]
        track = Watched()
        for sample in samples:
            track.see(sample, lab.features)
        watched.append(track)
        seen.append((samples, envelope_of(lab, clip)))
        print(f"clip {len(seen)}: {len(samples)} frames", flush=True)
    photographed = people(lab, given.data / "lfw")
    source = f"{len(watched)} clips of one person each; LFW: {len(photographed)} people with six photos or more"
    leakage = {}
    for detail in Detail:
        print(f"\n## Detail: {detail.value}")
        exported = Exported(lab.features, detail)
        found = (*_clips(watched, exported), *_photos(photographed, exported))
        leaks = tuple(_attributes(photographed, exported))
        kept = _summed([_utility(lab, exported, *each, track) for each, track in zip(seen, watched, strict=True)])
        print("\n| measure | figure | value |\n|---|---|---|")
        for each in kept:
            print(f"| {each.measure} | {each.figure} | {each.value} |")
        leakage[detail] = Leakage(source, found, leaks, kept)
    if given.out is not None:
        given.out.write_text(written(leakage), "utf-8")


def written(leakage: Mapping[Detail, Leakage]) -> str:
    """The module that holds `leakage`."""
    lines = [f'{name} = "{text}"' for text, name in NAMED.items()]
    lines += ["", "LEAKAGE = {"]
    for detail, found in leakage.items():
        lines += [f"    Detail.{detail.name}: Leakage(", f'        "{found.source}",']
        for part in (found.reidentification, found.attributes, found.kept):
            lines += ["        (", *(f"            {_call(each)}," for each in part), "        ),"]
        lines.append("    ),")
    return "\n".join((HEAD + lines[0], *lines[1:], "}", ""))


def _call(made: Reidentification | AttributeLeak | Kept) -> str:
    words = (NAMED.get(each) or f'"{each}"' if isinstance(each, str) else repr(each) for each in astuple(made))
    return f"{type(made).__name__}({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export under `detail` makes of what was watched."""

    features: FeatureInstruments
    detail: Detail

    def table(self, track: Watched) -> np.ndarray | None:
        """The rows (n, 18) of a track."""
        rows = anonymised(track, self.features.moved_from_rest, self.detail)
        return None if rows is None else np.array(rows, float)

    def photos(self, values: np.ndarray) -> np.ndarray:
        """The columns (n, 13) of pose, gaze and expression, of photos as the frames of one track."""
        columns = centred(values, np.ones(len(values), bool), self.features.moved_from_rest)
        if self.detail is Detail.AMPLITUDES:
            return columns
        return ranged(np.hstack([columns, np.zeros((len(columns), len(NAMES) - columns.shape[1]))]))[
            :, : columns.shape[1]
        ]


def _light(sample: FaceSample) -> FaceSample:
    """Without the picture: a clip's would fill the memory."""
    return replace(sample, frame=replace(sample.frame, pixels=np.zeros((1, 1, 3), np.uint8)))


# Re-identification over clips: each clip's first half is watched by the attacker, its second half is exported anew.
def _clips(watched: list[Watched], exported: Exported) -> list[Reidentification]:
    halves: dict[str, list[list[tuple[np.ndarray, np.ndarray]]]] = {"before": [], "after": []}
    for track in watched:
        times = np.array(track.times_s)
        middle = (times[0] + times[-1]) / 2
        parts = [_part(track, times < middle), _part(track, times >= middle)]
        tables = [exported.table(part) for part in parts]
        if any(table is None for table in tables):
            continue
        raw = [np.stack(part.values)[:, [0, 1, 2, 3, 4, *range(8, 16)]] for part in parts]
        stamps = [np.array(part.times_s) for part in parts]
        halves["before"].append(list(zip(stamps, raw, strict=True)))
        halves["after"].append(list(zip(stamps, tables, strict=True)))
    count = len(halves["after"])
    found = []
    print(f"\nRe-identification over halves of {count} clips, segments of {SEGMENT_S:g} s (chance {1 / count:.3f})")
    print("| columns | attack | before | after | 95 % by person |\n|---|---|---|---|---|")
    for name, columns, dynamic in (
        (STATIC, None, False),
        (GAZE, EXPRESSION, False),
        (DYNAMIC, None, True),
    ):
        rates = {kind: _attacked(halves[kind], columns, dynamic) for kind in halves}
        for attack, (rate, bounds, _) in rates["after"].items():
            before = rates["before"][attack][0]
            print(f"| {name} | {attack} | {before:.3f} | {rate:.3f} | {bounds[0]:.3f}-{bounds[1]:.3f} |")
        best = max(rates["after"], key=lambda attack: rates["after"][attack][0])
        rate, bounds, trials = rates["after"][best]
        before = max(each[0] for each in rates["before"].values())
        found.append(
            Reidentification(
                f"{CLIPS}, {name}", count, trials, round(1 / count, 4), round(before, 3), round(rate, 3), bounds, best
            )
        )
    return found


def _part(track: Watched, chosen: np.ndarray) -> Watched:
    return Watched(
        [at for at, kept in zip(track.times_s, chosen, strict=True) if kept],
        [row for row, kept in zip(track.values, chosen, strict=True) if kept],
    )


def _attacked(
    people_halves: list[list[tuple[np.ndarray, np.ndarray]]], columns: slice | None, dynamic: bool
) -> dict[str, tuple[float, tuple[float, float], int]]:
    """Rate, interval and trials of each attack; each half is once what was watched and once what is exported."""
    hits: dict[str, list[np.ndarray]] = {}
    whose: list[np.ndarray] = []
    for watched, exported in ((0, 1), (1, 0)):
        train, test = (_segments(people_halves, half, columns) for half in (watched, exported))
        owners, probes = np.array(train[0]), np.array(test[0])
        shown = [np.stack([_descriptor(rows, dynamic) for rows in each[1]]) for each in (train, test)]
        guesses = {
            "nearest neighbour": attacks.nearest(shown[0], owners, shown[1]),
            "discriminant": attacks.discriminant(shown[0], owners, shown[1]),
            "logistic": attacks.logistic(shown[0], owners, shown[1]),
        }
        if dynamic:
            guesses["time warping"] = attacks.warped(
                [_moving(each) for each in train[1]], owners, [_moving(each) for each in test[1]]
            )
        for attack, guess in guesses.items():
            hits.setdefault(attack, []).append(guess == probes)
        whose.append(probes)
    owned = np.concatenate(whose)
    return {
        attack: (float(np.concatenate(each).mean()), attacks.interval(np.concatenate(each), owned), len(owned))
        for attack, each in hits.items()
    }


def _descriptor(rows: np.ndarray, dynamic: bool) -> np.ndarray:
    """All of a segment, or only its movement: spread and steps, without where it is."""
    whole = attacks.described(rows).reshape(5, -1)
    return whole[[1, 4]].ravel() if dynamic else whole.ravel()


def _moving(rows: np.ndarray) -> np.ndarray:
    """A segment about its own mean, ten rows a second."""
    chosen = np.linspace(0, len(rows) - 1, int(SEGMENT_S * DTW_RATE_HZ)).round().astype(int)
    return rows[chosen] - rows.mean(axis=0)


def _segments(
    people_halves: list[list[tuple[np.ndarray, np.ndarray]]], half: int, columns: slice | None
) -> tuple[list[int], list[np.ndarray]]:
    owners, segments = [], []
    for person, halves in enumerate(people_halves):
        times, rows = halves[half]
        rows = np.nan_to_num(rows if columns is None else rows[:, columns])
        for start in np.arange(times[0], times[-1] - SEGMENT_S + 1e-6, HOP_S):
            chosen = (times >= start) & (times < start + SEGMENT_S)
            if chosen.sum() >= SEGMENT_S * DTW_RATE_HZ:
                owners.append(person)
                segments.append(rows[chosen])
    return owners, segments


# Many people: the photos of a person as if they were the frames of two clips.
def _halved(person: Person, exported: Exported | None) -> list[np.ndarray]:
    parts = [person.values[start::2] for start in (0, 1)]
    if exported is None:
        return [np.concatenate([part[:, :5], part[:, 8:]], axis=1) for part in parts]
    return [exported.photos(part) for part in parts]


def _photos(found: list[Person], exported: Exported) -> list[Reidentification]:
    rates, bounds = {}, (0.0, 0.0)
    names = np.arange(len(found))
    print(f"\nRe-identification over halves of the photos of {len(found)} people (chance {1 / len(found):.4f})")
    print("| attack | before | after | 95 % by person |\n|---|---|---|---|")
    for kind, given in (("before", None), ("after", exported)):
        halves = [_halved(person, given) for person in found]
        first, second = (np.stack([attacks.described(each[half]) for each in halves]) for half in (0, 1))
        rates[kind] = {
            "nearest neighbour": attacks.nearest(first, names, second) == names,
            "adapted metric": _adapted(first, second, halves),
        }
    for attack, hits in rates["after"].items():
        low, high = attacks.interval(hits, names)
        print(f"| {attack} | {rates['before'][attack].mean():.3f} | {hits.mean():.3f} | {low:.3f}-{high:.3f} |")
    best = max(rates["after"], key=lambda attack: rates["after"][attack].mean())
    bounds = attacks.interval(rates["after"][best], names)
    before = max(float(each.mean()) for each in rates["before"].values())
    after = float(rates["after"][best].mean())
    what = f"{PHOTOS}, {STATIC}"
    return [
        Reidentification(
            what, len(found), len(found), round(1 / len(found), 4), round(before, 3), round(after, 3), bounds, best
        )
    ]


def _adapted(first: np.ndarray, second: np.ndarray, halves: list[list[np.ndarray]]) -> np.ndarray:
    """Nearest neighbour in the metric of other people's within-person spread: each fifth is attacked with the rest's."""
    count = len(first)
    part = np.arange(count) % 5
    hits = np.zeros(count, bool)
    for fold in range(5):
        others, own = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
        everything = np.concatenate([first[others], second[others]])
        middle, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-9
        apart = (first[others] - second[others]) / spread
        within = apart.T @ apart / (2 * len(others))
        weights = np.linalg.inv(0.7 * within + 0.3 * np.diag(np.diag(within)) + 1e-2 * np.eye(len(within)))
        gallery, probes = (first - middle) / spread, (second[own] - middle) / spread
        differences = probes[:, None] - gallery[None]
        hits[own] = np.einsum("ijk,kl,ijl->ij", differences, weights, differences).argmin(axis=1) == own
    return hits


def _attributes(found: list[Person], exported: Exported) -> list[AttributeLeak]:
    leaks = []
    older = float(np.median([person.age_years for person in found]))
    labels = {
        "gender (as the product's model guesses it)": np.array([person.female for person in found]),
        f"age over {older:.0f} (likewise)": np.array([person.age_years > older for person in found]),
    }
    print("\n| attribute | advantage before | after | 95 % |\n|---|---|---|---|")
    for name, label in labels.items():
        rows = {
            kind: np.stack(
                [np.mean([attacks.described(half) for half in _halved(person, given)], axis=0) for person in found]
            )
            for kind, given in (("before", None), ("after", exported))
        }
        before, _ = attacks.advantage(rows["before"], label)
        after, bounds = attacks.advantage(rows["after"], label)
        print(f"| {name} | {before:+.3f} | {after:+.3f} | {bounds[0]:+.3f} to {bounds[1]:+.3f} |")
        leaks.append(AttributeLeak(name, len(found), round(before, 3), round(after, 3), bounds))
    return leaks


# Utility: the same measures before and after.
def _utility(
    lab: Laboratory,
    exported: Exported,
    samples: list[FaceSample],
    sound: tuple[Floats, Floats] | None,
    track: Watched,
) -> dict[str, float]:
    table = exported.table(track)
    assert table is not None, "a clip is too short"
    raw = np.stack(track.values)
    at = {name: table[:, place] for place, name in enumerate(NAMES)}
    eyes = (at["eye_right"] + at["eye_left"]) / 2
    anonymous = [
        replace(sample, eye_openness=float(max(eye, 0.01)), mouth_openness=float(mouth))
        for sample, eye, mouth in zip(samples, eyes, at["mouth_open"], strict=True)
    ]
    figures = {
        "yaw": same(raw[:, 0], at["yaw"]),
        "pitch": same(raw[:, 1], at["pitch"]),
        "gaze, across": same(raw[:, 3], at["gaze_x"]),
        "gaze, down": same(raw[:, 4], at["gaze_y"]),
        "eyes' openness": same(np.array([sample.eye_openness for sample in samples]), eyes),
        "mouth's openness": same(np.array([sample.mouth_openness for sample in samples]), at["mouth_open"]),
    }
    both, one, other = matched(blinks_of(samples), blinks_of(anonymous))
    figures |= {"blinks in both": both, "blinks before": one, "blinks after": other}
    if sound is not None:
        meters = [lab.instruments.synchrony(sound) for _ in range(2)]
        for meter, seen in zip(meters, (samples, anonymous), strict=True):
            for sample in seen:
                meter.observe(sample)
        figures |= {
            f"synchrony {when}": meter.estimate().correlation or np.nan
            for when, meter in zip(("before", "after"), meters, strict=True)
        }
    return figures


def _summed(figures: list[dict[str, float]]) -> tuple[Kept, ...]:
    means = ("yaw", "pitch", "gaze, across", "gaze, down", "eyes' openness", "mouth's openness")
    kept = [Kept(name, CORRELATION, round(float(np.nanmedian([each[name] for each in figures])), 3)) for name in means]
    both, before, after = (sum(each[f"blinks {what}"] for each in figures) for what in ("in both", "before", "after"))
    kept.append(
        Kept(
            "blinks",
            f"share of {before:.0f} found again, of {after:.0f} after (F1)",
            round(2 * both / max(before + after, 1), 3),
        )
    )
    pairs = [(each["synchrony before"], each["synchrony after"]) for each in figures if "synchrony before" in each]
    known = [pair for pair in pairs if np.isfinite(pair).all()]
    if known:
        ratio = float(np.median([after / before for before, after in known]))
        kept.append(
            Kept(
                "mouth's synchrony with sound",
                f"median share of the correlation kept, {len(known)} clips",
                round(ratio, 3),
            )
        )
    return tuple(kept)


if __name__ == "__main__":
    main()
