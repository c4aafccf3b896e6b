"""Where a link leads: `unix:/path/to/socket`, or `tls:host:port` under mutual TLS."""

from dataclasses import dataclass
from pathlib import Path

from moretta.core.errors import RequestInvalid


@dataclass(frozen=True, slots=True)
class Address:
    """Either `path` (a Unix socket) or `host` and `port`."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else f"tls:{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The address that `text` is.

    Raises:
        RequestInvalid: another form.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return Address(Path(rest))
    host, _, port = rest.rpartition(":")
    if kind == "tls" and host and port.isascii() and port.isdigit() and int(port) < 65536:
        return Address(host=host.strip("[]"), port=int(port))
    raise RequestInvalid("expected an address such as unix:/run/moretta/keyd.sock or tls:10.0.0.2:7301")
