"""Prints what the avatar keeps of a face's movement, and what it gives away.

    python -m training.measure_avatar DATA [--clip franck.mp4] [--sheet sheet.png]

DATA is the labelled development data. Each clip is drawn over as a plan would have it, the mesh is fitted anew
on the output, and both are compared. The printed tables are those of docs/model-cards/avatar.md; `--sheet` saves frames side by
side to be looked at, which must not leave this machine.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from moretta.core.geometry import iou, mesh_landmarks
from moretta.core.redaction import FaceToHide
from moretta.core.values import Face, FaceSample, Frame, Gaze, Mesh, Pose, TrackedFace, TrackId
from moretta.vision.avatar import Avatar, avatar_ready
from moretta.vision.avatar.canonical import (
    LEFT_CORNERS,
    LEFT_LIDS,
    OUTER_LIPS,
    RIGHT_CORNERS,
    RIGHT_LIDS,
    canonical_face,
    eye_ring,
    mouth_ring,
)
from moretta.vision.avatar.placing import rotation_of
from training.anonymised.agreement import blinks_of, matched, same
from training.anonymised.media import Laboratory, clips, laboratory, samples_of

EYES = (*eye_ring(RIGHT_CORNERS, RIGHT_LIDS), *eye_ring(LEFT_CORNERS, LEFT_LIDS))
MOUTH = (*OUTER_LIPS, *mouth_ring())
SIDES, LIFT = np.array([1.45, 1.5]), 0.08  # the hidden box over the mesh's, and how far up its middle lies
MOST_FRAMES = 200  # of each clip: 7 to 8 s
LOOK_EVERY = 20  # frames between two that a recogniser and a detector look at
DISTRACTORS = 100  # people of LFW beside those of the clips
SEED = 20240607
SPEED_PX, SPEED_FRAMES = 200, 120
SHEET_SIDE, SHEET_FRAMES = 300, 6


@dataclass(slots=True)
class Clip:
    """What one clip gave."""

    before: list[FaceSample]
    after: list[FaceSample]
    errors: dict[str, list[float]]
    found: list[bool]
    probes: list[np.ndarray]
    enrolled: np.ndarray
    tiles: list[np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clip", type=Path, action="append", default=[])
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    _speed()
    lab = laboratory()
    drawn = []
    for number, clip in enumerate(clips(given.data, given.clip)):
        drawn.append(_drawn(lab, clip, SEED + number))
        print(f"clip {number}: {len(drawn[-1].before)} frames", flush=True)
    _movement(drawn)
    _identity(lab, drawn, given.data / "lfw")
    if given.sheet is not None:
        cv2.imwrite(str(given.sheet), np.vstack([_row(clip.tiles) for clip in drawn])[..., ::-1])


def _speed() -> None:
    """The processor time of covering and drawing one face, 200 px from forehead to chin, in 720p."""
    cv2.setNumThreads(1)
    avatar_ready()
    avatar, points = Avatar(SEED), canonical_face().points
    spent = []
    for index in range(SPEED_FRAMES):
        pose = Pose(20 * np.sin(index / 9), 8 * np.cos(index / 7), 0.0)
        turned = (points * (1, -1, -1)) @ rotation_of(pose).T * (SPEED_PX / float(np.ptp(points[:, 1])))
        mesh = Mesh(np.add(turned, (640, 360, 0)).astype(np.float32), 0.99)
        low, high = mesh.points[:, :2].min(axis=0), mesh.points[:, :2].max(axis=0)
        box = np.concatenate([(low + high) / 2 - (high - low) * SIDES / 2, (low + high) / 2 + (high - low) * SIDES / 2])
        face = FaceToHide(TrackId(1), box.astype(np.float32), mesh_landmarks(mesh.points), mesh, pose, Gaze(0.0, 0.0))
        pixels = np.full((720, 1280, 3), 120, np.uint8)
        start = time.process_time()
        avatar.hide(pixels, [face])
        spent.append(1000 * (time.process_time() - start))
    print(f"A face of {SPEED_PX} px: median {np.median(spent[1:]):.1f} ms, least {min(spent):.1f} ms of one core")


def to_hide(sample: FaceSample) -> FaceToHide:
    """The sample's face as a plan would have it hidden."""
    box, mesh = sample.tracked.face.box, sample.tracked.mesh
    size = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 - np.array([0, LIFT]) * size
    dilated = np.concatenate([middle - size * SIDES / 2, middle + size * SIDES / 2]).astype(np.float32)
    openness = sample.eye_openness, sample.mouth_openness
    return FaceToHide(
        sample.tracked.track_id, dilated, sample.tracked.face.landmarks, mesh, sample.pose, sample.gaze, *openness
    )


def _drawn(lab: Laboratory, clip: Path, seed: int) -> Clip:
    avatar, result = Avatar(seed), Clip([], [], defaultdict(list), [], [], np.zeros(0), [])
    embedder = lab.workshop.embedders()[0]
    detector = lab.workshop.face_detector(0.5, 640)
    enrolled = []
    for index, sample in enumerate(islice(samples_of(lab, clip), MOST_FRAMES)):
        if sample.tracked.mesh.presence < lab.features.least_presence:
            continue
        pixels = sample.frame.pixels.copy()
        avatar.hide(pixels, [to_hide(sample)])
        mesh = lab.workshop.mesh_of_face(pixels, sample.tracked.face)
        frame = Frame(pixels, sample.frame.index, sample.frame.time_ns)
        again = lab.instruments.observe(frame, TrackedFace(sample.tracked.track_id, sample.tracked.face, mesh, True))
        _compare(sample, again, result.errors)
        if index % LOOK_EVERY == 0:
            faces = detector.detect(pixels)
            result.found.append(any(float(iou(sample.tracked.face.box, face.box[None])[0]) > 0.3 for face in faces))
            result.probes.append(embedder.embed(pixels, sample.tracked.face.landmarks).vector)
            enrolled.append(embedder.embed(sample.frame.pixels, sample.tracked.face.landmarks).vector)
        if index % 30 == 5 and len(result.tiles) < SHEET_FRAMES:
            result.tiles.append(_tile(sample, pixels))
        small = np.zeros((1, 1, 3), np.uint8)
        result.before.append(replace(sample, frame=replace(sample.frame, pixels=small)))
        result.after.append(replace(again, frame=replace(frame, pixels=small)))
    mean = np.mean(enrolled, axis=0)
    result.enrolled = mean / np.linalg.norm(mean)
    return result


def _compare(before: FaceSample, after: FaceSample, errors: dict[str, list[float]]) -> None:
    one, other = before.tracked.mesh.points, after.tracked.mesh.points
    between = float(np.linalg.norm(one[RIGHT_CORNERS[0], :2] - one[LEFT_CORNERS[0], :2]))
    for name, ring in (("eyes", EYES), ("mouth", MOUTH), ("all", range(468))):
        distance = np.linalg.norm(one[list(ring), :2] - other[list(ring), :2], axis=1).mean()
        errors[f"NME, {name}"].append(float(distance) / between)
    turns = ("yaw", "pitch", "roll")
    for name in turns:
        errors[f"{name} error, deg"].append(abs(getattr(before.pose, name) - getattr(after.pose, name)))
    if before.gaze is not None and after.gaze is not None:
        errors["gaze error, across"].append(abs(before.gaze.x - after.gaze.x))
        errors["gaze error, down"].append(abs(before.gaze.y - after.gaze.y))
    errors["presence after"].append(after.tracked.mesh.presence)


def _movement(drawn: list[Clip]) -> None:
    frames = sum(len(clip.before) for clip in drawn)
    print(f"{len(drawn)} clips, {frames} frames: mesh fitted on the avatar against the mesh fitted on the face")
    print("| error | median | 95th percentile |\n|---|---|---|")
    for name in drawn[0].errors:
        values = np.concatenate([clip.errors[name] for clip in drawn])
        print(f"| {name} | {np.median(values):.3f} | {np.quantile(values, 0.95):.3f} |")
    print("\n| measure | correlation, median over clips | lowest | highest | median sd on faces | sd where lowest |")
    print("|---|---|---|---|---|---|")
    measures = {
        "yaw": lambda sample: sample.pose.yaw,
        "pitch": lambda sample: sample.pose.pitch,
        "roll": lambda sample: sample.pose.roll,
        "gaze, across": lambda sample: sample.gaze.x if sample.gaze else np.nan,
        "gaze, down": lambda sample: sample.gaze.y if sample.gaze else np.nan,
        "eyes' openness": lambda sample: sample.eye_openness,
        "mouth's openness": lambda sample: sample.mouth_openness,
    }
    for name, measure in measures.items():
        series = [[np.array([measure(each) for each in side]) for side in (clip.before, clip.after)] for clip in drawn]
        rates = [same(*pair) for pair in series]
        moved = [float(np.nanstd(before)) for before, _ in series]
        spread = f"{np.median(moved):.3f} | {moved[int(np.nanargmin(rates))]:.3f}"
        print(f"| {name} | {np.nanmedian(rates):.3f} | {np.nanmin(rates):.3f} | {np.nanmax(rates):.3f} | {spread} |")
    blinks = np.array([matched(blinks_of(clip.before), blinks_of(clip.after)) for clip in drawn]).sum(axis=0)
    both, before, after = (int(count) for count in blinks)
    f1 = 2 * both / max(before + after, 1)
    print(f"\nBlinks: {before} on the faces, {after} on the avatars, {both} in both (F1 {f1:.2f})")
    found = np.concatenate([clip.found for clip in drawn])
    print(f"The detector finds the avatar in {found.sum()} of {len(found)} frames looked at")


def _identity(lab: Laboratory, drawn: list[Clip], folder: Path) -> None:
    """Gallery: everybody's own face and strangers of LFW; probes: avatars."""
    strangers = _strangers(lab, folder)
    gallery = np.concatenate([np.stack([clip.enrolled for clip in drawn]), strangers])
    ranks, own, others = [], [], []
    adapted, seen = [], np.stack([np.mean(clip.probes, axis=0) for clip in drawn]).mean(axis=0)
    for person, clip in enumerate(drawn):
        scores = np.stack(clip.probes) @ gallery.T
        ranks.extend((scores.argmax(axis=1) == person).tolist())
        own.extend(scores[:, person].tolist())
        others.extend(np.delete(scores, person, axis=1).ravel().tolist())
        moved = np.stack(clip.probes) - seen
        adapted.extend(
            ((moved @ (gallery - gallery.mean(axis=0)).T)[:, : len(drawn)].argmax(axis=1) == person).tolist()
        )
    print(
        f"\nRe-identification: gallery of {len(gallery)} people ({len(drawn)} of the clips), {len(ranks)} avatars as probes"
    )
    print(f"ranked first: {np.mean(ranks):.4f} (chance {1 / len(gallery):.4f})")
    print(
        f"ranked first among the clips' people, both domains centred: {np.mean(adapted):.3f} (chance {1 / len(drawn):.3f})"
    )
    print(f"mean similarity to the own face {np.mean(own):+.3f}, to others {np.mean(others):+.3f}")
    threshold = np.quantile(others, 0.999)
    print(f"accepted at a false match rate of 0.001 among these probes: {np.mean(np.array(own) > threshold):.4f}")


def _strangers(lab: Laboratory, folder: Path) -> np.ndarray:
    embedder, found = lab.workshop.embedders()[0], []
    for person in sorted(each for each in folder.iterdir() if each.is_dir())[:DISTRACTORS]:
        photo = cv2.imread(str(sorted(person.glob("*.jpg"))[0]))
        faces: list[Face] = lab.workshop.face_detector(0.5, 480).detect(np.ascontiguousarray(photo[..., ::-1]))
        if faces:
            found.append(embedder.embed(np.ascontiguousarray(photo[..., ::-1]), faces[0].landmarks).vector)
    return np.stack(found)


def _tile(sample: FaceSample, pixels: np.ndarray) -> np.ndarray:
    box = to_hide(sample).box
    middle, half = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) * 0.65
    low, high = np.maximum(middle - half, 0).astype(int), (middle + half).astype(int)
    pair = [each[low[1] : high[1], low[0] : high[0]] for each in (sample.frame.pixels, pixels)]
    return np.vstack([cv2.resize(each, (SHEET_SIDE, SHEET_SIDE), interpolation=cv2.INTER_AREA) for each in pair])


def _row(tiles: list[np.ndarray]) -> np.ndarray:
    blank = [np.zeros((2 * SHEET_SIDE, SHEET_SIDE, 3), np.uint8)] * (SHEET_FRAMES - len(tiles))
    return np.hstack([*tiles, *blank])


if __name__ == "__main__":
    main()
