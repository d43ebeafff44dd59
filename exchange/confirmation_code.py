"""The 確認コード of an installer (guide §4-1): a file of one line that names an office's device and the PC it lies on,
signed with the installer's own key.

    TODOKE1|contract number|slot|installer|code|machine|computer|adapter|volume|HMAC-SHA256

The HMAC is over all before the last bar, as UTF-16LE. What the file is called doesn't matter.
"""

import hmac
import re
from dataclasses import dataclass

from exchange import normalise

LARGEST = 16 * 1024  # bytes
MARK = "TODOKE1"

# Field → its exact form. The tool writes the digits of the slot twice: the second time in front of the code.
FIELDS = {
    "version": MARK,
    "contract": r"[0-9]{1,20}-[0-9]{1,20}",
    "slot": r"0[1-9]|[1-9][0-9]",
    "installer": r"[0-9a-f]{32}",
    "code": r"[0-9]{2}[0-9A-F]{4}",
    "machine": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    # No controls, nor characters that count as letters and can't be seen; `_is_readable` looks at the rest.
    "computer": r"[^|\x00-\x1f\x7f-\xa0\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\ufff0-\uffff\U000e0000-\U0010ffff]{1,63}",
    "adapter": r"(?:[0-9A-F]{2}(?:-[0-9A-F]{2}){5})?",
    "volume": r"(?:[0-9A-F]{8})?",
    "signature": r"[0-9A-F]{64}",
}
_LINE = re.compile(r"\|".join(f"(?P<{name}>{form})" for name, form in FIELDS.items()) + r"(?:\r?\n)?")
_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))


class Malformed(Exception):
    """Not a confirmation code. `reason`: empty, size, encoding, fields (not as many as there are), the name of the
    first field that is not as it must be, or end (something after the line).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Confirmation:
    """What a file says, signed or not. `adapter` and `volume` may be empty. `signed`: what the signature is over."""

    contract: str
    slot: int
    installer: str
    code: str
    machine: str
    computer: str
    adapter: str
    volume: str
    signed: bytes
    signature: bytes


def read(data: bytes) -> Confirmation:
    """The content of a file; Malformed for anything but exactly one line of that form."""
    if len(data) > LARGEST:
        raise Malformed("size")
    text = _text(data)
    found = _LINE.fullmatch(text)
    if found is None:
        raise Malformed(_first_wrong(text))
    if found["code"][:2] != found["slot"]:
        raise Malformed("slot")
    if not _is_readable(found["computer"]):
        raise Malformed("computer")
    names = ("contract", "installer", "code", "machine", "computer", "adapter", "volume")
    signed, signature = found.string[: found.start("signature") - 1], bytes.fromhex(found["signature"])
    return Confirmation(
        slot=int(found["slot"]),
        signed=signed.encode("utf-16-le"),
        signature=signature,
        **{name: found[name] for name in names},
    )


def is_signed(confirmation: Confirmation, key: bytes) -> bool:
    """Whether the installer with this key wrote it, and nobody changed it since; in the same time either way."""
    return hmac.compare_digest(hmac.digest(key, confirmation.signed, "sha256"), confirmation.signature)


def _is_readable(computer: str) -> bool:
    """Whether people see what stands there, and all of it."""
    return bool(computer.strip()) and not normalise.unfit(computer)


def _text(data: bytes) -> str:
    """UTF-16 by its byte order mark, otherwise UTF-8."""
    if not data:
        raise Malformed("empty")
    encoding, start = next(((name, len(bom)) for bom, name in _BOMS if data.startswith(bom)), ("utf-8", 0))
    try:
        text = data[start:].decode(encoding)
    except UnicodeDecodeError as error:
        raise Malformed("encoding") from error
    if "\0" in text:  # UTF-16 without its mark
        raise Malformed("encoding")
    return text


def _first_wrong(text: str) -> str:
    """The reason word for a text that isn't a line of that form."""
    parts = text.split("|")
    if len(parts) != len(FIELDS):
        return "fields" if text.startswith(MARK) else "version"
    *fields, last = parts
    for (name, form), part in zip(FIELDS.items(), fields, strict=False):
        if not re.fullmatch(form, part):
            return name
    signature = re.split(r"[\r\n]", last, maxsplit=1)[0]
    return "end" if re.fullmatch(FIELDS["signature"], signature) else "signature"
