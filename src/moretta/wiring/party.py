"""A party of the scheme `shares` as a process of its own: its folder, its key and the link on which it answers.

Belongs here: opening and closing it. Does not belong here: what it answers, how `serve` reaches it (see `parties`).
"""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from moretta.core.errors import RequestInvalid
from moretta.core.recognition import REGION
from moretta.links.addresses import parse_address
from moretta.links.certificates import files_of
from moretta.links.client import LinkClient
from moretta.links.server import LinkServer
from moretta.protection.shares.party import SERVICE_ROLE, Party, party_role
from moretta.protection.shares.sealing import PARTIES, party_key

# A comparison of 1,000,000 takes a fifth of a second; what takes so long is a party that hangs.
PATIENCE_S = 10.0
# mallopt(3). Every comparison takes and frees arrays of megabytes; given back to the kernel each time, they cost a party at
# 1,000,000 references a sixth of its processor time in page faults (45 ms against 38 ms). 32 MiB is the most that glibc takes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_BYTES = 1 << 30, 32 << 20
_KEY_FILE, _LOCK_FILE, _GALLERIES = "party.key", "lock", "galleries"


def party_public_key(data: Path) -> bytes:
    """The public key of the party whose folder this is, made where it has none. Raises `KeyRejected`."""
    return party_key(data / _KEY_FILE).public_key().public_bytes_raw()


@contextmanager
def opened_party(
    index: int,
    region: str,
    listen: str,
    peers: Mapping[int, str],
    data: Path,
    certificates: Path | None,
    patience_s: float = PATIENCE_S,
) -> Iterator[tuple[LinkServer, Party]]:
    """Party `index` of `region`, which listens; answer with `serve_forever`.

    Args:
        peers: the addresses of the two others by index.
        data: its folder, which holds its key and its shares; locked while it runs.
        certificates: the folder with its certificate (`party-0` to `party-2`); needed for `tls:` addresses.
        patience_s: longest wait for one message of another party.

    Raises:
        RequestInvalid: an argument cannot be used, or another process uses the folder.
        KeyRejected: the key file there cannot be used.
    """
    if index not in range(PARTIES) or set(peers) != set(range(PARTIES)) - {index}:
        raise RequestInvalid("expected an index of 0, 1 or 2, and the addresses of the two other parties")
    if REGION.fullmatch(region) is None:
        raise RequestInvalid("expected a region of at most 16 small letters and digits, such as eu")
    tls = files_of(certificates, party_role(index)) if certificates is not None else None
    callers = frozenset({SERVICE_ROLE, *(party_role(other) for other in peers)})
    with ExitStack() as stack:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.enter_context(_alone(data / _LOCK_FILE))
        ways = {
            other: LinkClient(parse_address(text), party_role(other), tls, patience_s) for other, text in peers.items()
        }
        for way in ways.values():
            stack.callback(way.close)
        party = Party(index, region, data / _GALLERIES, party_key(data / _KEY_FILE), ways, patience_s)
        stack.callback(party.close)
        party.warm()
        _keep_memory()
        yield stack.enter_context(LinkServer(parse_address(listen), party.handle, callers, tls)), party


def _keep_memory() -> None:
    """Let the allocator keep what comparisons free; other C libraries than glibc do as they do."""
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the folder against a second process of the same party; the kernel frees it on a crash."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestInvalid("another process uses this party's folder; end it, or choose another folder") from None
        yield
    finally:
        os.close(descriptor)
