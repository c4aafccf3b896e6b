"""Trains the blending detector on pairs of a genuine and a blended face. Seeded; one core.

Run: `python -m training.blending.train --crops FOLDER/fit.npz --out FOLDER/blending.pt` (see `training/README.md`).
The last weights are kept, averaged over the last steps; no checkpoint is chosen by looking at reported people.
"""

import argparse
import copy
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.blending.crops import MARGIN, SIDE
from training.blending.network import BOUNDARY_STRIDE, BlendingNetwork
from training.blending.self_blend import alignment_error, blended_pair, post_processing

SEED = 20220620
PAIRS_PER_STEP = 12
PEAK_RATE = 2e-3
WEIGHT_DECAY = 1e-2
WARM_UP = 200  # steps
DECAY_SHARE = 0.25  # of the run, at its end; before it a run does not depend on its length, so that it can be prolonged
AVERAGE_DECAY = 0.998  # the kept weights average about the last 500 steps
BOUNDARY_WEIGHT = 1.0
EASY_STEPS = (
    1500  # over which samples grow from easy to as hard as they come; without this the loss stays at chance long
)
SAVE_EVERY = 100
OTHER_FACE_SHARE = 0.25  # blends whose second view is another genuine face
OTHER_FACES_TRIED = 12  # of which the one nearest in pose is taken
# Share of each set among the samples. Photographs carry the people; clips carry the codecs, though of four people only.
SOURCE_SHARES = {"lfw": 0.5, "talking": 0.27, "realfake/real": 0.15, "johns": 0.08}


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is given."""

    crops: Path
    out: Path
    steps: int
    workers: int
    resume: bool


class Pairs(Dataset):
    """Sample `i` is the same pair whatever the number of workers: its generator is seeded with (seed, i)."""

    def __init__(self, path: Path, first: int, length: int) -> None:
        held = np.load(path)
        self._first = first
        self._crops, self._points = held["crops"], held["points"]
        self._length = length
        self._by_source: dict[str, list[np.ndarray]] = {}
        for source in SOURCE_SHARES:
            keys = held["keys"][held["sources"] == source]
            self._by_source[source] = [np.flatnonzero(held["keys"] == key) for key in np.unique(keys)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Two crops uint8 (2, 3, s, s), the blended one first, and the boundary (2, s/8, s/8)."""
        rng = np.random.default_rng((SEED, self._first + index))
        difficulty = min(1.0, (self._first + index) / (EASY_STEPS * PAIRS_PER_STEP))
        source = str(rng.choice(list(SOURCE_SHARES), p=list(SOURCE_SHARES.values())))
        chosen = self._draw(source, rng)
        donor = None
        if rng.random() < OTHER_FACE_SHARE:
            tried = [self._draw(source if rng.random() < 0.5 else "lfw", rng) for _ in range(OTHER_FACES_TRIED)]
            nearest = min(tried, key=lambda i: alignment_error(self._points[i], self._points[chosen]))
            donor = (self._crops[nearest], self._points[nearest])
        pair = blended_pair(self._crops[chosen], self._points[chosen], rng, donor, difficulty)
        change = post_processing(rng, source == "talking", difficulty)
        views = [change(pair.blended), change(pair.genuine)]
        edges = [pair.boundary, np.zeros_like(pair.boundary)]
        cut = [_shifted(view, edge, rng) for view, edge in zip(views, edges, strict=True)]
        return np.stack([view.transpose(2, 0, 1) for view, _ in cut]), np.stack([edge for _, edge in cut])

    def _draw(self, source: str, rng: np.random.Generator) -> int:
        groups = self._by_source[source]
        return int(rng.choice(groups[rng.integers(len(groups))]))


def _shifted(view: np.ndarray, edge: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random cut of the network's size, mirrored half of the time, and the strongest boundary of each cell."""
    x, y = rng.integers(0, MARGIN + 1, 2)
    view, edge = view[y : y + SIDE, x : x + SIDE], edge[y : y + SIDE, x : x + SIDE]
    if rng.random() < 0.5:
        view, edge = view[:, ::-1], edge[:, ::-1]
    cells = SIDE // BOUNDARY_STRIDE
    return view, edge.reshape(cells, BOUNDARY_STRIDE, cells, BOUNDARY_STRIDE).max((1, 3))


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, a plateau, and a linear descent to nothing (Hägele et al. 2024)."""
    left = (steps - step) / (DECAY_SHARE * steps)
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP, left)


def average_into(kept: nn.Module, current: nn.Module, step: int) -> None:
    """Move the kept weights towards the current ones; statistics of the batches are copied."""
    decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(kept.parameters(), current.parameters(), strict=True):
            old.lerp_(new, 1 - decay)
        for old, new in zip(kept.buffers(), current.buffers(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)


def train(options: Options) -> None:
    """Train, print progress every 200 steps and save the state every 100."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # guards against reading it; costs a fifth of the time
    cv2.setNumThreads(1)
    network = BlendingNetwork().to(memory_format=torch.channels_last)
    kept = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    state = options.out.with_suffix(".state")
    first = _restored(state, network, kept, optimiser) if options.resume else 0
    pairs = Pairs(options.crops, first * PAIRS_PER_STEP, (options.steps - first) * PAIRS_PER_STEP)
    loader = DataLoader(pairs, PAIRS_PER_STEP, shuffle=False, num_workers=options.workers)
    history: list[tuple[float, float]] = []
    logits: list[np.ndarray] = []
    start = time.monotonic()
    for step, (views, edges) in enumerate(loader, first):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, options.steps)
        torch.manual_seed(SEED + step)  # dropout: the same whether or not the run was interrupted
        found, losses = _step(network, optimiser, views, edges)
        average_into(kept, network, step)
        history.append(losses)
        logits.append(found)
        if (step + 1) % 200 == 0:
            told = np.concatenate(logits[-200:])
            ordered = float((told[:, 0] > told[:, 1]).mean())
            loss, edge_loss = np.mean(history[-200:], 0)
            spent = f"{time.monotonic() - start:.0f} s"
            print(
                f"step {step + 1}: loss {loss:.3f}, boundary {edge_loss:.3f}, pairs in order {ordered:.3f}, {spent}",
                flush=True,
            )
        if (step + 1) % SAVE_EVERY == 0:
            parts = {"network": network, "kept": kept, "optimiser": optimiser}
            torch.save({"step": step + 1} | {name: part.state_dict() for name, part in parts.items()}, state)
    torch.save(kept.state_dict(), options.out)


def _restored(state: Path, network: nn.Module, kept: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Load a saved state; gives the next step. The run goes on as if never interrupted."""
    saved = torch.load(state, weights_only=True)
    network.load_state_dict(saved["network"])
    kept.load_state_dict(saved["kept"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"])


def _step(
    network: BlendingNetwork, optimiser: torch.optim.Optimizer, views: Tensor, edges: Tensor
) -> tuple[np.ndarray, tuple[float, float]]:
    """One step; the logits (pairs, 2) with blended first, and both losses."""
    batch = (views.flatten(0, 1).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
    label = torch.tensor([1.0, 0.0]).repeat(len(views))
    with torch.autocast("cpu", torch.bfloat16):
        logit, boundary = network(batch)
    logit, boundary = logit.float(), boundary.float()
    loss = nn.functional.binary_cross_entropy_with_logits(logit, label)
    edge_loss = nn.functional.binary_cross_entropy_with_logits(boundary, edges.flatten(0, 1))
    optimiser.zero_grad(set_to_none=True)
    (loss + BOUNDARY_WEIGHT * edge_loss).backward()
    optimiser.step()
    return logit.detach().reshape(-1, 2).numpy(), (loss.item(), edge_loss.item())


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples; any number, same samples")
    parser.add_argument("--resume", action="store_true", help="go on from the state saved beside --out")
    options = parser.parse_args()
    train(Options(options.crops, options.out, options.steps, options.workers, options.resume))


if __name__ == "__main__":
    main()
