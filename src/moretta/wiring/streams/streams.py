"""The streams of a deployment: made, started, stopped, looked at and removed through the API.

Belongs here: which of them run, each in a thread of its own, and where their sources are: in this process's memory and
nowhere else.
After a restart every stream is there, stopped; starting it needs its sources again.
"""

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pydantic import TypeAdapter
from sqlalchemy import Engine

from moretta.core.cameras import CameraSource, WatchReceipt, parse_source
from moretta.core.clock import Clock, utc_now
from moretta.core.errors import Conflict, MorettaError, NotFound, RateLimited, RequestInvalid
from moretta.core.policy import Action
from moretta.core.signing import Signer
from moretta.core.site import Site
from moretta.core.streams import Stream, StreamState
from moretta.settings import Settings
from moretta.storage.statistics.streams import SqlStreamStore, StoredStream
from moretta.usage.meter import UsageMeter
from moretta.use_cases.guard import require_action
from moretta.wiring.policy import policy_in_force
from moretta.wiring.statistics import stores_of
from moretta.wiring.streams.addresses import note_addresses
from moretta.wiring.streams.allowed import require_allowed
from moretta.wiring.streams.process import camera_terms, watch_terms
from moretta.wiring.streams.receipts import signed_receipt
from moretta.wiring.streams.watching import Listener, Watching, require_real

ENDPOINT = "/v1/streams"
# Four cameras take about half a core, and 330 MiB and 160 MiB for each reader (benchmarks/WATCH.md).
MOST_RUNNING = 16
MOST_KEPT = 100
_FAREWELL_S = 30.0


class _Running:
    """One stream under way. The thread that starts its processes is the one that watches."""

    def __init__(self, watching: Watching) -> None:
        self.watching = watching
        self.state = StreamState.STARTING
        self.trouble: str | None = None
        self.thread = threading.Thread(target=self._run, name="stream", daemon=True)

    def _run(self) -> None:
        try:
            self.watching.run()
        except MorettaError as error:
            self.state, self.trouble = StreamState.FAILED, error.detail
            return
        except Exception as error:
            self.state, self.trouble = StreamState.FAILED, f"an error that nobody foresaw ({type(error).__name__})"
            return
        self.state = StreamState.STOPPED if self.state is StreamState.STOPPING else StreamState.ENDED

    def stop(self) -> None:
        """Ask it to end, in order."""
        if self.thread.is_alive():
            self.state = StreamState.STOPPING
        self.watching.stop()


class Streams:
    """All streams of a deployment. Safe for threads; close it before the engine.

    Args:
        signer: what signs the receipt of each session; None: receipts are kept without a signature.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        meter: UsageMeter,
        clock: Clock = utc_now,
        signer: Callable[[], Signer] | None = None,
    ) -> None:
        self._settings, self._engine, self._meter, self._clock = settings, engine, meter, clock
        self._signer = signer
        self._store = SqlStreamStore(engine)
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], _Running] = {}
        self._sources: dict[tuple[str, str], dict[str, CameraSource]] = {}

    def create(self, company_id: str, site: Site, sources: Mapping[str, str], rate: float) -> Stream:
        """A new stream, stopped.

        Raises:
            RequestInvalid: a source that the settings do not allow, or of no camera of the site; or a site under the name of a
                made-up one.
            RateLimited: too many streams.
        """
        require_real(site)
        checked = self._checked(site, sources)
        if len(self._store.streams(company_id)) >= MOST_KEPT:
            raise RateLimited(f"expected at most {MOST_KEPT} streams of a company; delete one first", retry_after_s=60)
        stored = StoredStream(f"str_{secrets.token_hex(8)}", self._clock(), _sites().dump_json(site).decode(), rate)
        self._store.add(company_id, stored)
        self._sources[company_id, stored.stream_id] = checked
        return self._stream(company_id, stored)

    def streams(self, company_id: str) -> list[Stream]:
        """All of a company, the oldest first."""
        return [self._stream(company_id, stored) for stored in self._store.streams(company_id)]

    def stream(self, company_id: str, stream_id: str) -> Stream:
        """That one. Raises `NotFound`."""
        return self._stream(company_id, self._store.stream(company_id, stream_id))

    def start(
        self,
        company_id: str,
        stream_id: str,
        sources: Mapping[str, str] | None = None,
        *,
        purpose: str | None = None,
        key_id: str | None = None,
    ) -> Stream:
        """Watch it; one that is being watched stays as it is. Each camera that is started is counted.

        Args:
            sources: by camera name, in place of or beside those that this process still knows.

        Raises:
            NotFound: no such stream of this company.
            PolicyProhibited: the policy does not allow counting for that purpose.
            RequestInvalid: a camera has no source, or one that the settings do not allow.
            Conflict: it is just being stopped.
            RateLimited: as many streams as there may be are under way.
        """
        require_action(policy_in_force(self._settings), Action.COUNT, purpose)
        stored = self._store.stream(company_id, stream_id)
        site, at = _sites().validate_json(stored.site), (company_id, stream_id)
        with self._lock:
            now = self._running.get(at)
            if now is not None and now.thread.is_alive():
                if now.state is StreamState.STOPPING:
                    raise Conflict("the stream is just being stopped; try again in a moment")
                return self._stream(company_id, stored)
            known = {**self._sources.get(at, {}), **self._checked(site, sources or {})}
            _require_all(site, known)
            if sum(one.thread.is_alive() for one in self._running.values()) >= MOST_RUNNING:
                raise RateLimited(
                    f"expected at most {MOST_RUNNING} streams under way; stop one first", retry_after_s=60
                )
            running = self._begun(company_id, stored, site, known)
            try:
                note_addresses(self._engine, known.values())
                self._meter.record(ENDPOINT, 200, company_id, len(known), key_id)
            except BaseException:
                running.watching.close()
                raise
            self._sources[at], self._running[at] = known, running
            running.thread.start()
        return self._stream(company_id, stored)

    def stop(self, company_id: str, stream_id: str) -> Stream:
        """Stop watching it, in order: the bucket under way is released. Returns when that is done, or after half a minute."""
        stored = self._store.stream(company_id, stream_id)
        running = self._running.get((company_id, stream_id))
        if running is not None and running.thread.is_alive():
            running.stop()
            running.thread.join(_FAREWELL_S)
        return self._stream(company_id, stored)

    def signed_receipt(self, company_id: str, stream_id: str) -> bytes:
        """The receipt of its last session as a signed document. Raises `NotFound` where there is none."""
        kept = self._store.stream(company_id, stream_id).receipt
        if kept is None or "signature" not in json.loads(kept):
            raise NotFound("expected a stream that was started and whose receipt was signed; start it")
        return kept.encode()

    def remove(self, company_id: str, stream_id: str) -> None:
        """Stop and forget it; what it released stays. Raises `NotFound`."""
        self.stop(company_id, stream_id)
        self._store.remove(company_id, stream_id)
        with self._lock:
            self._running.pop((company_id, stream_id), None)
            self._sources.pop((company_id, stream_id), None)

    def close(self) -> None:
        """Stop all, in order. Idempotent."""
        running = list(self._running.values())
        for one in running:
            one.stop()
        for one in running:
            if one.thread.ident is not None:
                one.thread.join(_FAREWELL_S)

    def _begun(
        self, company_id: str, stored: StoredStream, site: Site, sources: Mapping[str, CameraSource]
    ) -> _Running:
        running: _Running

        def begun(receipt: WatchReceipt) -> None:
            if running.state is StreamState.STARTING:
                running.state = StreamState.WATCHING
            try:
                kept = self._told(receipt)
            except MorettaError as error:
                # It is watched all the same: what the signature is for is looked at later, and its absence is told.
                kept, running.trouble = _receipts().dump_json(receipt), f"the receipt was not signed: {error.detail}"
            self._store.note_receipt(company_id, stored.stream_id, kept.decode())

        def told(error: MorettaError) -> None:
            running.trouble = error.detail

        watching = Watching(
            site,
            sources,
            stores_of(self._engine, company_id),
            watch_terms(self._settings),
            replace(camera_terms(self._settings), rate=stored.rate),
            Listener(begun=begun, lost=told, exhausted=told),
        )
        running = _Running(watching)
        return running

    def _told(self, receipt: WatchReceipt) -> bytes:
        return _receipts().dump_json(receipt) if self._signer is None else signed_receipt(receipt, self._signer())

    def _checked(self, site: Site, sources: Mapping[str, str]) -> dict[str, CameraSource]:
        if not set(sources) <= {view.camera for view in site.views}:
            raise RequestInvalid("expected sources of the site's cameras alone")
        return {name: require_allowed(parse_source(text), self._settings) for name, text in sources.items()}

    def _stream(self, company_id: str, stored: StoredStream) -> Stream:
        running = self._running.get((company_id, stored.stream_id))
        # The row may have been read before the session began.
        receipt = stored.receipt or (self._store.stream(company_id, stored.stream_id).receipt if running else None)
        now = running.watching.receipt if running is not None else None
        with contextlib.suppress(ValueError):
            now = now or (None if receipt is None else _receipts().validate_json(receipt))
        return Stream(
            stored.stream_id,
            stored.created_at,
            _sites().validate_json(stored.site),
            stored.rate,
            StreamState.STOPPED if running is None else running.state,
            () if running is None else running.watching.health(),
            now,
            None if running is None else running.trouble,
        )


def _require_all(site: Site, known: Iterable[str]) -> None:
    missing = sorted({view.camera for view in site.views} - set(known))
    if missing:
        raise RequestInvalid(
            f"expected a source for each camera (they are kept in memory only, so that a restart forgets them); without one: "
            f"{', '.join(missing)}"
        )


def _sites() -> TypeAdapter[Site]:
    return TypeAdapter(Site)


def _receipts() -> TypeAdapter[WatchReceipt]:
    return TypeAdapter(WatchReceipt)
