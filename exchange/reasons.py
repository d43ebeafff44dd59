"""The reason that somebody gives for an act on an office, its people or its PCs."""

from exchange import normalise
from exchange.errors import Refused

LONGEST = 300  # characters
LOGGED = "操作の記録に残ります。"


def given(typed: str, told: str = LOGGED) -> str:
    """The reason in one tidy line; Refused when there is none or it is too long. `told`: where it will be read."""
    reason = normalise.text(typed)
    if not 1 <= len(reason) <= LONGEST:
        raise Refused(f"理由を1～{LONGEST}文字で入力してください。{told}")
    return reason
