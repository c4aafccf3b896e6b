"""How often something may be done: a token bucket for each key.

Belongs here: counting against the clock. Does not belong here: what is counted.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from moretta.core.errors import RateLimited


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    spent: int = 0


class Rate:
    """At most `per_minute` in a minute for each key, all of them at once if need be. Safe for threads.

    Counts live in memory: they start anew with the process, which a caller cannot restart.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic, counted: str = "openings") -> None:
        self._per_minute, self._clock, self._counted = per_minute, clock, counted
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def spend(self, key: str) -> None:
        """Count one.

        Raises:
            RateLimited: the minute's share is used up; it says when there is one again.
        """
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault(key, _Bucket(float(self._per_minute), now))
            refilled = bucket.tokens + (now - bucket.at) * self._per_minute / 60
            bucket.tokens, bucket.at = min(float(self._per_minute), refilled), now
            if bucket.tokens < 1:
                wait_s = (1 - bucket.tokens) * 60 / self._per_minute
                raise RateLimited(
                    f"expected at most {self._per_minute} {self._counted} a minute under one gallery key; raise the limit",
                    retry_after_s=wait_s,
                )
            bucket.tokens -= 1
            bucket.spent += 1

    def spent(self, key: str) -> int:
        """How many were counted since the start."""
        with self._lock:
            bucket = self._buckets.get(key)
            return 0 if bucket is None else bucket.spent

    def forget(self, key: str) -> None:
        """Drop what is known of a key that is gone."""
        with self._lock:
            self._buckets.pop(key, None)
