"""What works on this machine and what does not.

Belongs here: one finding for each thing that an analysis needs. Does not belong here: printing them.
"""

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO

from moretta.core.analysis import AnalysisRequest
from moretta.core.errors import MorettaError
from moretta.settings import Settings

_LIBRARIES = ("av", "PIL", "cv2", "onnxruntime", "ai_edge_litert", "scipy", "fastapi", "sqlalchemy")
_DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "aac", "opus", "mp3")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined: `needed` tells whether an analysis can do without it; `mend` what to do when not `ok`."""

    what: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = True


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order in which a person would mend them."""
    return [
        *_platform(),
        *_libraries(),
        *_decoders(),
        *_models(settings),
        *_data(settings),
        *_sandbox(settings),
        *_analysis(settings),
    ]


def _platform() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer and run `make setup`")
    linux = sys.platform == "linux"
    yield Finding("operating system", linux, f"{platform.system()} {platform.release()}", "run Moretta on Linux")


def _libraries() -> Iterator[Finding]:
    for name in _LIBRARIES:
        try:
            module = import_module(name)
        except ImportError:
            yield Finding(name, False, "it cannot be imported", "run `make setup`, or `pip install moretta` again")
        else:
            yield Finding(name, True, str(getattr(module, "__version__", "present")))


def _decoders() -> Iterator[Finding]:
    import av
    from PIL import features

    absent = [name for name in _DECODERS if name not in av.codecs_available]
    found = f"without {', '.join(absent)}" if absent else f"all {len(_DECODERS)}"
    yield Finding("video and sound decoders", not absent, found, "install PyAV from its wheel", needed=False)
    stills = [name for name in ("webp", "avif", "libtiff", "jpg") if not features.check(name)]
    found = f"without {', '.join(stills)}" if stills else "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF"
    yield Finding("still decoders", not stills, found, "install Pillow 11.3 or newer from its wheel", needed=False)


def _models(settings: Settings) -> Iterator[Finding]:
    from moretta.trust.blending_detector import blending_weights
    from moretta.vision.models import DEFAULT_NAMES, State, verify

    for state in verify(settings.models_dir):
        needed = state.name in DEFAULT_NAMES
        mend = f"run `moretta models install {state.name}`"
        yield Finding(f"model {state.name}", state.state is State.OK, state.state.value, mend, needed)
    try:
        blending_weights()
    except MorettaError as error:
        yield Finding("model blending", False, error.detail, "install Moretta again")
    else:
        yield Finding("model blending", True, "ok")


def _data(settings: Settings) -> Iterator[Finding]:
    from moretta.wiring.service import opened

    try:
        with opened(settings) as deployment:
            keys = len(deployment.keys.list())
    except (MorettaError, OSError) as error:
        detail = error.detail if isinstance(error, MorettaError) else (error.strerror or "it cannot be used")
        yield Finding("data directory", False, detail, "set MORETTA_DATA_DIR to a folder of yours that can be written")
    else:
        yield Finding("data directory", True, f"usable; API keys: {keys}")


def _sandbox(settings: Settings) -> Iterator[Finding]:
    from moretta.sandbox.confinement import Level
    from moretta.wiring.executor import confinement

    mend = (
        "run on a kernel with Landlock and seccomp (Linux 5.13 or newer, not switched off by the container), "
        "or accept less with MORETTA_SANDBOX=best-effort"
    )
    try:
        found = confinement(settings)
    except MorettaError as error:
        yield Finding("sandbox", False, error.detail, mend)
        return
    for mechanism in found.mechanisms:
        needed = mechanism.essential and settings.sandbox == "required"
        yield Finding(f"sandbox: {mechanism.name}", mechanism.level is not Level.NONE, mechanism.detail, mend, needed)
    for attempt in found.attempts:
        word = "denied by the kernel" if attempt.denied else "NOT denied"
        yield Finding(f"sandbox, tried: {attempt.what}", attempt.denied, word, mend, settings.sandbox == "required")


def _analysis(settings: Settings) -> Iterator[Finding]:
    """One analysis of a made-up picture, by a worker as an analysis starts it."""
    from moretta.wiring.executor import start_executor

    executor = start_executor(settings, workers=1)
    try:
        with _made_up_picture() as media:
            executor.analyse(media.fileno(), AnalysisRequest())
    except MorettaError as error:
        yield Finding(
            "analysis of a made-up picture", False, f"{error.title}: {error.detail}", "mend what is above first"
        )
    else:
        yield Finding("analysis of a made-up picture", True, "decoded and examined in a confined worker")
    finally:
        executor.close()


def _made_up_picture() -> BinaryIO:
    """A grey PNG in anonymous memory."""
    from PIL import Image

    media = os.fdopen(os.memfd_create("media", os.MFD_CLOEXEC), "w+b")
    Image.new("RGB", (320, 240), (128, 128, 128)).save(media, "PNG")
    media.flush()
    return media
