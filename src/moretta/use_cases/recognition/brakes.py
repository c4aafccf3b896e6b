"""How often somebody may ask whether a face matches.

Belongs here: token buckets and their defaults. Does not belong here: who is asking, which a door finds out.

50 to 192 returned scores recover a template (Frontiers in Imaging 2025, 1476377). Decisions tell far less than scores, but they
do tell: so the number of decisions is bounded, for each subject and for each caller.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from moretta.core.errors import RateLimited

# A forgotten bucket is a full one, so the oldest of so many can be forgotten only by an attacker with as many subjects.
_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then one every `every_s` seconds."""

    burst: int
    every_s: float


# A person at a door tries a few times. Ten at once and one every half minute put 192 decisions 91 minutes apart.
PER_SUBJECT = Rate(10, 30.0)
# 600 faces at once (six crowded photos) and ten a second: a busy desk, not a scan of a population through one key.
PER_CALLER = Rate(600, 0.1)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class TokenBuckets:
    """A bucket for each key. Safe for several threads; lives in this process only."""

    def __init__(self, rate: Rate, what: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._what, self._now_s = rate, what, now_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, count: int = 1) -> None:
        """Take `count` tokens, or as many as a full bucket holds.

        Raises:
            RateLimited: there are too few; none is taken.
        """
        rate = self._rate
        wanted = min(count, rate.burst)
        with self._lock:
            now = self._now_s()
            bucket = self._buckets.pop(key, None) or _Bucket(float(rate.burst), now)
            bucket.tokens = min(float(rate.burst), bucket.tokens + (now - bucket.at_s) / rate.every_s)
            bucket.at_s = now
            self._buckets[key] = bucket
            if len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
            # Half a millionth of a token: what adding up seconds as floats may be short of.
            if bucket.tokens + 5e-7 < wanted:
                wait_s = (wanted - bucket.tokens) * rate.every_s
                raise RateLimited(
                    f"expected at most {rate.burst} {self._what} at once and one every {rate.every_s:g} s after; "
                    "wait as Retry-After says",
                    retry_after_s=wait_s,
                )
            bucket.tokens -= wanted


@dataclass(frozen=True, slots=True)
class Brakes:
    """The brakes of one deployment."""

    subject: TokenBuckets = field(default_factory=lambda: TokenBuckets(PER_SUBJECT, "attempts to verify one person"))
    caller: TokenBuckets = field(default_factory=lambda: TokenBuckets(PER_CALLER, "compared faces"))
