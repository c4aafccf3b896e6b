"""Frozen frames and loops: a genuine stream tampered with in time, as a virtual camera does.

Belongs here: which source frame is shown when. Does not belong here: what frames look like.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from moretta.core.values import Pixels
from moretta.evaluation.attacks.capture import grain


def frozen_attack(frames: Iterable[Pixels], first: int, length: int, rng: np.random.Generator) -> Iterator[Pixels]:
    """The stream, whose frame `first` stands for `length` frames; then it goes on (where it lasts so long).

    Standing frames carry a little fresh noise in half of all cases, as an analogue path or a careful attacker adds.
    """
    noise = float(rng.choice([0.0, rng.uniform(0.3, 2.5)]))
    held: Pixels | None = None
    for index, picture in enumerate(frames):
        if index == first:
            held = picture
        if held is not None and first <= index < first + length:
            yield _noisy(held, noise, rng)
        else:
            yield picture


def loop_attack(frames: Iterable[Pixels], segment: int, total: int, backwards: bool) -> Iterator[Pixels]:
    """The first `segment` frames shown again and again until `total` frames are out; `backwards`: there and back.

    Keeps the segment in memory, as an attacker does.

    Raises:
        ValueError: fewer than two frames came.
    """
    kept: list[Pixels] = []
    for picture in frames:
        if len(kept) == segment:
            break
        kept.append(picture)
    if len(kept) < 2:
        raise ValueError("expected at least two frames to loop")
    order = [*range(len(kept)), *range(len(kept) - 2, 0, -1)] if backwards else list(range(len(kept)))
    for index in range(total):
        yield kept[order[index % len(order)]]


def _noisy(picture: Pixels, noise: float, rng: np.random.Generator) -> Pixels:
    if noise == 0:
        return picture
    return np.clip(picture + grain(picture.shape, rng) * np.float32(noise), 0, 255).astype(np.uint8)
