"""The one module that talks to anything outside the operator's deployment: it sends signed batches to the vendor's hub.

What is sent, and nothing else: `POST <hub>/v1/batches HTTP/1.1` with the headers Host, Content-Type and Content-Length, and
the envelope. No cookie, no user agent, no credential but the signature. Redirects are not followed; proxies and every other
environment variable are ignored. Bytes are noted between the HTTP layer and the socket (before TLS encrypts them), so the
ledger holds what is written because it is what is written. Besides, connecting shows the operator's IP address, and with TLS
the hub's host name, to the network; finding the address may ask the configured DNS server for the hub's name.
"""

import ipaddress
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import httpcore

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import RequestInvalid
from moretta.core.metering import Delivery, Record, SealedBatch
from moretta.usage.envelope import acknowledgement

# A full batch takes well under a second on a slow line; a hub that needs longer is down for our purposes.
TIMEOUT_S = 20.0
# The acknowledgement has about 190 bytes; whatever is longer is none.
REPLY_BYTES_MAX = 4096

_PATH = "/v1/batches"
_HEADERS = ((b"Content-Type", b"application/json"),)
_PORTS = {"http": 80, "https": 443}
_Options = Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]]


class HubSender:
    """`core.metering.BatchSender` over HTTPS."""

    channel = "hub"

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        """Take the hub's base URL, such as `https://hub.example`.

        Args:
            url: https, or http to a loopback address only.
            ca_file: certificates (PEM) to trust instead of the system's.
            timeout_s: for the whole exchange.
            checkpoint: called at named steps.
        Raises:
            RequestInvalid: another URL, or certificates that cannot be read.
        """
        self.address, path = _address(url)
        self._url = f"{self.address}{path}{_PATH}"
        self._tls = _tls(ca_file)
        self._timeout_s = timeout_s
        self._checkpoint = checkpoint

    def deliver(self, batch: SealedBatch, record: Record) -> Delivery:
        """Send the envelope once; acknowledged only by the exact answer that `acknowledgement` describes."""
        deadline = time.monotonic() + self._timeout_s
        backend = _WatchedBackend(httpcore.SyncBackend(), record, deadline, self._checkpoint)
        try:
            status, reply = self._exchange(batch.envelope, backend)
        except httpcore.TimeoutException:
            return Delivery(False, "timed out")
        except _UntrustedError:
            return Delivery(False, "certificate not trusted")
        except httpcore.ConnectError:
            return Delivery(False, "unreachable")
        except (httpcore.NetworkError, httpcore.ProtocolError):
            return Delivery(False, "connection lost")
        self._checkpoint("reply:received")
        expected = acknowledgement(batch.batch_id, batch.company_id, batch.records, batch.envelope)
        if status == 200 and reply == expected:
            return Delivery(True, "acknowledged")
        return Delivery(False, "answer not understood" if status == 200 else f"refused with status {status}")

    def preview(self, batch: SealedBatch) -> bytes:
        """The exact bytes that `deliver` would write, captured at the same place; no socket is opened."""
        captured: list[bytes] = []
        backend = _WatchedBackend(_NowhereBackend(), captured.append, time.monotonic() + self._timeout_s)
        try:
            self._exchange(batch.envelope, backend)
        except httpcore.RemoteProtocolError:  # nowhere gives no answer
            return b"".join(captured)
        raise RuntimeError("a preview got an answer")

    def _exchange(self, body: bytes, backend: httpcore.NetworkBackend) -> tuple[int, bytes]:
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        with (
            httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend, http2=False, retries=0) as pool,
            pool.stream("POST", self._url, headers=_HEADERS, content=body, extensions={"timeout": timeout}) as response,
        ):
            reply = b""
            for chunk in response.iter_stream():
                reply += chunk
                if len(reply) > REPLY_BYTES_MAX:
                    break
            return response.status, reply


class _UntrustedError(httpcore.ConnectError):
    """The hub's certificate is not one to trust; nothing was written."""


class _WatchedStream(httpcore.NetworkStream):
    """A connection whose plaintext is noted before it is written, and which ends at a deadline."""

    def __init__(
        self, inner: httpcore.NetworkStream, record: Record, deadline: float, checkpoint: Callable[[str], None]
    ) -> None:
        self._inner = inner
        self._record = record
        self._deadline = deadline
        self._checkpoint = checkpoint

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        self._record(bytes(buffer))
        self._inner.write(buffer, _left(self._deadline, httpcore.WriteTimeout))
        self._checkpoint("bytes:written")

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        try:
            encrypted = self._inner.start_tls(ssl_context, server_hostname, left)
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise _UntrustedError from error
            raise
        return _WatchedStream(encrypted, self._record, self._deadline, self._checkpoint)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _WatchedBackend(httpcore.NetworkBackend):
    def __init__(
        self,
        inner: httpcore.NetworkBackend,
        record: Record,
        deadline: float,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self._inner = inner
        self._record = record
        self._deadline = deadline
        self._checkpoint = checkpoint

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _Options | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        self._checkpoint("connected")
        return _WatchedStream(stream, self._record, self._deadline, self._checkpoint)


class _NowhereStream(httpcore.NetworkStream):
    """Takes everything, sends nothing, answers nothing."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> object:
        return None


class _NowhereBackend(httpcore.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _Options | None = None,
    ) -> httpcore.NetworkStream:
        return _NowhereStream()


def _left(deadline: float, timed_out: type[httpcore.TimeoutException]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise timed_out
    return left


def _address(url: str) -> tuple[str, str]:
    """Scheme, host and port of the hub, and the path below which it lives."""
    wrong = RequestInvalid("expected the hub's URL as https://host[:port][/path], or http:// to a loopback address")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.scheme not in _PORTS or parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong
    if parts.scheme == "http" and not _is_loopback(host):
        raise wrong
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or _PORTS[parts.scheme]}", parts.path.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, `localhost` too, is whatever a resolver says


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    # Not ssl.create_default_context, which would write session keys to where an environment variable says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise RequestInvalid(
            "expected a file of certificates in PEM for the hub, got one that cannot be read"
        ) from error
    return context
