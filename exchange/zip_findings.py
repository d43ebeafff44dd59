"""What the judge of password ZIPs can say: limits, finding codes with their severity, and the Japanese sentences.

A leaf of exchange/archives.py: no bytes are read here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

PIECE = 64 * 1024  # bytes: the size of every read and of every piece handed on
FINDINGS_PER_CODE = 20  # the rest is only counted, in the last message of the code

Verdict = Literal["accept", "warn", "reject"]

CODES: dict[str, Literal["reject", "warn"]] = {
    "NOT_ZIP": "reject",
    "EMPTY_ARCHIVE": "reject",
    "NOT_ENCRYPTED": "reject",
    "PARTLY_ENCRYPTED": "reject",
    "WRONG_PASSWORD": "reject",
    "ZIPCRYPTO": "warn",
    "WEAK_AES": "warn",
    "BAD_METHOD": "reject",
    "DAMAGED": "reject",
    "TOO_BIG": "reject",
    "RATIO": "reject",
    "TOO_MANY": "reject",
    "OVERLAP": "reject",
    "EXTRA_BYTES": "reject",
    "SPLIT": "reject",
    "HEADER_MISMATCH": "reject",
    "BAD_NAME": "reject",
    "DUPLICATE_NAME": "reject",
    "SPECIAL_ENTRY": "reject",
    "BAD_TYPE": "reject",
    "NESTED": "reject",
    "MACRO": "warn",
    "ENCRYPTED_INSIDE": "warn",
    "EMPTY_FILE": "warn",
    "MY_NUMBER": "warn",
    "MALWARE": "reject",
    "NOT_SCANNED": "warn",
}

# {it} is the entry in 「」 (or the archive itself), {detail} what exactly was seen.
MESSAGES: dict[str, str] = {
    "NOT_ZIP": "{detail}ZIPファイルではありません。パスワード付きZIPに圧縮してから送ってください。",
    "EMPTY_ARCHIVE": "ZIPの中にファイルがありません。届書を入れて作り直してください。",
    "NOT_ENCRYPTED": "{detail}{it}にパスワードがかかっていません。圧縮パスワードを設定してZIPを作り直してください。",
    "PARTLY_ENCRYPTED": "{it}だけパスワードがかかっていません。すべてにかけてZIPを作り直してください。",
    "WRONG_PASSWORD": "{it}は登録された圧縮パスワードで開けません。圧縮パスワードを確認してZIPを作り直してください。",
    "ZIPCRYPTO": "{it}の暗号はZipCrypto（弱い方式）です。次からはAES-256を選んで圧縮してください。",
    "WEAK_AES": "{it}の暗号は{detail}です。次からはAES-256を選んで圧縮してください。",
    "BAD_METHOD": "{it}は受け付けられない方式です（{detail}）。AES-256とDeflateを選んで作り直してください。",
    "DAMAGED": "{it}が壊れています（{detail}）。ZIPを作り直して、もう一度送ってください。",
    "TOO_BIG": "{it}が大きすぎます（{detail}）。ファイルをいくつかのZIPに分けて送ってください。",
    "RATIO": "{it}の圧縮率が高すぎます（{detail}）。安全のため受け付けられません。ファイルの内容を確認してください。",
    "TOO_MANY": "ZIPの中のファイルが多すぎます（{detail}）。いくつかのZIPに分けて送ってください。",
    "OVERLAP": "{it}の領域がほかの領域と重なっています。別の圧縮ソフトでZIPを作り直してください。",
    "EXTRA_BYTES": "{it}に余分なデータがあります（{detail}）。別の圧縮ソフトでZIPを作り直してください。",
    "SPLIT": "分割されたZIPは受け付けられません（{detail}）。分割せずに1つのZIPで作り直してください。",
    "HEADER_MISMATCH": "{it}の記録が食い違っています（{detail}）。別の圧縮ソフトでZIPを作り直してください。",
    "BAD_NAME": "{it}という名前は使えません（{detail}）。名前を変えてZIPを作り直してください。",
    "DUPLICATE_NAME": "{it}と同じとみなされる名前がほかにもあります（{detail}）。名前を変えてZIPを作り直してください。",
    "SPECIAL_ENTRY": "{it}は普通のファイルではありません（{detail}）。ファイルそのものを入れて作り直してください。",
    "BAD_TYPE": "{it}は受け付けられない種類のファイルです（{detail}）。取り除いてZIPを作り直してください。",
    "NESTED": "{it}は圧縮ファイルです（{detail}）。中のファイルを直接ZIPに入れて作り直してください。",
    "MACRO": "{it}にマクロが含まれています。マクロのない形式で保存し直してください。",
    "ENCRYPTED_INSIDE": "{it}にはさらにパスワードがかかっています。外してからZIPに入れ直してください。",
    "EMPTY_FILE": "{it}は空（0バイト）です。正しいファイルか確認してください。",
    "MY_NUMBER": "{it}に個人番号と思われる数字があります。個人番号を含まないことを確認してください。",
    "MALWARE": "{it}からウイルスが見つかりました（{detail}）。送信したPCを点検してください。",
    "NOT_SCANNED": "{it}のウイルス検査ができませんでした。検査が終わるまでお待ちください。",
}


class Readable(Protocol):
    """A seekable binary stream; errors of its own (OSError) are the caller's affair and pass through."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


@dataclass(frozen=True)
class Limits:
    """How much one archive may ask of us. Sizes in bytes, ratio = unpacked / packed, seconds of wall clock."""

    entries: int = 1000
    unpacked: int = 500 * 2**20
    ratio: int = 200
    ratio_floor: int = 2**20  # at or below this unpacked size the ratio is not asked
    packed: int = 200 * 2**20
    directory: int = 4 * 2**20  # the central directory, which is held in memory
    seconds: float | None = None


@dataclass(frozen=True)
class Finding:
    """One thing found; entry is the NFC name as stored (it may hold control characters), message is safe to show."""

    code: str
    message: str
    entry: str | None

    @property
    def severity(self) -> Literal["reject", "warn"]:
        return CODES[self.code]


@dataclass(frozen=True)
class Entry:
    """One file of an archive; sha256 is of the unpacked bytes in hex, "" when it was not (or not wholly) read.

    method: "AES-256", "AES-192", "AES-128", "ZipCrypto", "none", or "unknown" for an encryption we do not know.
    """

    name: str
    size: int
    method: str
    sha256: str


@dataclass(frozen=True)
class Inspection:
    """The judgement of one archive; entries stand in the order of its directory, folders left out."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    entries: tuple[Entry, ...]


class ArchiveError(Exception):
    """An archive that cannot be used; `finding` says why, `inspection` all that was found (None while writing)."""

    def __init__(self, finding: Finding, inspection: Inspection | None = None) -> None:
        super().__init__(f"{finding.code}: {finding.message}")
        self.finding = finding
        self.inspection = inspection


def shown(name: str) -> str:
    """The name as a message may carry it: one line, nothing invisible, at most 60 characters."""
    visible = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name[:200])
    return visible if len(visible) <= 60 else visible[:40] + "…" + visible[-19:]


def make_finding(code: str, entry: str | None = None, detail: str = "", more: int = 0) -> Finding:
    """A finding in the words of MESSAGES; `more` further ones of the same code are only counted."""
    it = "このZIP" if entry is None else f"「{shown(entry)}」"
    message = MESSAGES[code].format(it=it, detail=detail)
    if more:
        message += f"同じ問題がほかに{more}件あります。"
    return Finding(code, message, entry)


@dataclass
class Collector:
    """Gathers findings in the order of discovery, at most FINDINGS_PER_CODE of a code, none twice."""

    _kept: list[tuple[str, str | None, str]] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, code: str, entry: str | None = None, detail: str = "") -> None:
        if (code, entry, detail) in self._kept:
            return
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= FINDINGS_PER_CODE:
            self._kept.append((code, entry, detail))

    @property
    def rejected(self) -> bool:
        return any(CODES[code] == "reject" for code in self._counts)

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._finished())

    def _finished(self) -> Iterator[Finding]:
        last = {code: index for index, (code, _, _) in enumerate(self._kept)}
        for index, (code, entry, detail) in enumerate(self._kept):
            more = self._counts[code] - FINDINGS_PER_CODE if index == last[code] else 0
            yield make_finding(code, entry, detail, max(more, 0))

    def inspection(self, entries: tuple[Entry, ...]) -> Inspection:
        """The verdict is the worst severity found."""
        verdict: Verdict = "reject" if self.rejected else "warn" if self._counts else "accept"
        return Inspection(verdict, self.findings(), entries)
