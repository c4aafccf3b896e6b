"""Loaded networks behind one callable: float32 in, the file's outputs in declaration order out.

Belongs here: onnxruntime and LiteRT, one thread each (the worker processes are what runs in parallel).
Does not belong here: what a network's numbers mean, and which file to load (see `moretta.vision.models`).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from moretta.core.errors import ModelCorrupt
from moretta.core.values import Floats

_ONNX_ERRORS_ONLY = 3
# A free dimension (batch, height, width) is tried with this size: a multiple of every stride in the catalogue.
_FREE_SIZE = 64


class OnnxSession:
    """An ONNX network of one float32 input, on one thread.

    Raises:
        ModelCorrupt: the file cannot be loaded, does not have one float32 input, or gives no finite numbers.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONNX_ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors have no common root
            raise _unloadable("ONNX") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            raise _wrong_inputs([str(value.type) for value in inputs])
        self._input = inputs[0].name
        self.input_shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        _check_numbers(self, tuple(size or _FREE_SIZE for size in self.input_shape))

    def __call__(self, batch: Floats, /) -> Sequence[Floats]:
        """Run once on float32 `batch` of `input_shape` (None: any size); the outputs are the caller's own."""
        _check_shape(batch, self.input_shape)
        outputs: Sequence[Floats] = self._session.run(None, {self._input: batch})
        return outputs


class LiteRtSession:
    """A TensorFlow Lite network of one float32 input of fixed shape, on one thread. Not for use by two threads at once.

    Raises:
        ModelCorrupt: the file cannot be loaded, does not have one float32 input, or gives no finite numbers.
    """

    def __init__(self, path: Path) -> None:
        try:
            with _native_chatter_hidden():
                self._interpreter = Interpreter(str(path), num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _unloadable("TensorFlow Lite") from error
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1 or inputs[0]["dtype"] is not np.float32:
            raise _wrong_inputs([np.dtype(value["dtype"]).name for value in inputs])
        self._input = inputs[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        self.input_shape = tuple(int(size) for size in inputs[0]["shape"])
        _check_numbers(self, self.input_shape)

    def __call__(self, batch: Floats, /) -> Sequence[Floats]:
        """Run once on float32 `batch` of `input_shape`; the outputs are the caller's own."""
        _check_shape(batch, self.input_shape)
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def open_session(path: Path) -> OnnxSession | LiteRtSession:
    """The network in `path`, by its suffix: `.onnx` or `.tflite`.

    Raises:
        ModelCorrupt: not a network that can be run.
    """
    return LiteRtSession(path) if path.suffix == ".tflite" else OnnxSession(path)


def _check_shape(batch: Floats, shape: tuple[int | None, ...]) -> None:
    fits = len(batch.shape) == len(shape) and all(
        want in (None, got) for got, want in zip(batch.shape, shape, strict=True)
    )
    if not fits or batch.dtype != np.float32:
        raise ValueError(f"expected a float32 input of shape {shape}, got {batch.dtype} {batch.shape}")


def _check_numbers(session: "OnnxSession | LiteRtSession", shape: tuple[int, ...]) -> None:
    """Run once on a black picture: a damaged network or a broken kernel shows itself here, not in a result."""
    try:
        outputs = session(np.zeros(shape, np.float32))
    except Exception as error:
        raise ModelCorrupt("expected a network that runs on a black picture, but it fails") from error
    if not all(np.isfinite(output).all() for output in outputs):
        raise ModelCorrupt("expected a network that gives finite numbers for a black picture, got others")


def _unloadable(form: str) -> ModelCorrupt:
    return ModelCorrupt(f"expected a network in {form} form, but the runtime cannot load the file: install it again")


def _wrong_inputs(kinds: list[str]) -> ModelCorrupt:
    return ModelCorrupt(f"expected a network of one float32 input, got {', '.join(kinds) or 'none'}")


@contextlib.contextmanager
def _native_chatter_hidden() -> Iterator[None]:
    """LiteRT announces its CPU delegate on the stderr descriptor and has no switch for it; real errors are exceptions."""
    try:
        sink, kept = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    except OSError:  # no stderr, or a sandbox without the null device: let it talk
        yield
        return
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
