"""The SDK's side of watching: cameras in, noisy statistics out.

Belongs here: what a Python caller sees. Does not belong here: any step of the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from moretta.core.cameras import RECORDED, CameraHealth, WatchReceipt, parse_source
from moretta.core.errors import CameraUnavailable
from moretta.core.policy import Action
from moretta.core.site import Site
from moretta.settings import Settings
from moretta.use_cases.guard import require_action
from moretta.wiring.own_keys import opened_ledger
from moretta.wiring.policy import policy_in_force
from moretta.wiring.service import opened
from moretta.wiring.site_file import plain_site, read_site
from moretta.wiring.statistics import stores_of
from moretta.wiring.streams.addresses import note_addresses
from moretta.wiring.streams.process import camera_terms, watch_terms
from moretta.wiring.streams.receipts import signed_receipt
from moretta.wiring.streams.watching import Listener, Watching

__all__ = ["Listener", "WatchTarget", "Watcher", "signed_watch_receipt", "watch_target"]

# How often a folder is looked at again that goes on to be filled.
FOLDER_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class WatchTarget:
    """What is watched: a site, and the source of each of its cameras as text."""

    site: Site
    sources: Mapping[str, str]


def watch_target(
    sources: Mapping[str, str] | None = None, site_file: Path | None = None, name: str = "site"
) -> WatchTarget:
    """The site of a file, whose sources `sources` replaces or adds by camera name; without a file, a site of these cameras whose
    whole pictures are one zone each.

    Raises:
        NotFound, RequestInvalid: no such file, or one of another form.
    """
    given = dict(sources or {})
    if site_file is None:
        return WatchTarget(plain_site(name, list(given)), given)
    found = read_site(site_file)
    return WatchTarget(found.site, {**found.sources, **given})


def signed_watch_receipt(receipt: WatchReceipt, settings: Settings | None = None) -> bytes:
    """What a watching process said of itself as a JSON document that is signed by this deployment's default region; `moretta
    verify` checks it.

    Raises:
        KeyUnusable, NodeUnavailable, StorageUnusable: the region's keys or database cannot be used.
    """
    with opened_ledger(settings or Settings()) as ledger:
        return signed_receipt(receipt, ledger.signing.signer())


class Watcher:
    """Watches a site and keeps what it releases in the deployment's database.

    Args:
        target: see `watch_target`.
        listener: told of releases, live figures and troubles as they come.
        fast: read recordings as fast as they are analysed, instead of in their own time.
        rate: pictures analysed a second and camera.
        follow: go on with a folder when it has been read to its end, with what comes later.
        purpose: the purpose of the policy that this serves; needed where several allow counting.
        settings: instead of those of the environment.
        door: as which usage is counted.

    Raises:
        PolicyProhibited: the policy does not allow counting; nothing was started.
        RequestInvalid: sources and cameras do not fit.
    """

    def __init__(
        self,
        target: WatchTarget,
        listener: Listener | None = None,
        *,
        fast: bool = False,
        rate: float = 5.0,
        follow: bool = False,
        purpose: str | None = None,
        settings: Settings | None = None,
        door: str = "sdk:watch",
    ) -> None:
        self._settings, self._door = settings or Settings(), door
        require_action(policy_in_force(self._settings), Action.COUNT, purpose)
        self._target, self._listener, self._fast = target, listener or Listener(), fast
        self._sources = {name: parse_source(text) for name, text in target.sources.items()}
        again_s = FOLDER_AGAIN_S if follow else None
        self._camera_terms = replace(camera_terms(self._settings), rate=rate, paced=not fast, folder_again_s=again_s)
        self._watching: Watching | None = None
        self._stopped = False

    def run(self) -> None:
        """Watch until `stop`, or until recordings have ended.

        Raises:
            CameraUnavailable: recordings ended without a single picture.
            ModelMissing, SandboxUnavailable, ExtraMissing: what watching needs is not there.
        """
        with opened(self._settings) as deployment:
            note_addresses(deployment.engine, self._sources.values())
            watching = Watching(
                self._target.site,
                self._sources,
                stores_of(deployment.engine, deployment.company_id),
                watch_terms(self._settings),
                self._camera_terms,
                self._listener,
                fast=self._fast,
            )
            self._watching = watching
            try:
                deployment.meter.record(self._door, 0, deployment.company_id, len(watching.cameras))
                if self._stopped:
                    watching.stop()
                watching.run()
            finally:
                watching.close()
        self._require_pictures()

    def stop(self) -> None:
        """End in order: visits are finished and the bucket under way is released. Returns at once; any thread may call it."""
        self._stopped = True
        if self._watching is not None:
            self._watching.stop()

    def health(self) -> tuple[CameraHealth, ...]:
        """How the cameras do; none before `run`."""
        return () if self._watching is None else self._watching.health()

    @property
    def receipt(self) -> WatchReceipt | None:
        """What the present watching process says of itself; None before it has begun."""
        return None if self._watching is None else self._watching.receipt

    def _require_pictures(self) -> None:
        health = self.health()
        recorded = all(source.kind in RECORDED for source in self._sources.values())
        if recorded and not self._stopped and not any(one.frames for one in health):
            told = "; ".join(f"{one.camera}: {one.trouble or 'no picture'}" for one in health)
            raise CameraUnavailable(f"expected pictures from at least one camera, got none. {told}")
