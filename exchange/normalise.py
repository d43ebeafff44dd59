"""What people type, brought into the one form that is stored and compared.

Width is never a reason to refuse: each normaliser takes any str and returns a str (or a date), it never raises.
Whether the result is acceptable is asked separately, by the is_… functions. Login passwords and archive passwords must
not pass through here: they count exactly as typed.
"""

import datetime
import re
import unicodedata

OFFICE_NUMBER_LENGTH = 10
NAME_LENGTH = 50
KANA_LENGTH = 50  # with the space between the names (guide §1-2)
MAIL_LENGTH = 254  # RFC 5321
OFFICE_NAME_LENGTH = 100
CONTRACT_NUMBER_LENGTH = 30  # with the hyphen
ADDRESS_LENGTH = 120  # of all its lines: the longest that the smallest window of an envelope holds
ADDRESS_LINES = 4  # that fit into the window of an envelope
LOGIN_ID = re.compile(r"^[A-Za-z0-9]{8,15}\Z")  # upper and lower case differ (guide §1-2)

# Longer input is cut here: ordering combining marks takes quadratic time (40,000 of them took a second). Every limit
# above is far smaller, so a value that was cut is still refused for its length.
LONGEST = 4000

DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\u2501\u30fc\ufe58\ufe63\uff0d\uff70"
_DASH = re.compile(f"[{re.escape(DASHES)}]")
_SPACES = re.compile(r"\s+")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, lone surrogate, line and paragraph separator
_FULL_SPACE = "\u3000"

# NFC would replace U+FA19, U+FA1B and their like by 神, 福: not the glyph this person's name is written with.
_NOT_COMPATIBILITY_IDEOGRAPHS = re.compile("[^\uf900-\ufaff\U0002f800-\U0002fa1f]+")

_HIRAGANA_TO_KATAKANA = {point: point + 0x60 for point in (*range(0x3041, 0x3097), 0x309D, 0x309E)}
_SPACED_SOUND_MARKS = {0x309B: 0x3099, 0x309C: 0x309A}  # ゛゜ -> combining; NFKC alone would put a space before them
_DASH_AFTER_KATAKANA = re.compile(f"(?<=[ァ-ヺー])[{re.escape(DASHES.replace('ー', ''))}]+")
_KATAKANA_WORD = re.compile("[ァ-ヺ][ァ-ヺーヽヾ・]*")

_CONTRACT_NUMBER = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_POSTAL_CODE = re.compile(r"[0-9]{3}-[0-9]{4}")
_MAIL_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MAIL_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])", re.IGNORECASE)

_ERAS = (  # name, letter, first day, last day
    ("令和", "R", datetime.date(2019, 5, 1), datetime.date.max),
    ("平成", "H", datetime.date(1989, 1, 8), datetime.date(2019, 4, 30)),
    ("昭和", "S", datetime.date(1926, 12, 25), datetime.date(1989, 1, 7)),
)
_FIRST_YEAR = 1900  # an older date on a form is a slip such as 0024/5/26
_DATE_MARK = re.compile(r"\s*([年月日./-])\s*")
_DAY_BY_MARK = r"(?P<mark>[./-])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})"
_DAY_BY_WORD = r"年(?P<month>[0-9]{1,2})月(?P<day>[0-9]{1,2})日"
_ERA_YEAR = r"(?P<era>令和|平成|昭和|[RHSrhs])\s*(?P<year>[0-9]{1,2}|元)"
_DATE_SHAPES = (
    re.compile(r"(?P<year>[0-9]{4})" + _DAY_BY_MARK),
    re.compile(r"(?P<year>[0-9]{4})" + _DAY_BY_WORD),
    re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"),
    re.compile(_ERA_YEAR + _DAY_BY_MARK),
    re.compile(_ERA_YEAR + _DAY_BY_WORD),
)


def text(s: str) -> str:
    """One line, stripped, NFC (glyph variants of names kept); line breaks become spaces, hidden characters go."""
    line = _visible(s[:LONGEST])
    return _NOT_COMPATIBILITY_IDEOGRAPHS.sub(lambda run: unicodedata.normalize("NFC", run[0]), line).strip()


def half_width(s: str) -> str:
    """One line, stripped, NFKC: the base of what follows, and what two spellings are compared by."""
    return unicodedata.normalize("NFKC", _visible(s[:LONGEST])).strip()


def contract_number(s: str) -> str:
    """`1234567-12345678`: any width, dash look-alike and spacing; 15 digits without a hyphen are read as 7-8."""
    number = half_width(_DASH.sub("-", _SPACES.sub("", half_width(s))))
    if len(number) == 15 and is_digits(number):
        return f"{number[:7]}-{number[7:]}"
    return number


def login_id(s: str) -> str:
    """Half width, stripped; upper and lower case stay as typed."""
    return half_width(s)


def mail(s: str) -> str:
    """Half width, stripped, the domain in lower case; the part before @ stays as typed."""
    local, at, domain = half_width(s).rpartition("@")
    return f"{local}@{domain.lower()}" if at else domain


def person_name(s: str) -> str:
    """`基金　太郎`: one full-width space where the person typed any white space."""
    return _SPACES.sub(_FULL_SPACE, text(s))


def kana(s: str) -> str:
    """`キキン　タロウ`: half-width kana and hiragana become full-width katakana, white space one full-width space."""
    katakana = half_width(s.translate(_SPACED_SOUND_MARKS)).translate(_HIRAGANA_TO_KATAKANA)
    katakana = unicodedata.normalize("NFC", katakana)
    katakana = _DASH_AFTER_KATAKANA.sub(lambda dashes: "ー" * len(dashes[0]), katakana)
    return _SPACES.sub(_FULL_SPACE, katakana)


def digits(s: str) -> str:
    """Half width, stripped. Digits of other scripts stay what they are, so is_digits() refuses them."""
    return half_width(s)


def code(s: str) -> str:
    """A one-time password as typed: half width, without spaces and hyphens."""
    return half_width(_DASH.sub("", _SPACES.sub("", half_width(s))))


def postal_code(s: str) -> str:
    """`100-0001`: any width and dash, with or without 〒; what isn't seven digits stays as it is."""
    number = half_width(_DASH.sub("-", _SPACES.sub("", half_width(s)))).removeprefix("〒")
    plain = number.replace("-", "", 1) if number[3:4] == "-" else number
    return f"{plain[:3]}-{plain[3:]}" if len(plain) == 7 and is_digits(plain) else number


def address(s: str) -> str:
    """Lines as they stand on an envelope, each like text(); empty ones go."""
    lines = (text(line) for line in s[:LONGEST].splitlines())
    return "\n".join(filter(None, lines))


def date_on(s: str) -> datetime.date | None:
    """2024/5/26, 2024-5-26, 2024.5.26, 20240526, 2024年5月26日, R6.5.26, 令和6年5月26日, 令和元年5月1日; else None.

    An era must have been in force on that day (平成36年 is None), and the year must be 1900 or later.
    """
    typed = _DATE_MARK.sub(r"\1", _DASH.sub("-", half_width(s)))
    for shape in _DATE_SHAPES:
        if found := shape.fullmatch(typed):
            return _as_date(found.groupdict())
    return None


def era(date: datetime.date) -> str:
    """`令和6年5月26日`, the first year as 元年; days before 昭和 in the western calendar, `1926年12月24日`."""
    for name, _, first, last in _ERAS:
        if first <= date <= last:
            year = date.year - first.year + 1
            return f"{name}{'元' if year == 1 else year}年{date.month}月{date.day}日"
    return f"{date.year}年{date.month}月{date.day}日"


def is_contract_number(s: str) -> bool:
    """Digits, hyphen, digits; at most 30 characters. The numbers we issue have 7 and 8 digits."""
    return len(s) <= CONTRACT_NUMBER_LENGTH and _CONTRACT_NUMBER.fullmatch(s) is not None


def is_postal_code(s: str) -> bool:
    return _POSTAL_CODE.fullmatch(s) is not None


def is_address(s: str) -> bool:
    """Whether a normalised address fits on an envelope and holds nothing that letters or tables can't carry."""
    return fits_window(s) and not any(unfit(line) for line in s.split("\n"))


def fits_window(s: str) -> bool:
    """Whether a normalised address can be read through the window of an envelope."""
    return len(s) <= ADDRESS_LENGTH and s.count("\n") < ADDRESS_LINES


def is_login_id(s: str) -> bool:
    return LOGIN_ID.fullmatch(s) is not None


def is_mail(s: str) -> bool:
    """One plain ASCII address, `name@host.example`; no display name, no quoted local part, no address in digits."""
    local, _, domain = s.rpartition("@")
    if len(s) > MAIL_LENGTH or len(local) > 64:
        return False
    return _MAIL_LOCAL.fullmatch(local) is not None and _MAIL_DOMAIN.fullmatch(domain) is not None


def is_katakana(s: str) -> bool:
    """Words of full-width katakana, separated by one full-width space each; at least one word, of any length."""
    return all(_KATAKANA_WORD.fullmatch(word) for word in s.split(_FULL_SPACE))


def is_kana(s: str) -> bool:
    """A person's name in kana: katakana words, a space between family and given name, at most 50 characters."""
    return len(s) <= KANA_LENGTH and _FULL_SPACE in s and is_katakana(s)


def is_digits(s: str) -> bool:
    """At least one character, and every one of them 0 to 9 (str.isdigit() alone accepts other scripts)."""
    return s.isascii() and s.isdigit()


def is_formula_like(s: str) -> bool:
    """True if a spreadsheet may run it as a formula: TAB or CR first, or = + - @ (any width, after spaces too)."""
    first = _visible(s[:LONGEST]).strip()[:1]
    return s[:1] in ("\t", "\r") or unicodedata.normalize("NFKC", first) in ("=", "+", "-", "@", "\u2212")


def has_hidden(s: str) -> bool:
    """True if there are characters nobody sees: control, writing direction, zero width, line separator, surrogate."""
    return any(unicodedata.category(character) in _HIDDEN for character in s)


def unfit(s: str) -> list[str]:
    """Codes of what makes a line unfit for records and letters, in whatever field.

    FORMULA a spreadsheet may run it, CONTROL hidden characters or a line break inside, GAIJI private characters that
    other PCs cannot show, BROKEN_TEXT the mark of a character lost on the way.
    """
    inside = s.strip()
    seen = {
        "FORMULA": is_formula_like(s),
        "CONTROL": has_hidden(inside),
        "GAIJI": any(unicodedata.category(character) == "Co" for character in inside),
        "BROKEN_TEXT": "\ufffd" in inside,
    }
    return [code for code, is_seen in seen.items() if is_seen]


def _visible(s: str) -> str:
    spaced = "".join(" " if character.isspace() and character != _FULL_SPACE else character for character in s)
    return "".join(character for character in spaced if unicodedata.category(character) not in _HIDDEN)


def _as_date(part: dict[str, str]) -> datetime.date | None:
    """`part`: year, month, day as ASCII digits (year may be 元), era if one was written."""
    year = 1 if part["year"] == "元" else int(part["year"])
    first, last = datetime.date(_FIRST_YEAR, 1, 1), datetime.date.max
    for name, letter, first_day, last_day in _ERAS:
        if part.get("era", "").upper() in (name, letter):
            year, first, last = first_day.year + year - 1 if year else 0, first_day, last_day
    try:
        date = datetime.date(year, int(part["month"]), int(part["day"]))
    except ValueError:
        return None
    return date if first <= date <= last else None
