"""A comparing node as a process of its own: its folder, its schemes and the link on which it answers.

Belongs here: opening and closing it. Does not belong here: what it answers.
"""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moretta.core.errors import RequestInvalid
from moretta.core.recognition import REGION
from moretta.links.addresses import parse_address
from moretta.links.certificates import files_of
from moretta.links.server import LinkServer
from moretta.nodes.local import LocalNode
from moretta.nodes.server import NodeHandler
from moretta.protection.schemes import gallery_index

CALLER = "serve"
# A process can map 65,530 files (vm.max_map_count), more than 100,000,000 references.
_FILES = 65_536


def node_role(region: str) -> str:
    """The role that the certificate of a region's node carries."""
    return f"node-{region}"


@contextmanager
def opened_node(region: str, listen: str, folder: Path, certificates: Path | None) -> Iterator[LinkServer]:
    """A node of `region` that listens; answer with `serve_forever`.

    Raises:
        RequestInvalid: no region, address or certificates that can be used, or another node uses the folder.
    """
    if REGION.fullmatch(region) is None:
        raise RequestInvalid("expected a region of at most 16 small letters and digits, such as eu")
    address = parse_address(listen)
    tls = files_of(certificates, node_role(region)) if certificates is not None else None
    allow_many_files()
    node = LocalNode(region, folder, gallery_index)
    warm_in_background()
    try:
        with LinkServer(address, NodeHandler(node), frozenset({CALLER}), tls) as server:
            yield server
    finally:
        node.close()


def allow_many_files() -> None:
    """Raise the limit of open files as far as this process may: each mapped segment (2,048 references) takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def warm_in_background() -> None:
    """Load what comparing runs while the process already answers, so that the first search takes as long as any other."""
    threading.Thread(target=_warm, name="warm-up", daemon=True).start()


def _warm() -> None:
    from moretta.protection.he.compare import warm_up

    warm_up()
