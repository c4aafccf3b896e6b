"""The measurement of hiding tells a method that hides from one that does not, on people whom a fake recogniser can read."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from training.redaction import cells
from training.redaction.faces import Portrait, Shown, portraits
from training.redaction.reidentification import Reidentification, Success, discriminant
from training.redaction.strangers import spread_of

from moretta.core.redaction import FaceToHide, Method, Redactor
from moretta.core.values import Embedding, Floats, Pixels, TrackId
from moretta.use_cases.redaction.instruments import AttackTools
from moretta.vision.redact.strangers import drawn

PEOPLE = 24
BOX = np.array([10, 10, 90, 90], np.float32)
LANDMARKS = np.array([[38, 40], [62, 40], [50, 52], [40, 66], [60, 66]], np.float32)


class ByColour:
    model_id = "colour:0"

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        colour = pixels[40:60, 40:60].reshape(-1, 3).mean(axis=0) - 127.5
        return Embedding((colour / max(float(np.linalg.norm(colour)), 1e-3)).astype(np.float32), self.model_id)


class Nothing:
    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """A method that does not do its work."""


class Lot:
    """A colour by lot."""

    def __init__(self, seed: int) -> None:
        self._lot = np.random.default_rng(seed).integers(0, 256, 3)

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        pixels[:] = self._lot


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Reidentification:
    folder = tmp_path_factory.mktemp("people")
    lots = np.random.default_rng(5)
    photos = []
    for person in range(PEOPLE):
        colour = lots.integers(0, 256, 3)
        for photo in range(3):
            pixels = np.clip(colour + lots.normal(0, 2, (100, 100, 3)), 0, 255).astype(np.uint8)
            path = folder / f"{person}-{photo}.png"
            cv2.imwrite(str(path), pixels[:, :, ::-1])
            photos.append(Shown(Portrait(person, photo, path), FaceToHide(TrackId(1), BOX, LANDMARKS)))
    methods: dict[Method, type] = {Method.BLUR: Nothing, Method.SOLID: Nothing, Method.AVATAR: Lot}

    def tools(method: Method) -> AttackTools:
        def redactor(seed: int) -> Redactor:
            made: Redactor = Lot(seed) if methods[method] is Lot else Nothing()
            return made

        return AttackTools(ByColour(), lambda _, face: face, redactor, None, np.zeros((0, 3), np.float32))

    return Reidentification(photos, tools)


def by_attack(found: Sequence[Success]) -> dict[str, Success]:
    return {each.attack: each for each in found}


def test_the_gallery_is_one_photograph_of_each_and_the_rest_are_probes(judged: Reidentification) -> None:
    assert (judged.people, judged.probes) == (PEOPLE, 2 * PEOPLE)
    assert judged.originals().rank1 == 1.0


def test_a_method_that_hides_nothing_is_told_by_every_attacker(judged: Reidentification) -> None:
    found = by_attack(judged.attacks(Method.BLUR))
    assert found["raw"].rank1 == found["adapted"].rank1 == 1.0
    assert found["learned"].rank1 > 0.8
    assert "reversed" not in found, "there was nothing to undo it with"


def test_colours_by_lot_leave_every_attacker_with_chance(judged: Reidentification) -> None:
    for success in judged.attacks(Method.AVATAR):
        assert success.attack != "shape alone" or success.rank1 == 0, "all covers are of one shape: nobody is first"
        # 48 probes at chance 1/24: more than 9 hits come about once in 10,000 times.
        assert success.rank1 <= 9 / 48
        assert success.rank1_interval[0] <= success.rank1 <= success.rank1_interval[1]


def test_learned_directions_are_those_in_which_people_differ() -> None:
    lots = np.random.default_rng(1)
    people = np.repeat(np.arange(40), 4)
    features = lots.normal(0, 5, (160, 6))
    features[:, 0] = people + lots.normal(0, 0.05, 160)
    told = discriminant(features.astype(np.float32), people)(features.astype(np.float32))
    same = (told[0::4] * told[1::4]).sum(axis=1).mean()
    other = (told[0::4] * np.roll(told[1::4], 20, axis=0)).sum(axis=1).mean()
    assert same > other + 0.3


def test_people_with_several_photographs_come_first(tmp_path: Path) -> None:
    for name, count in (("a", 1), ("b", 3), ("c", 2)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.jpg").touch()
    chosen = portraits(tmp_path, most_people=2, most_photos=2)
    assert [(each.person, each.photo, each.path.parent.name) for each in chosen] == [
        (0, 0, "b"),
        (0, 1, "b"),
        (1, 0, "c"),
        (1, 1, "c"),
    ]


def test_strangers_are_spread_as_people_are() -> None:
    lots = np.random.default_rng(2)
    people = lots.normal(size=(400, 12)) * np.linspace(0.2, 1, 12) + 0.3
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    others = drawn(*spread_of(people), count=400, seed=1)
    among = (people @ people.T)[np.triu_indices(400, 1)]
    between = (people @ others.T).reshape(-1)
    assert abs(float(among.mean() - between.mean())) < 0.03
    assert abs(float(np.percentile(among, 99) - np.percentile(between, 99))) < 0.06


def test_fewer_and_coarser_cells_tell_less(tmp_path: Path) -> None:
    lots = np.random.default_rng(3)
    photos = []
    for person in range(30):
        face = lots.integers(90, 160, (5, 4, 3))
        for photo in range(2):
            path = tmp_path / f"{person}-{photo}.png"
            cv2.imwrite(str(path), np.kron(face, np.ones((20, 20, 1))).astype(np.uint8))
            whole = FaceToHide(TrackId(1), np.array([0, 0, 80, 100], np.float32), LANDMARKS)
            photos.append(Shown(Portrait(person, photo, path), whole))
    found = dict(cells.rows(photos))
    assert found[4, 5, 1, 0] == 1.0
    assert found[4, 5, 16, 16] > 0.8
    assert found[2, 2, 64, 64] < 0.25, "chance is 0.03"
