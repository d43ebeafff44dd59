"""Names inside ZIP archives: how their bytes are read and which are refused.

Real tools write UTF-8 with the flag, UTF-8 without it (Info-ZIP, macOS) and CP932 (Japanese Windows tools), in
NFC and in NFD. The decoded name is judged, never the raw bytes: in CP932 表, ソ and 能 end in the byte 0x5C, which
is no backslash.
"""

import unicodedata

MAX_NAME_BYTES = 255
MAX_LEVELS = 8
# No name of MAX_NAME_BYTES is longer when decomposed; beyond it, composing a hostile name takes quadratic time.
MAX_RAW_BYTES = 1024
FORBIDDEN = frozenset('<>:"|?*\\')
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"]
)
_INVISIBLE = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


def decode(raw: bytes, is_utf8: bool) -> str | None:
    """The name as its writer meant it, not yet normalised; None when the bytes are no text, or more than MAX_RAW_BYTES.

    With the flag strict UTF-8; without it strict UTF-8 first, since text in CP932 is hardly ever valid UTF-8, then
    CP932 (not shift_jis, which lacks 髙, ① and ㈱).
    """
    if len(raw) > MAX_RAW_BYTES:
        return None
    for encoding in ("utf-8",) if is_utf8 else ("utf-8", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """The key under which two names count as the same file on some computer: NFKC and casefold, no final slash."""
    once = unicodedata.normalize("NFKC", name.rstrip("/")).casefold()
    return unicodedata.normalize("NFKC", once)


def fault(name: str) -> str | None:
    """Why this name is refused, as a Japanese phrase, or None. A final slash (a folder) is allowed.

    Spelled both as it came and composed: "<" with U+0338 composes to the harmless ≮.
    """
    spellings = dict.fromkeys([name, composed(name)])
    return next((found for one in spellings if (found := _fault(one))), None)


def _fault(name: str) -> str | None:
    if not name.strip("/"):
        return "名前が空です"
    if name.startswith("/"):
        return "絶対パスです"
    if not name.isprintable() and any(_is_invisible(c) for c in name):  # printable is never invisible
        return "制御文字や見えない文字があります"
    bad = sorted(FORBIDDEN.intersection(name))
    if bad:
        return f"使えない記号 {' '.join(bad)} があります"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"UTF-8で{MAX_NAME_BYTES}バイトを超えます"
    parts = name.removesuffix("/").split("/")
    if len(parts) > MAX_LEVELS:
        return f"フォルダーが{MAX_LEVELS}階層を超えます"
    return next((found for part in parts if (found := _part_fault(part))), None)


def _is_invisible(char: str) -> bool:
    is_no_character = ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef"
    return is_no_character or unicodedata.category(char) in _INVISIBLE


def _part_fault(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "「..」などの移動や空のフォルダー名があります"
    if part[-1] in ". ":
        return "名前の終わりが点または空白です"
    # Windows takes "nul .txt" for the device as well.
    if part.split(".")[0].rstrip(" ").upper() in _DEVICES:
        return "Windowsの装置名です"
    return None


class NameRegister:
    """Sees every name of one archive once and tells clashes, also between a file and a folder."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}
        self._parents: set[str] = set()

    def clash(self, name: str) -> str | None:
        """The Japanese phrase for what `name` clashes with, or None; a name without a clash is remembered."""
        key = folded(name)
        if key in self._taken:
            return f"「{self._taken[key]}」" if self._taken[key] != name else "同じ名前"
        is_folder = name.endswith("/")
        parents = _parents_of(key)
        if not is_folder and key in self._parents:
            return "同じ名前のフォルダー"
        if any(not self._taken.get(parent, "/").endswith("/") for parent in parents):
            return "同じ名前のファイルとフォルダー"
        self._taken[key] = name
        self._parents.update(parents)
        return None


def _parents_of(key: str) -> list[str]:
    parts = key.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]
