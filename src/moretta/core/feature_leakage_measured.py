"""What anonymised features were measured to give away and to keep.

Belongs here: data, written by `python -m training.measure_features --out`; never edited by hand. A line's figures stand in the
order of its class's fields.
"""

from moretta.core.feature_leakage import AttributeLeak, Kept, Leakage, Reidentification
from moretta.core.features import Detail

_REST = "segments of 2 s of the other half of the same clip, rest and extent"
_EXPRESSION = "segments of 2 s of the other half of the same clip, gaze and expression"
_MOVEMENT = "segments of 2 s of the other half of the same clip, movement"
_PHOTOS = "photos as the frames of two tracks, rest and extent"
_CORRELATION = "median correlation over clips"

LEAKAGE = {
    Detail.RELATIVE: Leakage(
        "10 clips of one person each; LFW: 101 people with six photos or more",
        (
            Reidentification(_REST, 8, 155, 0.125, 0.916, 0.342, (0.236, 0.529), "nearest neighbour"),
            Reidentification(_EXPRESSION, 8, 155, 0.125, 0.794, 0.329, (0.19, 0.504), "discriminant"),
            Reidentification(_MOVEMENT, 8, 155, 0.125, 0.6, 0.374, (0.233, 0.518), "nearest neighbour"),
            Reidentification(_PHOTOS, 101, 101, 0.0099, 0.287, 0.04, (0.01, 0.079), "adapted metric"),
        ),
        (
            AttributeLeak("gender (as the product's model guesses it)", 101, 0.208, 0.129, (0.001, 0.246)),
            AttributeLeak("age over 47 (likewise)", 101, 0.144, 0.075, (-0.024, 0.167)),
        ),
        (
            Kept("yaw", _CORRELATION, 0.987),
            Kept("pitch", _CORRELATION, 0.986),
            Kept("gaze, across", _CORRELATION, 0.915),
            Kept("gaze, down", _CORRELATION, 0.934),
            Kept("eyes' openness", _CORRELATION, 0.977),
            Kept("mouth's openness", _CORRELATION, 0.94),
            Kept("blinks", "share of 15 found again, of 28 after (F1)", 0.512),
            Kept("mouth's synchrony with sound", "median share of the correlation kept, 1 clips", 0.28),
        ),
    ),
    Detail.AMPLITUDES: Leakage(
        "10 clips of one person each; LFW: 101 people with six photos or more",
        (
            Reidentification(_REST, 8, 155, 0.125, 0.916, 0.581, (0.5, 0.727), "discriminant"),
            Reidentification(_EXPRESSION, 8, 155, 0.125, 0.794, 0.413, (0.306, 0.607), "discriminant"),
            Reidentification(_MOVEMENT, 8, 155, 0.125, 0.6, 0.6, (0.487, 0.764), "nearest neighbour"),
            Reidentification(_PHOTOS, 101, 101, 0.0099, 0.287, 0.069, (0.029, 0.119), "nearest neighbour"),
        ),
        (
            AttributeLeak("gender (as the product's model guesses it)", 101, 0.208, 0.036, (-0.078, 0.153)),
            AttributeLeak("age over 47 (likewise)", 101, 0.144, 0.075, (-0.026, 0.173)),
        ),
        (
            Kept("yaw", _CORRELATION, 0.988),
            Kept("pitch", _CORRELATION, 0.991),
            Kept("gaze, across", _CORRELATION, 0.915),
            Kept("gaze, down", _CORRELATION, 0.939),
            Kept("eyes' openness", _CORRELATION, 0.987),
            Kept("mouth's openness", _CORRELATION, 0.94),
            Kept("blinks", "share of 15 found again, of 28 after (F1)", 0.465),
            Kept("mouth's synchrony with sound", "median share of the correlation kept, 1 clips", 0.28),
        ),
    ),
}
