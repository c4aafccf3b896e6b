"""When and what is reported: freeze a batch, note and deliver it, mark it acknowledged; again until it is.

Exactly once in effect: a record enters one batch in one transaction, the batch's bytes are stored before the first attempt and
repeated by every later one, and the hub keeps a batch id once. Wherever either side dies, the next run goes on from there.
"""

import random
import threading
from collections.abc import Callable

from moretta.core.metering import BatchSender, Delivery, EgressLedger, Outbox
from moretta.usage.envelope import BatchSigner

INTERVAL_S = 300.0
# Exponential backoff with jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015, its "equal jitter"): a hub
# that comes back is not met by every reporter at once, and a hub that stays away costs four attempts an hour.
BACKOFF_FIRST_S = 5.0
BACKOFF_MAX_S = 900.0


class Reporter:
    """Reports the records of one company over one channel."""

    def __init__(self, outbox: Outbox, ledger: EgressLedger, sender: BatchSender, signer: BatchSigner) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._sender = sender
        self._signer = signer

    @property
    def company_id(self) -> str:
        """Whose records are reported; records of any other company wait."""
        return self._signer.company_id

    @property
    def channel(self) -> str:
        """`hub` or `file`."""
        return self._sender.channel

    @property
    def address(self) -> str:
        """Where reports go: scheme, host and port; empty for a file."""
        return self._sender.address

    def run_once(self) -> Delivery | None:
        """Deliver the oldest batch once; None where nothing waits. One process at a time; another waits its turn."""
        with self._outbox.reporting():
            batch = self._outbox.next_batch(self.company_id, self._signer.seal)
            if batch is None:
                return None
            attempt = self._ledger.start(batch.batch_id, self._sender.channel, self._sender.address)
            delivery = self._sender.deliver(batch, lambda content: self._ledger.write(attempt, content))
            self._ledger.finish(attempt, delivery.outcome)
            if delivery.acknowledged:
                self._outbox.acknowledge(batch.batch_id)
            return delivery

    def drain(self) -> Delivery | None:
        """Deliver batch after batch; the first failure, or None once nothing waits."""
        while (delivery := self.run_once()) is not None:
            if not delivery.acknowledged:
                return delivery
        return None

    def next_batch_preview(self) -> bytes | None:
        """The exact bytes that the next attempt will write; None where nothing waits. Nothing is sent.

        The batch is frozen by this, so that what is shown is what is sent.
        """
        batch = self._outbox.next_batch(self.company_id, self._signer.seal)
        return None if batch is None else self._sender.preview(batch)


class ReportLoop:
    """Reports in the background until it is stopped. An unreachable hub only makes records wait."""

    def __init__(
        self,
        reporter: Reporter,
        *,
        interval_s: float = INTERVAL_S,
        on_outcome: Callable[[str], None] = lambda _: None,
        jitter: Callable[[], float] = random.random,
        backoff_first_s: float = BACKOFF_FIRST_S,
    ) -> None:
        """Prepare the thread; `on_outcome` gets a fixed phrase after each round, fit for a log."""
        self._reporter = reporter
        self._interval_s = interval_s
        self._on_outcome = on_outcome
        self._jitter = jitter
        self._backoff_first_s = backoff_first_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage-report", daemon=True)

    def start(self) -> None:
        """Begin reporting; the first round at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop after the attempt under way, waiting at most `timeout_s`. Idempotent; what waits is sent after a restart."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            well, outcome = self._round()
            failures = 0 if well else failures + 1
            self._on_outcome(outcome)
            pause = self._interval_s if well else backoff_s(failures, self._jitter(), self._backoff_first_s)
            self._stopping.wait(pause)

    def _round(self) -> tuple[bool, str]:
        """Whether all that waited is acknowledged, and how the round went."""
        outcome = "nothing waits"
        try:
            while not self._stopping.is_set() and (delivery := self._reporter.run_once()) is not None:
                outcome = delivery.outcome
                if not delivery.acknowledged:
                    return False, outcome
        except Exception as error:  # the thread's border: whatever fails here must not end reporting for good
            return False, f"failed with {type(error).__name__}"
        return True, outcome


def backoff_s(failures: int, jitter: float, first_s: float = BACKOFF_FIRST_S) -> float:
    """How long to wait after `failures` in a row; `jitter` in 0..1 chooses between half of it and all of it."""
    ceiling = min(BACKOFF_MAX_S, first_s * 2.0 ** min(failures - 1, 32))
    return ceiling * (0.5 + 0.5 * jitter)
