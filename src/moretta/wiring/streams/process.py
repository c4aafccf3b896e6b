"""The watching process as the door sees it: one session, from its receipt to its end.

Belongs here: starting it and asking it. Whatever goes wrong ends the process and with it the session.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from moretta.core.cameras import Denial, WatchReceipt
from moretta.core.site import Site
from moretta.core.statistics import LiveFigures, Measure, Release
from moretta.sandbox.confinement import Confinement, Mode
from moretta.sandbox.process import WorkerProcess, WorkerTerms
from moretta.settings import Settings
from moretta.statistics.keeper import Plan, Purpose
from moretta.wiring.cameras.camera import CameraTerms
from moretta.wiring.streams.session import new_session
from moretta.wiring.watching.wire import Begin, Look, Tick, Word, parse_made, parse_plans, parse_receipt, request

ENTRY_POINT = "moretta.wiring.watching.worker:watching_handler"
# Looking at a picture takes milliseconds; a process that needs longer has met something that it will not get over.
ANSWER_S = 60.0
START_S = 180.0


@dataclass(frozen=True, slots=True)
class WatchTerms:
    """How watching processes are started."""

    mode: Mode = Mode.REQUIRED
    memory_bytes: int = 4 * 2**30
    environment: Mapping[str, str] | None = None


def watch_terms(settings: Settings) -> WatchTerms:
    """As the settings say."""
    return WatchTerms(
        Mode(settings.sandbox),
        settings.worker_memory_mb * 2**20,
        {"MORETTA_MODELS_DIR": str(settings.models_dir)},
    )


def camera_terms(settings: Settings) -> CameraTerms:
    """As the settings say; what a caller chooses is replaced in it."""
    return CameraTerms(mode=Mode(settings.sandbox), ca_file=settings.camera_ca_file)


class WatchingProcess:
    """A confined process that watches one site for one session, `recorded` where a camera is a recording. For one thread, which
    must outlive it.

    Raises:
        SandboxUnavailable, ModelMissing, ModelCorrupt, ModelMismatch, ExtraMissing: it cannot, or must not, be started.
        WorkerLost: it died; here and in every method.
    """

    def __init__(self, site: Site, terms: WatchTerms, started_s: float, recorded: bool = False) -> None:
        self._begun = Begin(site, new_session(recorded), started_s)
        self._paid: set[date] = set()
        attributes = [one.value for one in (Measure.AGE, Measure.GENDER) if site.epsilon_of(one)]
        environment = {
            **(terms.environment or {}),
            "MORETTA_WATCH_ATTRIBUTES": ",".join(attributes),
            "MORETTA_WATCH_TIMEZONE": site.timezone,
        }
        self._nothing = os.memfd_create("moretta-nothing", os.MFD_CLOEXEC)
        try:
            self._process = WorkerProcess(
                WorkerTerms(ENTRY_POINT, terms.mode, terms.memory_bytes, environment=environment)
            )
            try:
                confinement = self._process.handshake(START_S)
                receipt = parse_receipt(self._ask(Word.BEGIN, self._begun), self._begun)
            except BaseException:
                self._process.close()
                raise
        except BaseException:
            os.close(self._nothing)
            raise
        self.receipt: WatchReceipt = replace(receipt, denials=_denials(confinement))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def look(self, camera: str, memory_fd: int, look: Look) -> None:
        """Show it a picture, which it reads from its own, read-only view of the camera's memory."""
        self._process.serve(memory_fd, request(Word.LOOK, look), None, ANSWER_S)

    def tick(self, now_s: float, watched: float) -> tuple[Plan, ...]:
        """What is due at `now_s`; `watched` is the share of cameras that gave pictures since the last tick."""
        return parse_plans(self._ask(Word.TICK, Tick(now_s, watched)), self._begun, self._paid)

    def finish(self, now_s: float, watched: float) -> tuple[Plan, ...]:
        """End every visit; what is due then, the bucket under way included."""
        return parse_plans(self._ask(Word.CLOSE, Tick(now_s, watched)), self._begun, self._paid)

    def make(self, plan: Plan) -> Release | LiveFigures:
        """The release of a plan whose charge has been spent; later live plans of that day may then come without one."""
        if plan.purpose is Purpose.LIVE and plan.charge is not None:
            self._paid.add(plan.day)
        return parse_made(self._ask(Word.MAKE, plan.release_id), plan, self._begun.site)

    def close(self) -> None:
        """End it: what it held in memory is gone. Idempotent."""
        self._process.close()
        if self._nothing >= 0:
            os.close(self._nothing)
            self._nothing = -1

    def _ask(self, word: Word, body: Begin | Tick | str) -> bytes:
        return self._process.serve(self._nothing, request(word, body), None, ANSWER_S)


def _denials(confinement: Confinement) -> tuple[Denial, ...]:
    found = [Denial(one.name, one.level.value, one.detail) for one in confinement.mechanisms]
    return (
        *found,
        *(Denial(f"to {one.what}", "full" if one.denied else "none", "tried") for one in confinement.attempts),
    )
