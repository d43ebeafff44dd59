"""What the judge of password ZIPs can say: limits, finding codes with their severity, and the Japanese sentences.

A leaf of exchange/archives.py: no bytes are read here. What the fund may decide for itself are CHECKS; a Policy holds
its decisions, and DEFAULTS are those of an installation that has made none.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

PIECE = 64 * 1024  # bytes: the size of every read and of every piece handed on
FINDINGS_PER_CODE = 20  # the rest is only counted, in the last message of the code

_LONG_NUMBER = re.compile(r"\d{4}[\W_]?\d{4}[\W_]?\d{4}\d*")

Verdict = Literal["accept", "warn", "reject"]
Weight = Literal["reject", "warn"]
Severity = Literal["reject", "warn", "ignore"]
Policy = Mapping[str, Severity]  # check → what a finding of it does; a check that is missing has its default

CODES: dict[str, Weight] = {
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
    "OTHER_OFFICE": "warn",  # only of what the fund makes; no archive alone shows it
}


@dataclass(frozen=True)
class Check:
    """One thing the fund decides on: the code of its findings and what they do where nothing was decided."""

    code: str
    default: Severity


CHECKS: dict[str, Check] = {
    "zipcrypto": Check("ZIPCRYPTO", "warn"),
    "weak_aes": Check("WEAK_AES", "warn"),
    "program": Check("BAD_TYPE", "reject"),  # executables, scripts, shortcuts, disk images
    "wrong_type": Check("BAD_TYPE", "reject"),  # the content is of another type than the name says
    "nested": Check("NESTED", "reject"),
    "macro": Check("MACRO", "warn"),
    "encrypted_inside": Check("ENCRYPTED_INSIDE", "warn"),
    "empty_file": Check("EMPTY_FILE", "warn"),
    "my_number": Check("MY_NUMBER", "warn"),
    "other_office": Check("OTHER_OFFICE", "warn"),
}
DEFAULTS: Policy = {name: check.default for name, check in CHECKS.items()}

# {it} is the entry in 「」 (or the archive itself), {detail} what exactly was seen.
MESSAGES: dict[str, str] = {
    "NOT_ZIP": "{detail}ZIPファイルではありません。圧縮パスワードを付けたZIPにして、もう一度送ってください。",
    "EMPTY_ARCHIVE": "ZIPの中にファイルがありません。送るファイルを入れて、もう一度送ってください。",
    "NOT_ENCRYPTED": "{detail}{it}にパスワードがかかっていません。圧縮パスワードを付けて、もう一度送ってください。",
    "PARTLY_ENCRYPTED": "{it}だけパスワードがかかっていません。すべてにかけて、もう一度送ってください。",
    "WRONG_PASSWORD": "{it}は登録された圧縮パスワードで開けません。圧縮パスワードを確かめて、もう一度送ってください。",
    "ZIPCRYPTO": "{it}の暗号はZipCrypto（弱い方式）です。AES-256を選んで圧縮してください。",
    "WEAK_AES": "{it}の暗号は{detail}です。AES-256を選んで圧縮してください。",
    "BAD_METHOD": "{it}は受け付けられない方式です（{detail}）。AES-256とDeflateを選び、もう一度送ってください。",
    "DAMAGED": "{it}が壊れています（{detail}）。元のファイルを確かめて、もう一度送ってください。",
    "TOO_BIG": "{it}が大きすぎます（{detail}）。ファイルを減らし、何回かに分けて送ってください。",
    "RATIO": "{it}の圧縮率が高すぎます（{detail}）。安全のため受け付けられません。ファイルの内容を確認してください。",
    "TOO_MANY": "ZIPの中のファイルが多すぎます（{detail}）。何回かに分けて送ってください。",
    "OVERLAP": "{it}の領域がほかの領域と重なっています。別の圧縮ソフトで圧縮し直してください。",
    "EXTRA_BYTES": "{it}に余分なデータがあります（{detail}）。別の圧縮ソフトで圧縮し直してください。",
    "SPLIT": "分割されたZIPは受け付けられません（{detail}）。分割せずに1つのZIPにして、もう一度送ってください。",
    "HEADER_MISMATCH": "{it}の記録が食い違っています（{detail}）。別の圧縮ソフトで圧縮し直してください。",
    "BAD_NAME": "{it}という名前は使えません（{detail}）。ファイルの名前を変えて、もう一度送ってください。",
    "DUPLICATE_NAME": "{it}と同じとみなされる名前がほかにもあります（{detail}）。名前を変えて送り直してください。",
    "SPECIAL_ENTRY": "{it}は普通のファイルではありません（{detail}）。ファイルそのものを送ってください。",
    "BAD_TYPE": "{it}は扱わない種類か、中身が名前と違います（{detail}）。取り除くか替えて、もう一度送ってください。",
    "NESTED": "{it}は圧縮ファイルです（{detail}）。解凍して、中のファイルのほうをもう一度送ってください。",
    "MACRO": "{it}にマクロが含まれています。マクロのない形式で保存し直してください。",
    "ENCRYPTED_INSIDE": "{it}には別のパスワードもかかっていて、中を検査できません。そのパスワードを外してください。",
    "EMPTY_FILE": "{it}は空（0バイト）です。正しいファイルか確認してください。",
    "MY_NUMBER": "{it}に個人番号と思われる数字があります（{detail}）。個人番号なら消して、もう一度送ってください。",
    "MALWARE": "{it}からウイルスが見つかりました（{detail}）。開かないでください。",
    "NOT_SCANNED": "{it}のウイルス検査ができていません。開くときは、PCのウイルス対策ソフトでも確かめてください。",
    "OTHER_OFFICE": "{it}の名前に、ほかの事業所の番号（{detail}）があります。送り先を確かめてください。",
}


class Readable(Protocol):
    """A seekable binary stream; errors of its own (OSError) are the caller's affair and pass through."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


class Reading(Protocol):
    """One file of an archive, seen by somebody while it is read; left as a context whatever happens."""

    def write(self, piece: bytes, /) -> object: ...

    def finish(self) -> Iterable[tuple[str, str]]:
        """What was found once the file has been read whole: (a check, or a code that is none's, and the detail)."""
        ...

    def __enter__(self) -> "Reading": ...

    def __exit__(self, *_: object) -> None: ...


ReaderOf = Callable[[str, int], Reading]  # NFC name, bytes
Report = Callable[[int, int], object]  # told again and again: bytes done, bytes in all


@dataclass(frozen=True)
class Limits:
    """How much one archive may ask of us. Sizes in bytes, ratio = unpacked / packed."""

    entries: int = 1000
    unpacked: int = 500 * 2**20
    ratio: int = 200
    ratio_floor: int = 2**20  # at or below this unpacked size the ratio is not asked
    packed: int = 200 * 2**20
    directory: int = 4 * 2**20  # the central directory, which is held in memory


@dataclass(frozen=True)
class Finding:
    """One thing found; entry is the NFC name as stored (it may hold control characters), message is safe to show."""

    code: str
    message: str
    entry: str | None
    severity: Weight


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


def _hidden(name: str) -> str:
    """The name without its long numbers: a finding about one must not spread it."""
    return _LONG_NUMBER.sub("＊" * 4, name)


def make_finding(
    code: str,
    entry: str | None = None,
    detail: str = "",
    more: int = 0,
    severity: Weight | None = None,
) -> Finding:
    """A finding in the words of MESSAGES; `more` further ones of the same code are only counted."""
    it = "このZIP" if entry is None else f"「{shown(_hidden(entry) if code == 'MY_NUMBER' else entry)}」"
    message = MESSAGES[code].format(it=it, detail=detail)
    if more:
        message += f"同じ問題がほかに{more}件あります。"
    return Finding(code, message, entry, severity or CODES[code])


def more_of(message: str) -> int:
    """How many further ones the message of a finding counts."""
    counted = re.search(r"同じ問題がほかに(\d+)件あります。$", message)
    return int(counted[1]) if counted else 0


@dataclass
class Collector:
    """Gathers findings in the order of discovery, at most FINDINGS_PER_CODE of a code, none twice.

    `policy` decides on what is found by a check (see CHECKS); everything else has the severity of its code.
    """

    policy: Policy = field(default_factory=dict)
    _kept: list[tuple[str, str | None, str]] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _severities: dict[str, Weight] = field(default_factory=dict)

    def check(self, name: str, entry: str | None = None, detail: str = "") -> None:
        """What a check has found; nothing where the fund ignores it."""
        check = CHECKS[name]
        severity = self.policy.get(name, check.default)
        if severity != "ignore":
            self.add(check.code, entry, detail, severity)

    def add(
        self,
        code: str,
        entry: str | None = None,
        detail: str = "",
        severity: Weight | None = None,
    ) -> None:
        if (code, entry, detail) in self._kept:
            return
        if self._severities.get(code) != "reject":  # of two checks with one code the stricter counts
            self._severities[code] = severity or CODES[code]
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= FINDINGS_PER_CODE:
            self._kept.append((code, entry, detail))

    @property
    def rejected(self) -> bool:
        return "reject" in self._severities.values()

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._finished())

    def _finished(self) -> Iterator[Finding]:
        last = {code: index for index, (code, _, _) in enumerate(self._kept)}
        for index, (code, entry, detail) in enumerate(self._kept):
            more = self._counts[code] - FINDINGS_PER_CODE if index == last[code] else 0
            yield make_finding(code, entry, detail, max(more, 0), self._severities[code])

    def inspection(self, entries: tuple[Entry, ...]) -> Inspection:
        return inspection_of(self.findings(), entries)


def inspection_of(findings: tuple[Finding, ...], entries: tuple[Entry, ...]) -> Inspection:
    """The verdict is the worst severity found."""
    weights = {finding.severity for finding in findings}
    return Inspection("reject" if "reject" in weights else "warn" if weights else "accept", findings, entries)
