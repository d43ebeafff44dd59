"""QR codes as one path of an SVG picture."""

from dataclasses import dataclass

import segno

QUIET = 4  # modules left white on each side


@dataclass(frozen=True)
class QR:
    """A picture of `size` × `size` units; `path` fills its dark squares."""

    size: int
    path: str


def squares(text: str) -> QR:
    """The smallest code that holds the text, readable with up to 15 % of it damaged."""
    rows = [list(row) for row in segno.make_qr(text, error="m").matrix]
    dark = (
        f"M{x + QUIET} {y + QUIET}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark
    )
    return QR(len(rows) + 2 * QUIET, "".join(dark))
