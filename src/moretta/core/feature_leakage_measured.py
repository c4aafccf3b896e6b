"""What anonymised features were measured to give away and to keep.

Belongs here: data, written by `python -m training.measure_features --out`; never edited by hand.
"""

from moretta.core.feature_leakage import AttributeLeak, Kept, Leakage, Reidentification
from moretta.core.features import Detail

LEAKAGE = {
    Detail.RELATIVE: Leakage(
        source="10 clips of one person each; LFW: 101 people with six photos or more",
        reidentification=(
            Reidentification(
                what="segments of 2 s of the other half of the same clip, rest and extent",
                people=8,
                trials=155,
                chance=0.125,
                before=0.916,
                after=0.342,
                interval=(0.236, 0.529),
                attack="nearest neighbour",
            ),
            Reidentification(
                what="segments of 2 s of the other half of the same clip, gaze and expression",
                people=8,
                trials=155,
                chance=0.125,
                before=0.794,
                after=0.329,
                interval=(0.19, 0.504),
                attack="discriminant",
            ),
            Reidentification(
                what="segments of 2 s of the other half of the same clip, movement",
                people=8,
                trials=155,
                chance=0.125,
                before=0.6,
                after=0.374,
                interval=(0.233, 0.518),
                attack="nearest neighbour",
            ),
            Reidentification(
                what="photos as the frames of two tracks, rest and extent",
                people=101,
                trials=101,
                chance=0.0099,
                before=0.287,
                after=0.04,
                interval=(0.01, 0.079),
                attack="adapted metric",
            ),
        ),
        attributes=(
            AttributeLeak(
                attribute="gender (as the product's model guesses it)",
                people=101,
                before=0.208,
                after=0.129,
                interval=(0.001, 0.246),
            ),
            AttributeLeak(
                attribute="age over 47 (likewise)", people=101, before=0.144, after=0.075, interval=(-0.024, 0.167)
            ),
        ),
        kept=(
            Kept(measure="yaw", figure="median correlation over clips", value=0.987),
            Kept(measure="pitch", figure="median correlation over clips", value=0.986),
            Kept(measure="gaze, across", figure="median correlation over clips", value=0.915),
            Kept(measure="gaze, down", figure="median correlation over clips", value=0.934),
            Kept(measure="eyes' openness", figure="median correlation over clips", value=0.977),
            Kept(measure="mouth's openness", figure="median correlation over clips", value=0.94),
            Kept(measure="blinks", figure="share of 15 found again, of 28 after (F1)", value=0.512),
            Kept(
                measure="mouth's synchrony with sound",
                figure="median share of the correlation kept, 1 clips",
                value=0.28,
            ),
        ),
    ),
    Detail.AMPLITUDES: Leakage(
        source="10 clips of one person each; LFW: 101 people with six photos or more",
        reidentification=(
            Reidentification(
                what="segments of 2 s of the other half of the same clip, rest and extent",
                people=8,
                trials=155,
                chance=0.125,
                before=0.916,
                after=0.581,
                interval=(0.5, 0.727),
                attack="discriminant",
            ),
            Reidentification(
                what="segments of 2 s of the other half of the same clip, gaze and expression",
                people=8,
                trials=155,
                chance=0.125,
                before=0.794,
                after=0.413,
                interval=(0.306, 0.607),
                attack="discriminant",
            ),
            Reidentification(
                what="segments of 2 s of the other half of the same clip, movement",
                people=8,
                trials=155,
                chance=0.125,
                before=0.6,
                after=0.6,
                interval=(0.487, 0.764),
                attack="nearest neighbour",
            ),
            Reidentification(
                what="photos as the frames of two tracks, rest and extent",
                people=101,
                trials=101,
                chance=0.0099,
                before=0.287,
                after=0.069,
                interval=(0.029, 0.119),
                attack="nearest neighbour",
            ),
        ),
        attributes=(
            AttributeLeak(
                attribute="gender (as the product's model guesses it)",
                people=101,
                before=0.208,
                after=0.036,
                interval=(-0.078, 0.153),
            ),
            AttributeLeak(
                attribute="age over 47 (likewise)", people=101, before=0.144, after=0.075, interval=(-0.026, 0.173)
            ),
        ),
        kept=(
            Kept(measure="yaw", figure="median correlation over clips", value=0.988),
            Kept(measure="pitch", figure="median correlation over clips", value=0.991),
            Kept(measure="gaze, across", figure="median correlation over clips", value=0.915),
            Kept(measure="gaze, down", figure="median correlation over clips", value=0.939),
            Kept(measure="eyes' openness", figure="median correlation over clips", value=0.987),
            Kept(measure="mouth's openness", figure="median correlation over clips", value=0.94),
            Kept(measure="blinks", figure="share of 15 found again, of 28 after (F1)", value=0.465),
            Kept(
                measure="mouth's synchrony with sound",
                figure="median share of the correlation kept, 1 clips",
                value=0.28,
            ),
        ),
    ),
}
