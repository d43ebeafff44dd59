"""The 確認コード file: read whatever a PC makes of it, and refused as soon as one byte is another."""

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from exchange import confirmation_code
from exchange.confirmation_code import FIELDS, Malformed

KEY = bytes(range(32))
PC = "444539ca-0b5e-4f6e-9d55-3f0a6a1c2b01"
ADAPTER = "96-CD-90-E4-D0-AF"
# Names that show nothing, something else, or nothing alike on two screens.
UNREADABLE = (
    *("   ", "\u3000", "\u2003\u2003", "A\u061cB", "A\u180eB", "PC\U000e0041\U000e0042", "\u3164", "\uffa0", "\u2800"),
    *("\ue000", "PC\U000f0000", "A\u034fB", "A\ufe0fB", "A\U0001d173B", "A\u200bB", "A\u2066B", "=1+1", "PC\ufffd"),
)
CODECS = {"UTF-16LE": "utf-16-le", "UTF-16BE": "utf-16-be", "UTF-8": "utf-8", "UTF-8 with mark": "utf-8"}
MARKS = {"UTF-16LE": b"\xff\xfe", "UTF-16BE": b"\xfe\xff", "UTF-8": b"", "UTF-8 with mark": b"\xef\xbb\xbf"}


def line(key: bytes = KEY, **differing: str) -> str:
    """The line as the tool of an installer writes it, without its end; `differing`: fields that aren't the usual."""
    slot = differing.get("slot", "01")
    usual = {
        **{"version": "TODOKE1", "contract": "916237-0000021", "slot": slot, "installer": "0123456789abcdef" * 2},
        **{"code": f"{slot}A3F9", "machine": PC, "computer": "総務-PC1", "adapter": ADAPTER, "volume": "4300A1F0"},
    }
    said = "|".join({**usual, **differing}.values())
    return f"{said}|{hmac.new(key, said.encode('utf-16-le'), hashlib.sha256).hexdigest().upper()}"


def as_file(text: str, encoding: str = "UTF-16LE") -> bytes:
    return MARKS[encoding] + text.encode(CODECS[encoding])


def verdict(data: bytes, key: bytes = KEY) -> str:
    """The reason word of what can't be read; "unsigned" for what can, but isn't what the tool has written; "good"."""
    try:
        found = confirmation_code.read(data)
    except Malformed as malformed:
        return malformed.reason
    return "good" if confirmation_code.is_signed(found, key) else "unsigned"


def places(text: str) -> list[str]:
    """For each character of a line the field it lies in: "bar" between two, "end" after the last, and "slot" also for
    the second writing of the slot, in front of the code.
    """
    found: list[str] = []
    for name, part in zip(FIELDS, text.rstrip("\r\n").split("|"), strict=True):
        found += [name] * len(part) + ["bar"]
    code = found.index("code")
    found[code : code + 2] = ["again", "again"]
    found.pop()
    return found + ["end"] * (len(text) - len(found))


# What may be said of a byte that was changed in a field. "unsigned": it still has its form, the signature shows it.
RIGHT = {
    "again": {"slot", "code", "unsigned"},
    "signature": {"signature", "unsigned"},
    "end": {"end", "signature"},
    "mark": {"encoding", "version"},
    "bar": set(),  # see below
}


def allowed(place: str, data: bytes, encoding: str) -> set[str]:
    """The right reasons for a changed file: of the field, unless it is no text any more or has another number of
    fields.
    """
    try:
        text = data.removeprefix(MARKS[encoding]).decode(CODECS[encoding])
    except UnicodeDecodeError:
        return {"encoding"}
    if "\0" in text:
        return {"encoding"}
    if text.count("|") != len(FIELDS) - 1 and place != "version":
        return {"fields", "encoding"} if place == "mark" else {"fields"}
    return RIGHT.get(place, {place, "unsigned"})


def altered(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(where, the file with another byte there)."""
    for at, byte in enumerate(data):
        others = {byte ^ bit for bit in (1, 2, 4, 8, 16, 32, 64, 128)} | {
            0x00,
            0x0A,
            0x30,
            0x46,
            0x61,
            0x7C,
            0xD8,
            0xFF,
        }
        for other in others - {byte}:
            yield at, data[:at] + bytes((other,)) + data[at + 1 :]


def places_of_bytes(encoding: str, text: str) -> list[str]:
    """For each byte of the file the field it lies in."""
    found = ["mark"] * len(MARKS[encoding])
    for place, letter in zip(places(text), text, strict=True):
        found += [place] * len(letter.encode(CODECS[encoding]))
    return found


@pytest.mark.parametrize(
    ("encoding", "computer", "end"),
    [
        ("UTF-16LE", "総務-PC1", ""),
        ("UTF-16LE", "SOUMU-PC1", "\r\n"),
        ("UTF-16BE", "SOUMU-PC1", ""),
        ("UTF-8", "SOUMU-PC1", ""),
        ("UTF-8", "総務-PC1", "\r\n"),
        ("UTF-8 with mark", "総務-PC1", "\n"),
    ],
)
def test_every_changed_byte_is_refused_with_the_reason_of_its_field(encoding: str, computer: str, end: str) -> None:
    text = line(computer=computer) + end
    data, where = as_file(text, encoding), places_of_bytes(encoding, text)
    assert (verdict(data), len(where)) == ("good", len(data))
    wrong = [
        (at, where[at], other, said)
        for at, other in altered(data)
        if (said := verdict(other)) not in allowed(where[at], other, encoding)
    ]
    assert wrong == []


@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-8"])
def test_a_byte_that_is_missing_or_too_much_is_refused(encoding: str) -> None:
    data = as_file(line(), encoding)
    cut = [data[:at] + data[at + 1 :] for at in range(len(data))]
    # A line end behind the line is no change of what it says.
    more = [
        data[:at] + bytes((byte,)) + data[at:]
        for at in range(len(data) + 1)
        for byte in (0, 0x0A, 0x20, 0x41, 0x30, 0x7C, 0xFF)
        if not (encoding == "UTF-8" and at == len(data) and byte == 0x0A)
    ]
    assert {verdict(one) for one in cut + more} & {"good"} == set()


@pytest.mark.parametrize("encoding", CODECS)
def test_a_file_that_was_cut_short_is_refused(encoding: str) -> None:
    data = as_file(line(), encoding)
    said = [verdict(data[:size]) for size in range(len(data))]
    assert "good" not in said
    assert set(said) <= {"empty", "encoding", "version", "fields", "signature"}


@pytest.mark.parametrize("letters", [2, 4, 66])
def test_whole_letters_that_are_missing_or_twice_are_refused(letters: int) -> None:
    text = line()
    for at in range(len(text) - letters + 1):
        for other in (text[:at] + text[at + letters :], text[: at + letters] + text[at:]):
            assert verdict(as_file(other)) != "good"


# ── what is taken ──


@pytest.mark.parametrize("end", ["", "\r\n", "\n"])
@pytest.mark.parametrize("encoding", CODECS)
def test_every_encoding_says_the_same(encoding: str, end: str) -> None:
    found = confirmation_code.read(as_file(line() + end, encoding))
    assert (found.contract, found.slot, found.installer) == ("916237-0000021", 1, "0123456789abcdef" * 2)
    assert (found.code, found.machine, found.computer) == ("01A3F9", PC, "総務-PC1")
    assert (found.adapter, found.volume) == (ADAPTER, "4300A1F0")
    assert confirmation_code.is_signed(found, KEY)
    assert not confirmation_code.is_signed(found, KEY[::-1])


def test_a_pc_without_adapter_and_volume_is_taken() -> None:
    found = confirmation_code.read(as_file(line(adapter="", volume="")))
    assert (found.adapter, found.volume) == ("", "")
    assert confirmation_code.is_signed(found, KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contract", "916237"),
        ("contract", "９16237-0000021"),
        ("slot", "00"),
        ("slot", "1"),
        ("installer", "0123456789ABCDEF" * 2),
        ("code", "01a3f9"),
        ("code", "01A3F"),
        ("machine", PC.upper()),
        ("machine", PC.replace("-", "")),
        ("computer", ""),
        ("computer", "x" * 64),
        ("computer", "PC\u202e1"),
        ("computer", "PC\t1"),
        *(("computer", name) for name in UNREADABLE),
        ("adapter", ADAPTER.lower()),
        ("adapter", "96-CD-90-E4-D0"),
        ("adapter", "-"),
        ("volume", "4300a1f0"),
        ("volume", "0"),
        ("version", "TODOKE2"),
        ("version", "todoke1"),
    ],
)
def test_a_field_of_another_form_is_named_even_when_it_was_signed(field: str, value: str) -> None:
    assert verdict(as_file(line(**{field: value}))) == field


def test_the_two_writings_of_the_slot_must_agree() -> None:
    assert verdict(as_file(line(slot="02", code="01A3F9"), "UTF-8")) == "slot"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "version"),
        (b"hello", "version"),
        (b"MZ\x90\x00\x03", "encoding"),
        (line().encode("utf-16-le"), "encoding"),
        (line().encode("utf-16"), "good"),
        (line(computer="総務課").encode("cp932"), "encoding"),
        ((line() + "\r\n\r\n").encode(), "end"),
        ((line() + "\n" + line()).encode(), "fields"),
        (("\n" + line()).encode(), "version"),
        ((" " + line()).encode(), "version"),
        ((line() + " ").encode(), "signature"),
        ((line() + "|").encode(), "fields"),
    ],
)
def test_what_is_no_such_line_is_told_apart(data: bytes, reason: str) -> None:
    assert verdict(data) == reason


def test_sixteen_kilobytes_are_read_and_not_a_byte_more() -> None:
    assert confirmation_code.LARGEST == 16_384
    assert verdict(b"x" * 16_384) == "version"
    assert verdict(b"x" * 16_385) == "size"
