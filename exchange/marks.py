"""The mark that a form carries of what it showed, so that nobody acts on what he has not seen and a form acts once."""

import hashlib


def of(*parts: object) -> str:
    """Sixteen hexadecimal digits that change with any of the parts and tell none of them."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]
