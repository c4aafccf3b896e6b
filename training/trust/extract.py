"""Measure every item of the plan, keeping what was measured.

python -m training.trust.extract --data DIR --clip franck.mp4=PATH --models DIR --cache DIR [--refresh CUE ...]
"""

import argparse
import time
from pathlib import Path

import cv2

from moretta.core.values import MediaKind
from training.trust.footage import read_picture
from training.trust.items import Item, Renderer, plan
from training.trust.measure import Cache, Laboratory, decoded, with_frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clip", action="append", default=[], help="KEY=PATH of a further genuine clip")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--refresh", nargs="*", default=[], help="cues to measure again; `all` for all")
    parser.add_argument("--shard", default="0/1", help="I/N: this process takes each N-th item")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    items = plan(arguments.data, clips_given(arguments.clip))
    extract(items, Laboratory(arguments.models), Cache(arguments.cache), frozenset(arguments.refresh), arguments.shard)


def clips_given(given: list[str]) -> dict[str, Path]:
    """KEY=PATH arguments."""
    return {key: Path(path) for key, _, path in (text.partition("=") for text in given)}


def extract(items: list[Item], laboratory: Laboratory, cache: Cache, refresh: frozenset[str], shard: str) -> None:
    """Measure what is not measured yet, or is to be measured again."""
    first, step = (int(part) for part in shard.split("/"))
    renderer = Renderer(items, laboratory)
    start = time.monotonic()
    mine = items[first::step]
    for count, item in enumerate(mine, 1):
        _one(item, renderer, laboratory, cache, refresh)
        if count % 20 == 0:
            print(f"{count}/{len(mine)} items, {time.monotonic() - start:.0f} s", flush=True)


def _one(item: Item, renderer: Renderer, laboratory: Laboratory, cache: Cache, refresh: frozenset[str]) -> None:
    known = cache.read(item.key)
    if "all" in refresh:
        known = {}
    wanted = {cue.name for cue in laboratory.cues if item.kind in cue.kinds}
    missing = frozenset(name for name in wanted if name not in known or name in refresh)
    if not missing:
        return
    still = item.kind is MediaKind.IMAGE
    path = cache.media(item.key, ".png" if still else ".mp4")
    if not path.is_file():
        if still:
            pixels = renderer.still(item)
            if pixels.size == 0:
                cache.write(item.key, {})
                return
            cv2.imwrite(str(path), pixels[:, :, ::-1])
        else:
            renderer.video(item, path)
    frames = [(0.0, read_picture(path))] if still else list(decoded(path))
    rows = cache.read_track(item.key)
    if rows is None:
        samples = laboratory.track(frames, still)
        cache.write_track(item.key, samples)
    else:
        samples = list(with_frames(frames, rows))
    found = known | laboratory.measured(samples, item.kind, missing)
    cache.write(item.key, {name: found[name] for name in sorted(found) if name in wanted})


if __name__ == "__main__":
    main()
