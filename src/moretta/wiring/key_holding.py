"""Which key service and which key holder a region uses, and `moretta keyd`, which offers both over a link.

Belongs here: choosing them by the words of a setting. Does not belong here: what they do.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from moretta.core.errors import Conflict, RequestInvalid
from moretta.core.key_service import KeyHolder, KeyService
from moretta.keys.file import FileKeyService
from moretta.keys.remote import RemoteKeyHolder, RemoteKeyService
from moretta.keys.rotation import rewrapped
from moretta.keys.server import CALLERS, SERVE_ROLE, KeyHandler
from moretta.links.addresses import parse_address
from moretta.links.certificates import files_of
from moretta.links.client import LinkClient
from moretta.links.server import LinkServer
from moretta.protection.holder import OPENINGS_PER_MINUTE, REVEALS_PER_MINUTE, LocalKeyHolder
from moretta.protection.schemes import load_gallery_key, new_gallery_key
from moretta.sandbox.libc import PR_SET_DUMPABLE, on_linux, prctl
from moretta.wiring.regions_file import folder_in

KEYD_ROLE = "keyd"
MASTER_KEYS, GALLERY_KEYS = "keys", "gallery-keys"
# Held in every database whose keys change: two changes at once could destroy a key that a writer of the other still wraps under.
KEY_CHANGE_LOCK = "master-key"


@dataclass(frozen=True, slots=True)
class Keys:
    """A region's keys. `rewrap_gallery_keys` is what `keys.rotation.change_master_key` asks for."""

    service: KeyService
    holder: KeyHolder
    rewrap_gallery_keys: Callable[[], int]


def key_is_being_changed() -> Conflict:
    """What to raise where another process holds `KEY_CHANGE_LOCK`."""
    return Conflict("the master key is being changed by another process; wait until that is done")


@contextmanager
def opened_keys(
    keys: str,
    gallery_keys: Path | None = None,
    certificates: Path | None = None,
    *,
    parties: bytes = b"",
    openings_per_minute: int = OPENINGS_PER_MINUTE,
    timeout_s: float = 30.0,
) -> Iterator[Keys]:
    """The keys that a region's `keys` names.

    Args:
        keys: `unix:` or `tls:` (a `moretta keyd`), `file:///FOLDER`, or `pkcs11:...` (RFC 7512).
        gallery_keys: the folder of gallery keys, where they are held here.
        certificates: the folder with this process's certificate of the role `serve`, for `tls:`.
        parties: the three parties' public keys one after the other, where they are held here.
        openings_per_minute: most openings under one gallery key, where they are held here.
        timeout_s: longest time of one call to `moretta keyd`; opening the scores of 1,000,000 references takes under a second.

    Raises:
        RequestInvalid: another form, or a folder is missing.
        KeyUnusable: the keys cannot be used.
        ExtraMissing: python-pkcs11 is needed and not installed.
    """
    if keys.startswith(("unix:", "tls:")):
        tls = files_of(certificates, SERVE_ROLE) if certificates is not None else None
        link = LinkClient(parse_address(keys), KEYD_ROLE, tls, timeout_s)
        try:
            holder = RemoteKeyHolder(link)
            yield Keys(RemoteKeyService(link), holder, holder.rewrap)
        finally:
            link.close()
        return
    if gallery_keys is None:
        raise RequestInvalid("expected a folder for gallery keys where no `moretta keyd` holds them")
    with _opened_service(keys) as service:
        local = _local_holder(gallery_keys, service, parties, openings_per_minute, REVEALS_PER_MINUTE)
        yield Keys(service, local, lambda: local.rewrap(partial(rewrapped, service)))


@contextmanager
def opened_keyd(
    listen: str,
    data: Path,
    certificates: Path | None,
    *,
    pkcs11: str | None = None,
    parties: bytes = b"",
    openings_per_minute: int = OPENINGS_PER_MINUTE,
    tell_templates: bool = False,
) -> Iterator[LinkServer]:
    """A key holder that listens; answer with `serve_forever`.

    Its keys are in the folder `data`; where `pkcs11` is set, master keys are in that token instead. `tell_templates`: whether it
    tells templates to `serve`, for people who ask for theirs.
    From here on this process cannot be traced or dumped by another one of its user.

    Raises:
        RequestInvalid: no address, certificates or token that can be used.
        KeyUnusable: the keys cannot be used.
        ExtraMissing: python-pkcs11 is needed and not installed.
    """
    if on_linux():
        prctl(PR_SET_DUMPABLE, 0)
    address = parse_address(listen)
    tls = files_of(certificates, KEYD_ROLE) if certificates is not None else None
    with ExitStack() as stack:
        service = stack.enter_context(_opened_service(pkcs11 or f"file://{(data / MASTER_KEYS).absolute()}"))
        reveals = REVEALS_PER_MINUTE if tell_templates else 0
        holder = _local_holder(data / GALLERY_KEYS, service, parties, openings_per_minute, reveals)
        threading.Thread(target=_warm, name="warm-up", daemon=True).start()
        service.active()  # a token that cannot make keys, or a full disk, shows now and not with the first person
        yield stack.enter_context(LinkServer(address, KeyHandler(service, holder), CALLERS, tls))


def _warm() -> None:
    """Load what opening runs while the process already answers, so that the first opening takes as long as any other."""
    from moretta.protection.he.decrypt import warm_up

    warm_up()


def _local_holder(
    folder: Path, service: KeyService, parties: bytes, openings_per_minute: int, reveals_per_minute: int
) -> LocalKeyHolder:
    return LocalKeyHolder(
        folder,
        service,
        new_gallery_key,
        load_gallery_key,
        parties=parties,
        openings_per_minute=openings_per_minute,
        reveals_per_minute=reveals_per_minute,
    )


@contextmanager
def _opened_service(keys: str) -> Iterator[KeyService]:
    folder = folder_in(keys)
    if folder is not None:
        yield FileKeyService(folder)
        return
    if not keys.startswith("pkcs11:"):
        raise RequestInvalid("expected keys in file:///FOLDER, pkcs11:..., unix:/SOCKET or tls:HOST:PORT")
    from moretta.keys.pkcs11 import Pkcs11KeyService
    from moretta.keys.token import parse_token

    service = Pkcs11KeyService(parse_token(keys))
    try:
        yield service
    finally:
        service.close()
