"""The comparing nodes of all regions: embedded in this process, or reached over a link.

Belongs here: which node holds which collections, and where embedded ones keep files. Does not belong here: what a node does.

An embedded node of a home region maps the region's own segment files. What other regions replicate to it must not get among
those, so replicas have a node of their own, with copies in the data folder.
"""

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from moretta.core.errors import RequestInvalid
from moretta.core.gallery import GalleryNode
from moretta.links.addresses import parse_address
from moretta.links.certificates import files_of
from moretta.links.client import LinkClient
from moretta.nodes.local import LocalNode
from moretta.nodes.remote import Patience, RemoteNode
from moretta.protection.schemes import gallery_index
from moretta.wiring.node import CALLER, node_role
from moretta.wiring.regions_file import EMBEDDED, RegionPlan, RegionsPlan, folder_in


class RegionNodes:
    """Nodes by region, made when first asked for. Safe for threads."""

    def __init__(self, plan: RegionsPlan, data_dir: Path) -> None:
        self._plan, self._root = plan, data_dir / "nodes"
        self._lock = threading.Lock()
        self._nodes: dict[tuple[str, str], GalleryNode] = {}
        self._temporary: list[tempfile.TemporaryDirectory[str]] = []

    def node(self, region: str, home: str) -> GalleryNode:
        """The node of `region` for collections whose home is `home`."""
        plan = self._plan.regions[region]
        if plan.node != EMBEDDED:
            return self._kept((region, plan.node), lambda: self._remote(region, plan))
        segments = folder_in(plan.segments) if plan.segments is not None else None
        if home == region and segments is not None:
            marks = self._root / region / "marks"
            return self._kept((region, "own"), lambda: LocalNode(region, segments, gallery_index, marks))
        return self._kept((region, "copies"), lambda: self._with_copies(region))

    def close(self) -> None:
        """Close all of them. Idempotent."""
        with self._lock:
            nodes, self._nodes = list(self._nodes.values()), {}
            temporary, self._temporary = self._temporary, []
        for node in nodes:
            node.close()
        for folder in temporary:
            folder.cleanup()

    def _kept(self, name: tuple[str, str], make: Callable[[], GalleryNode]) -> GalleryNode:
        with self._lock:
            if name not in self._nodes:
                self._nodes[name] = make()
            return self._nodes[name]

    def _remote(self, region: str, plan: RegionPlan) -> RemoteNode:
        folder = folder_in(self._plan.certificates or "")
        tls = None if folder is None else files_of(folder, CALLER)
        link = LinkClient(parse_address(plan.node), node_role(region), tls, plan.node_timeout_s)
        return RemoteNode(region, link, Patience(ask_s=plan.node_timeout_s))

    def _with_copies(self, region: str) -> LocalNode:
        folder = self._root / region / "copies"
        try:
            return LocalNode(region, folder, gallery_index)
        except RequestInvalid:
            # Another process of this deployment has them (a command beside the service): this one fetches its own for now.
            temporary = tempfile.TemporaryDirectory(prefix="copies-", dir=self._root / region)
            self._temporary.append(temporary)
            return LocalNode(region, Path(temporary.name) / "segments", gallery_index)
