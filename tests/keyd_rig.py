"""The real `moretta keyd` in a process of its own, and a relay that records every byte of a link."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

COMMAND = [sys.executable, "-m", "moretta", "keyd"]
# Importing and reading compiled kernels takes about a second on a quiet machine.
_READY_S = 60


class Keyd:
    """A key holder with keys in `data`; killed when the stack ends."""

    def __init__(self, stack: ExitStack, data: Path, listen: str | None = None, *options: str) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyd-")))
        self.data, self.options = data, options
        self.listen = listen or f"unix:{self.folder / 'keyd.sock'}"
        self.process: subprocess.Popen[bytes] | None = None
        self._output = bytearray()
        stack.callback(self.stop, signal.SIGKILL)

    def start(self) -> str:
        """The address, once it answers."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LANG": "C.UTF-8"}
        if "SOFTHSM2_CONF" in os.environ:
            environment["SOFTHSM2_CONF"] = os.environ["SOFTHSM2_CONF"]
        self.process = subprocess.Popen(
            [*COMMAND, "--listen", self.listen, "--data", str(self.data), *self.options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _READY_S)
        line = self.process.stdout.readline() if ready else b""
        self._output += line
        prefix = b"The key holder listens on "
        assert line.startswith(prefix), line + (self.process.stdout.read() if ready else b"not ready in time")
        return line.removeprefix(prefix).strip().rstrip(b".").decode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        self._output += self.process.communicate(timeout=30)[0]
        process, self.process = self.process, None
        return process.returncode

    @property
    def output(self) -> bytes:
        """Everything that it printed, once it has ended."""
        return bytes(self._output)


class Relay:
    """A Unix socket that passes everything on to another one and keeps a copy of it, by direction."""

    def __init__(self, stack: ExitStack, target: Path) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-")))
        self.path = folder / "relay.sock"
        self.asked, self.answered = bytearray(), bytearray()
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        stack.callback(self._listener.close)
        self._listener.bind(str(self.path))
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            target = socket.socket(socket.AF_UNIX)
            target.connect(str(self._target))
            for source, sink, kept in ((caller, target, self.asked), (target, caller, self.answered)):
                threading.Thread(target=_pass_on, args=(source, sink, kept), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    with source:
        try:
            while piece := source.recv(1 << 16):
                kept += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
