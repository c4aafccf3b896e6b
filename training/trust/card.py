"""The model card of the trust score; every figure comes from the run that writes it.

Belongs here: words and tables. Does not belong here: numbers typed by hand.
"""

import math

from moretta.core.values import MediaKind
from training.trust.fitting import Fitted
from training.trust.footage import LONG_SIDE, WINDOW_S
from training.trust.judging import CueFigures, Figures, Interval, SpeciesFigures

AIMS = {"print": 0.9, "screen": 0.9, "frozen": 0.9, "loop": 0.9, "swap": 0.8}
TITLES = {MediaKind.VIDEO: "Video", MediaKind.IMAGE: "Stills"}

INTRODUCTION = """# Model card: trust score

Written by `training/calibrate_trust.py`; every figure below comes from its last run.

## What it is
A score from 0 (attack) to 10 (genuine) for the most prominent face of a still or a video, with a confidence from 0 to 1 and the
cues that made it. Each cue is a measurement with a published basis (its module in `src/moretta/trust/` names it). Its value
becomes a natural-log likelihood ratio of genuine against attack; the score is ten times the logistic of their weighted sum.
Divided by ten it is a probability at even prior odds, as far as your attacks resemble the simulated ones below. Where attacks
are rarer than one in two, the true probability of a genuine face is higher than the score says; where they are commoner, lower.

No score is given, and the reason is, where the face is narrower than 64 px, in view for less than 1.5 s, turned away, or
where too few cues could be measured.

## What it must not be used for
- **Never as the only ground for a decision about a person**: not for refusing a service, a job, a payment, an exam or entry, and
  not as evidence of a crime or of deceit. It may order a queue in which people look at the media.
- **Not as a deepfake detector.** The swaps here are landmark warps with Poisson or feathered blending. Neural face swaps, lip
  sync, reenactment, fully generated faces, make-up and masks were not measured. Nothing here says how it does on them.
- **Not as certified presentation attack detection.** These are ISO/IEC 30107-3 metrics on simulated attacks, not a test
  under that standard: nobody printed a photograph or filmed a screen for it, but for one recorded replay listed apart.
- **Not against an attacker who knows it.** The cues are published and none is secret; they can be evaded.
- **Not to compare groups of people.** The video figures rest on a handful of people; error rates by skin tone, age or sex could
  not be measured, and the pulse cues are known to work worse on darker skin (Nowara et al., CVPRW 2020).
- Heavily re-encoded, filtered or beautified genuine media may score low. A low score says that something differs from the
  genuine media of the calibration, not that somebody cheated.
"""


REPRODUCE = """
## Reproduce
```
python -m training.trust.recapture --data DATA --models MODELS --out src/moretta/trust/weights/texture.json
python -m training.calibrate_trust --data DATA --clip franck.mp4=CLIP --cache CACHE \\
    --out src/moretta/trust/calibration.json --card docs/model-cards/trust-score.md
```
`print_texture` and `screen_texture` are linear scores (36 features and their squares) trained by the first command on simulated
prints and replays of 260 LFW people of the fitting side, none of whom the second uses. They know this simulator; a real
print or display may look otherwise. The rest of the cues have no trained weights but the two models' own."""


def card(fitted: dict[MediaKind, Fitted], reported: dict[MediaKind, Figures], on_fit: dict[MediaKind, Figures]) -> str:
    """The whole card as Markdown."""
    parts = [INTRODUCTION, _data(reported, on_fit)]
    for kind in (MediaKind.VIDEO, MediaKind.IMAGE):
        parts.append(_results(fitted[kind], reported[kind], on_fit[kind]))
    parts.append(REPRODUCE)
    return "\n".join(parts) + "\n"


def _data(reported: dict[MediaKind, Figures], on_fit: dict[MediaKind, Figures]) -> str:
    lines = [
        "## Data",
        "Genuine video: short public clips of people who talk, one person a clip (see `moretta.evaluation.split` for which clip"
        f" serves what), in windows of up to {WINDOW_S:g} s, the long side at most {LONG_SIDE} px. Genuine stills: one photo a"
        " person of LFW, and the real faces of a set of real and composite faces. None of it is in this repository.",
        "",
        "Attacks are simulated from these by `moretta.evaluation.attacks`, seeded: a hand-held print (gamut, dots, paper, light,"
        " a room behind it), a replay on a display (pixel grid and its moire, gamma, reflections, bezel, refresh), a freeze"
        " of 2 s or more, a loop of 1.3 to 3 s forwards or there and back, a landmark-warp face swap (colour transfer, Poisson or"
        " feathered blending). Half of the genuine items pass through the same simulated camera (half of these shaken by hand) as"
        " attacks do, and all items, genuine or not, are scaled, encoded (H.264 CRF 17-30, or JPEG quality 70-96) and decoded"
        " alike.",
        "",
        "People and clips are split between fitting and reporting; the learned blending detector was trained on the fitting side"
        " only. Which cues vote, the weights and the penalty come from the fitting side, out of fold.",
        "",
        "**Read the figures as optimistic.** The reporting side was looked at several times while cues were designed, and some"
        " choices were made after such a look: weights before any data that let a cue count fully where it alone answers for a"
        " species, wide densities, a limit to what stillness can say for a face, and the allowances for genuine videos without"
        " a blink, from a hand-held camera, or that"
        " look blended. The blending detector was trained longer after such a look, and a stronger penalty (the"
        " one-standard-error rule) was tried, looked at on the reporting side, and not taken. Only people and clips that"
        " nobody here has seen can give the true figures.",
        "",
        "| | fitting: items / people or clips | reporting: items / people or clips |",
        "|---|---|---|",
    ]
    for kind in (MediaKind.VIDEO, MediaKind.IMAGE):
        ours = {s.name: s for s in on_fit[kind].species}
        for species in reported[kind].species:
            before = ours.get(species.name)
            left = "none" if before is None else f"{before.items} / {before.units}"
            lines.append(f"| {TITLES[kind]}: {species.name} | {left} | {species.items} / {species.units} |")
    lines += [
        "",
        "Windows and variants of one clip are not independent, so intervals are 95 % bootstrap intervals that draw whole people"
        " or clips. With so few people in the video they are rough, and more likely too narrow than too wide.",
    ]
    return "\n".join(lines)


def _results(fitted: Fitted, figures: Figures, on_fit: Figures) -> str:
    return "\n".join(
        [
            f"\n## {TITLES[figures.kind]}: results on the reporting side",
            _species_table(figures),
            "",
            *_summary(figures, on_fit),
            "",
            _reliability_table(figures),
            "",
            f"### {TITLES[figures.kind]}: cues",
            _cue_table(fitted, figures),
        ]
    )


def _species_table(figures: Figures) -> str:
    lines = [
        "| Species | Items / people | Without a score | Mean score | AUC | Aim | Error at score 5 |",
        "|---|---|---|---|---|---|---|",
    ]
    for species in figures.species:
        lines.append(_species_line(species, figures.kind))
    return "\n".join(lines)


def _species_line(species: SpeciesFigures, kind: MediaKind) -> str:
    aim = AIMS.get(species.name)
    met = (
        ""
        if aim is None or species.auc is None
        else (f"{aim:.1f}: met" if species.auc[0] >= aim else f"{aim:.1f}: **missed**")
    )
    rate = "BPCER" if species.name == "genuine" else "APCER"
    error = "" if species.rate_at_middle is None else f"{rate} {_percent(species.rate_at_middle)}"
    mean = "" if math.isnan(species.mean_score) else f"{species.mean_score:.1f}"
    return (
        f"| {species.name} | {species.items} / {species.units} | {species.without_score} | {mean} |"
        f" {'' if species.auc is None else _number(species.auc)} | {met} | {error} |"
    )


def _summary(figures: Figures, on_fit: Figures) -> list[str]:
    each = ", ".join(f"{name} {100 * value:.0f} %" for name, value in figures.bpcer_at_each.items())
    lines = [
        f"- Highest APCER of the fitted species at score 5: **{100 * figures.worst_apcer:.0f} %**.",
        f"- BPCER at APCER 5 % (of the worst species): {_percent(figures.bpcer_at[0.05])};"
        f" at APCER 1 %: {_percent(figures.bpcer_at[0.01])}. With so few attacks of a species, 1 % means none accepted.",
        f"- BPCER at APCER 5 %, each species alone: {each}.",
        f"- AUC over all fitted species: {_number(figures.auc_all)} (fitting side, optimistic: {_number(on_fit.auc_all)}).",
        f"- Calibration: Cllr {_number(figures.cllr)} bits (0 perfect, 1 a coin); expected calibration error"
        f" {figures.calibration_error:.2f}.",
    ]
    for reason, count in sorted(figures.reasons.items()):
        lines.append(f"- Genuine items without a score, {count}: {reason.strip()}")
    return lines


def _reliability_table(figures: Figures) -> str:
    lines = ["| Score | Share of items | Mean predicted | Genuine in fact |", "|---|---|---|---|"]
    lines += [
        f"| {10 * b.low:.0f}-{10 * b.high:.0f} | {100 * b.share:.0f} % | {b.predicted:.2f} | {b.observed:.2f} |"
        for b in figures.bins
    ]
    return "\n".join(lines) + "\n\n(Genuine and attacks weighted half each, species alike.)"


def _cue_table(fitted: Fitted, figures: Figures) -> str:
    names = [s.name for s in figures.species if s.name != "genuine"]
    lines = [
        "AUC of each cue alone on the reporting side (0.5 is chance; blank: never measured together). `Measured`: share of"
        " genuine items in which it could be measured. A cue of weight 0 is shown to users and not counted.",
        "",
        f"| Cue | Weight | Measured | {' | '.join(names)} | Why without a vote |",
        f"|---|---|---|{'---|' * (len(names) + 1)}",
    ]
    lines += [_cue_line(cue, names, fitted) for cue in figures.cues]
    lines.append(
        f"\nIntercept {fitted.intercept:.2f} nats; spread between people of the summed ratio {fitted.sigma:.2f} nats;"
        f" penalty {fitted.penalty:g}."
    )
    return "\n".join(lines)


def _cue_line(cue: CueFigures, names: list[str], fitted: Fitted) -> str:
    areas = " | ".join(f"{cue.aucs[name]:.2f}" if name in cue.aucs else "" for name in names)
    reason = "" if cue.weight > 0 else fitted.dropped.get(cue.name, "not calibrated: no attack of ours changes it")
    return f"| {cue.name} | {cue.weight:.2f} | {100 * cue.measured:.0f} % | {areas} | {reason} |"


def _number(interval: Interval) -> str:
    return f"{interval[0]:.3f} [{interval[1]:.2f}, {interval[2]:.2f}]"


def _percent(interval: Interval) -> str:
    return f"{100 * interval[0]:.0f} % [{100 * interval[1]:.0f}, {100 * interval[2]:.0f}]"
