"""Numbers that may be 個人番号 (My Numbers) in texts and names: twelve digits of which the last is the right one.

The check digit is that of the ordinance to the Number Act (行政手続における特定の個人を識別するための番号の利用等に
関する法律): with the weights 6 5 4 3 2 7 6 5 4 3 2 over the first eleven, 11 less the remainder by 11, and 0 for the
remainders 0 and 1. One number in ten that is something else passes too; see NumberSearch.is_likely.
"""

import codecs
import re
import unicodedata

_WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
ENOUGH = 20_000  # numbers of twelve digits after which a file is judged without its rest
_MOST_LOOKS = 3 * ENOUGH  # and whatever only looked like one
_SKIPPED = 1 / 8  # what a number that is plainly something else costs of a look
FEW = 20  # up to so many, each right one counts
# A moment written YYYYMMDDhhmm, and small numbers filled up with zeros, are no My Numbers but by a rare chance.
_MOMENT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-4])[0-5]\d")
_PLAINLY_OTHER = re.compile(rb"0000|" + _MOMENT.pattern.encode())  # the same, quickly
_IN_TEXT = re.compile(
    r"(?<![0-9A-Za-z_.])(?<![0-9A-Za-z]-)\d{4}([- ]?)\d{4}\1\d{4}(?![0-9A-Za-z_]|[-.][0-9A-Za-z]|\1\d)"
)
_IN_ROW = re.compile(r"\d $")  # before groups with spaces: there are more of them
_WORDS = tuple(word.encode(encoding) for word in ("個人番号", "マイナンバー") for encoding in ("utf-8", "cp932"))

# Every byte by its part in a number, so that a number in any writing is one fixed string that `find` knows:
# 0 digit, - hyphen or space; h o the two bytes of a full-width digit in CP932, s p of its hyphen or space;
# e c d the three of one in UTF-8, m the last of its hyphen.
_CLASSES = bytearray(b"x" * 256)
for _bytes, _class in (
    *((b"0123456789", "0"), (b"- ", "-"), (bytes(range(0x4F, 0x59)), "o"), (b"\x82", "h"), (b"\x81", "s")),
    *((b"\x7c\x40", "p"), (b"\xef", "e"), (b"\xbc", "c"), (bytes(range(0x90, 0x9A)), "d"), (b"\x8d", "m")),
):
    for _byte in _bytes:
        _CLASSES[_byte] = ord(_class)
_DIGITS, _LONGER, _BLANK = b"0" * 12, b"0" * 13, b"x" * 13
_GROUPED = b"0000-0000-0000"
_WIDE = {"cp932": b"ho" * 4, "utf-8": b"ecd" * 4}  # the first group of four
_WIDE_WHOLE = {
    "cp932": (b"ho" * 12, b"sp".join([b"ho" * 4] * 3)),
    "utf-8": (b"ecd" * 12, b"ecm".join([b"ecd" * 4] * 3)),
}
_CONTEXT = 64  # bytes kept of each piece, more than a number and its neighbours take in any writing


def has_right_digit(number: str) -> bool:
    """Whether the last of twelve ASCII digits is the check digit of the others."""
    rest = sum(int(digit) * weight for digit, weight in zip(number[:11], _WEIGHTS, strict=True)) % 11
    return int(number[11]) == (0 if rest <= 1 else 11 - rest)


def in_name(name: str) -> bool:
    """Whether a file's name has such a number."""
    return any(has_right_digit(number) for number in _candidates(re.sub("[_.]", "/", name)))


def _candidates(text: str) -> list[str]:
    """The whole numbers of twelve digits, also in groups of four, that are not plainly something else."""
    text = unicodedata.normalize("NFKC", text)
    matches = (
        match for match in _IN_TEXT.finditer(text) if match[1] != " " or not _IN_ROW.search(text[: match.start()])
    )
    found = (re.sub("[- ]", "", match[0]) for match in matches)
    return [number for number in found if not number.startswith("0000") and not _MOMENT.fullmatch(number)]


class NumberSearch:
    """Counts the numbers of a text that comes in pieces: `seen` of twelve digits, `right` of them with a right last.

    encoding: "" for UTF-8 or CP932, else that of UTF-16 the text is in.
    """

    def __init__(self, encoding: str = "") -> None:
        self.seen = 0
        self.right = 0
        self._looked = 0.0
        self._decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        self._encoding = ""  # of the bytes searched, known with the first that is not ASCII
        self._is_named = False
        self._is_rich = False  # in long numbers, as far as the last piece showed
        self._carried = b"\n"
        self._lead = 0  # where in what is carried the numbers begin that have not been counted

    def write(self, piece: bytes) -> None:
        if self.is_over:
            return
        if self._decoder is not None:
            piece = self._decoder.decode(piece).encode("utf-8", "replace")
        window = self._carried + piece
        if len(window) < 2 * _CONTEXT:
            self._carried = window
            return
        self._search(window, self._lead, len(window) - _CONTEXT)
        self._carried, self._lead = window[-2 * _CONTEXT :], _CONTEXT

    def finish(self) -> None:
        window = self._carried + b"\n"
        self._search(window, self._lead, len(window))

    @property
    def is_over(self) -> bool:
        """Whether the rest of the text changes nothing any more."""
        return self.seen >= ENOUGH or self._looked >= _MOST_LOOKS

    @property
    def is_likely(self) -> bool:
        """Whether the right ones are My Numbers rather than the tenth of any others that is right by chance.

        In few numbers each right one counts, and in a text that speaks of 個人番号; else there must be more of them
        than chance gives, by three standard deviations.
        """
        if not self.right or self.seen <= FEW or self._is_named:
            return bool(self.right)
        return self.right > self.seen * 0.1 + 3 * (self.seen * 0.09) ** 0.5

    def _search(self, window: bytes, start: int, end: int) -> None:
        """Counts the numbers that begin from `start` on and before `end`."""
        if not window.isascii() and not self._encoding:
            self._encoding = _encoding_of(window)
            self._is_named = any(word in window for word in _WORDS)
        # Most texts have no such run of digits anywhere, which is quickly told without their hyphens and spaces.
        wide = _WIDE.get(self._encoding, _DIGITS)
        if not self._is_rich:
            packed = window.translate(_CLASSES, b"- ")
            if _DIGITS not in packed and wide not in packed:
                return
        classes = window.translate(_CLASSES)
        seen = self.seen
        for needle in (_GROUPED, *(_WIDE_WHOLE.get(self._encoding, ()) if wide in classes else ())):
            self._count(window, classes, needle, start, end)
        tall = classes.count(_DIGITS)
        if tall != classes.count(_LONGER):  # else every run is longer than twelve
            self._count(window, classes.replace(_LONGER, _BLANK), _DIGITS, start, end)
        self._is_rich = bool(tall) or self.seen > seen

    def _count(self, window: bytes, classes: bytes, needle: bytes, start: int, end: int) -> None:
        position = classes.find(needle, start)
        while 0 <= position < end and not self.is_over:
            after = position + len(needle)
            if _PLAINLY_OTHER.match(window, position):
                self._looked += _SKIPPED
                position = classes.find(needle, after)
                continue
            self._looked += 1
            before = _before(window[max(0, position - 6) : position], self._encoding)
            rest = window[position : after + 6].decode(self._encoding or "ascii", "replace")
            candidates = _candidates(before + rest)
            self.seen += len(candidates)
            self.right += sum(map(has_right_digit, candidates))
            position = classes.find(needle, after)


def _before(raw: bytes, encoding: str) -> str:
    """The two characters before a number; the second byte of one in CP932 may look like a letter or a digit."""
    if encoding != "cp932":
        return raw.decode("utf-8", "ignore")[-2:]
    if raw[-2:-1] <= b"\x80":
        return raw[-2:].decode("ascii", "replace")
    return raw[-4 if raw[-4:-3] > b"\x80" else -2 :].decode("cp932", "replace")


def _encoding_of(window: bytes) -> str:
    try:
        window.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return "cp932"
    return "utf-8"
