"""Whether the machine's clock is kept right: the month of a download password, days and codes are counted by it."""

import ctypes

TIMEX_BYTES = 512  # more than struct timex has anywhere
TIME_ERROR = 5  # adjtimex(2): the clock isn't synchronised


def is_kept() -> bool | None:
    """What the kernel was last told by a time service; None where it can't be asked."""
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))  # zeros: only asks
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != TIME_ERROR
