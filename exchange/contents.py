"""What the files of an archive hold: their true type against their name, and what should not be sent at all.

`reader` makes the one who looks at a file while it is read, in constant memory. Only what is sure is found, because
the checks refuse by default: a type that is unknown, or a name without a known suffix, says nothing. Excel opens web
pages and CSV called .xls, as payroll programs write them, and Word opens RTF and web pages called .doc: these pass.
Pictures of one kind called another kind pass too: every program shows them. Web pages and SVG, which browsers run, are
programs here; what a text file says is not searched for scripts, because no program runs it under that name.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Protocol, cast

from exchange import magic
from exchange.documents_inside import Allowance, OleFile, ZipDocument
from exchange.my_number import ENOUGH, NumberSearch, in_name
from exchange.zip_findings import CHECKS, Policy, ReaderOf, Reading

_PROGRAMS = frozenset(
    [
        *("ade", "adp", "appref-ms", "apk", "app", "appimage", "application", "appx", "appxbundle", "asx", "bat"),
        *("chm", "class", "cmd", "com", "command", "cpl", "deb", "desktop", "diagcab", "dll", "dmg", "dqy", "drv"),
        *("exe", "gadget", "hlp", "hta", "img", "inf", "ins", "iqy", "iso", "isp", "jar", "jnlp", "js", "jse"),
        *("ksh", "lib", "library-ms", "lnk", "mde", "msc", "msh", "msi", "msix", "msp", "mst", "msu", "nrg", "nsh"),
        *("ocx", "oqy", "pif", "pkg", "ps1", "ps1xml", "ps2", "psc1", "psd1", "psm1", "py", "pyc", "pyw", "reg"),
        *("rpm", "rqy", "run", "scf", "scr", "sct", "search-ms", "settingcontent-ms", "sh", "shb", "shs", "so"),
        *("sys", "udf", "url", "vb", "vbe", "vbs", "vhd", "vhdx", "vmdk", "vxd", "website", "ws", "wsc", "wsf"),
        *("wsh", "xbap", "xll", "xpi"),
        *("ahk", "appinstaller", "au3", "cdxml", "csh", "deskthemepack", "grp", "hpj", "msixbundle", "one", "osd"),
        *("pl", "ppa", "ppam", "ppkg", "printerexport", "pssc", "rb", "rdp", "searchconnector-ms", "slk", "theme"),
        *("themepack", "vsto", "wll", "wsb", "xla", "xnk"),
        *("accda", "accdb", "accde", "accdr", "accdt", "mam", "maq", "mar", "mas", "mat", "mau", "mav", "maw"),
        *("mda", "mdb"),  # Access runs what is in them
    ]
)
_PAGES = frozenset(["htm", "html", "mht", "mhtml", "shtml", "svg", "xht", "xhtml"])  # browsers run what is in them
_ARCHIVES = frozenset(
    [
        *("7z", "ace", "alz", "arc", "arj", "bz2", "bzip2", "cab", "egg", "gca", "gz", "gzip", "lha", "lz", "lz4"),
        *("lzh", "lzma", "rar", "tar", "taz", "tbz", "tbz2", "tgz", "txz", "wim", "xz", "z", "zip", "zipx", "zst"),
        *("001", "cue", "daa", "ear", "esd", "isz", "mdf", "mds", "ova", "r00", "sit", "sitx", "swm", "uu", "uue"),
        *("war", "xar", "z01"),
    ]
)
_MAILS = frozenset(["eml", "msg"])  # and what is attached to them
_CONFIGURATIONS = frozenset(["autorun.inf", "desktop.ini"])  # Windows does what they say to the folder around them
_SHELL_CLASS = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}")  # Windows runs what it stands for

_TEXTS = frozenset(["csv", "tsv", "txt", "text", "prn", "log", "json", "xml"])
_MARKUP = frozenset(["xml", "xsl", "xslt"])
_PAGE_IN_XML = re.compile(rb"http://www\.w3\.org/(?:1999/xhtml|2000/svg)")
_PICTURES = frozenset(["png", "jpeg", "gif", "bmp", "tiff", "webp", "heic"])
# What may be under a suffix, as far as the types have names here.
_ALLOWED: dict[str, frozenset[str]] = {
    "pdf": frozenset(["pdf"]),
    "rtf": frozenset(["rtf"]),
    **dict.fromkeys(["xls", "xlt", "doc", "dot"], frozenset(["ole", "rtf", "html", "text"])),
    **dict.fromkeys(["ppt", "pps", "jtd", "jtt"], frozenset(["ole"])),
    **dict.fromkeys(["xlsx", "xlsm", "xlsb", "xltx", "xltm", "xlam"], frozenset(["xlsx", "opc"])),
    **dict.fromkeys(["docx", "docm", "dotx", "dotm"], frozenset(["docx", "opc"])),
    **dict.fromkeys(["pptx", "pptm", "potx", "potm", "ppsx", "ppsm"], frozenset(["pptx", "opc"])),
    **dict.fromkeys(["ods", "odt", "odp", "odg", "ots", "ott", "otp"], frozenset(["odf"])),
    **dict.fromkeys(["png", "jpg", "jpeg", "jpe", "gif", "bmp", "tif", "tiff", "webp", "heic"], _PICTURES),
    **dict.fromkeys(_TEXTS, frozenset(["text"])),
    **dict.fromkeys(["xsl", "xslt"], frozenset(["text", "html"])),
}
_WRITTEN = frozenset(["text", "html"])
_ZIP_SUFFIXES = frozenset(suffix for suffix, kinds in _ALLOWED.items() if kinds & {"opc", "odf"})
_NAMES = {
    **{
        "pdf": "PDF",
        "rtf": "RTF文書",
        "html": "HTML（Webページ）",
        "text": "文字だけのデータ",
        "odf": "OpenDocument文書",
    },
    **{"ole": "古い形式のExcelやWordなどの文書", "xlsx": "Excelブック", "docx": "Word文書", "pptx": "PowerPoint"},
    **{"opc": "Office文書", **dict.fromkeys(_PICTURES, "画像"), "binary": "文字でないデータ"},
}
_OF_FACTS = {"macro": "macro", "encrypted": "encrypted_inside"}  # of an OLE2 file, and their checks
_PDF_OVERLAP = 64
_PDF_LOCK = b"/Encrypt"
_PDF_LOCKED = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R\b|<<)")


class _Watcher(Protocol):
    def write(self, piece: bytes, /) -> object: ...


_FOUND_HERE = ("program", "wrong_type", "nested", "macro", "encrypted_inside", "empty_file", "my_number")


def readers(policy: Policy) -> tuple[ReaderOf, ...]:
    """Who looks at the files of one archive; nobody where the fund ignores all that could be found."""
    if all(policy.get(check, CHECKS[check].default) == "ignore" for check in _FOUND_HERE):
        return ()
    return (partial(reader, allowance=Allowance()),)


def reader(name: str, size: int, allowance: Allowance | None = None) -> Reading:
    """Who looks at a file of that name and size (bytes) while it is read; the allowance is for all of one archive."""
    return _Reading(name, size, allowance or Allowance())


class _Pdf:
    """Looks for the dictionary that a password or a restriction needs; it stands in clear text in every PDF."""

    def __init__(self) -> None:
        self.is_encrypted = False
        self._carried = b""

    def write(self, piece: bytes) -> None:
        window = self._carried + piece
        if not self.is_encrypted and _PDF_LOCK in window:
            self.is_encrypted = _PDF_LOCKED.search(window) is not None
        self._carried = window[-_PDF_OVERLAP:]


class _Reading:
    """The beginning is held until the type is known; then what the type needs looks at every piece."""

    def __init__(self, name: str, size: int, allowance: Allowance) -> None:
        self._allowance = allowance
        self._name = name
        self._suffix = suffix_of(name)
        self._size = size
        self._head = b""
        self._tail = b""
        self._kind: str | None = None  # None until enough of the beginning has been seen
        self._watcher: _Watcher | None = None

    def write(self, piece: bytes) -> None:
        self._tail = piece[-magic.TAIL :] if len(piece) >= magic.TAIL else (self._tail + piece)[-magic.TAIL :]
        if self._kind is None:
            self._head += piece
            if len(self._head) >= magic.TEXT:
                self._recognise()
        else:
            if len(self._head) < magic.HEAD:
                self._head += piece[: magic.HEAD - len(self._head)]
            if self._watcher is not None:
                self._watcher.write(piece)

    def _recognise(self) -> None:
        self._kind = magic.kind(self._head)
        self._watcher = self._made_watcher(self._kind)
        if self._watcher is not None:
            self._watcher.write(self._head)

    def _made_watcher(self, kind: str) -> _Watcher | None:
        if kind == "ole":
            return OleFile()
        if kind == "zip":
            return ZipDocument(self._allowance)
        if kind == "pdf":
            return _Pdf()
        if kind in ("text", "html") or not kind and self._suffix in _TEXTS | _MARKUP:
            return NumberSearch(magic.utf16(self._head))
        return None

    def finish(self) -> Iterator[tuple[str, str]]:
        if self._kind is None:
            self._recognise()
        if self._size == 0:
            yield "empty_file", ""
        if isinstance(self._watcher, ZipDocument | NumberSearch):
            self._watcher.finish()
        fault = suffix_fault(self._name) or self._fault_inside()
        if fault is not None:
            yield fault
        yield from self._found_inside()
        if in_name(self._name):
            yield "my_number", "ファイルの名前"

    def _fault_inside(self) -> tuple[str, str] | None:
        """(check, detail) when the bytes are of a type that is not accepted, or not under this suffix."""
        if phrase := magic.program(self._head, self._tail):
            return "program", phrase
        if self._suffix == "xml" and _PAGE_IN_XML.search(self._head.replace(b"\0", b"")):
            return "program", "中身がWebページです"
        if magic.is_archive(self._head):
            return "nested", "中身が圧縮ファイルです"
        kind, allowed = self._kind or "", _ALLOWED.get(self._suffix)
        if isinstance(self._watcher, ZipDocument):
            if any(suffix_of(name) in _PROGRAMS for name in self._watcher.names):
                return "nested", "中身が、プログラムの入ったZIPです"
            if any(suffix_of(name) in _ARCHIVES for name in self._watcher.names):
                return "nested", "中身が、圧縮ファイルの入ったZIPです"
            kind = self._watcher.kind
            if kind == "zip" or not kind and self._suffix not in _ZIP_SUFFIXES:
                return "nested", "中身がZIPです"
            if not kind and not self._watcher.is_cut:
                return "wrong_type", f"拡張子は.{self._suffix}ですが、中を確かめられません"
        if allowed is None or self._head.startswith(magic.MACOS_COMPANION) or self._is_locked(kind, allowed):
            return None
        if not kind and allowed <= _WRITTEN and magic.is_binary(self._head):
            kind = "binary"
        if not kind or kind in allowed or kind == "text" and len(self._head) < magic.ENOUGH_TEXT:
            return None
        return "wrong_type", f"拡張子は.{self._suffix}ですが、中身は{_NAMES[kind]}です"

    def _is_locked(self, kind: str, allowed: frozenset[str]) -> bool:
        """A new Office document with a password lies in an old one."""
        return kind == "ole" and "opc" in allowed and "encrypted" in cast(OleFile, self._watcher).facts

    def _found_inside(self) -> Iterator[tuple[str, str]]:
        watcher = self._watcher
        searches = [watcher] if isinstance(watcher, NumberSearch) else []
        if isinstance(watcher, OleFile):
            yield from ((check, "") for fact, check in _OF_FACTS.items() if fact in watcher.facts)
        elif isinstance(watcher, ZipDocument):
            if watcher.has_macros:
                yield "macro", ""
            if watcher.is_encrypted:
                yield "encrypted_inside", ""
            searches = [_search(watcher.texts())]
        elif isinstance(watcher, _Pdf) and watcher.is_encrypted:
            yield "encrypted_inside", ""
        for search in searches:
            if search.is_likely:
                yield "my_number", f"{search.right:,}件{'以上' if search.seen >= ENOUGH else ''}"

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _search(texts: Iterable[Iterable[bytes]]) -> NumberSearch:
    search = NumberSearch()
    for text in texts:
        for piece in text:
            if search.is_over:
                break
            search.write(piece)
        search.write(b"\n")
    search.finish()
    return search


def suffix_of(name: str) -> str:
    """In lower case without its dot; ".exe" has one too, and "readme" none."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def suffix_fault(name: str) -> tuple[str, str] | None:
    """(check, detail) when a file of this name is never accepted, else None."""
    suffix, parts = suffix_of(name), name.lower().split("/")
    if parts[-1] in _CONFIGURATIONS:
        return "program", parts[-1]
    if suffix in _PROGRAMS | _PAGES or _SHELL_CLASS.fullmatch(suffix):
        return "program", f".{suffix}"
    if any(_SHELL_CLASS.fullmatch(part.rpartition(".")[2]) for part in parts):
        return "program", "フォルダーの名前にWindowsの部品の番号"
    if suffix in _ARCHIVES | _MAILS:
        return "nested", f".{suffix}"
    return None
