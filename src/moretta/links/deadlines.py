"""How long there still is: every call over a link has one deadline, whatever it is made of.

Belongs here: moments of the monotonic clock. Does not belong here: how long a call may take.
"""

import time


def seconds_left(until: float) -> float:
    """Seconds until that moment of `time.monotonic`, more than 0.

    Raises:
        TimeoutError: it has passed.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
