"""Archives to judge, each with its verdict written by hand; never made by exchange/archives.py.

Here are the containers; what the files hold is in archive_corpus_contents and archive_corpus_clean.
"""

import bz2
import struct
import unicodedata
import zlib
from dataclasses import replace
from functools import partial
from itertools import count

from tests.exchange.archive_corpus_cases import case, one, pair
from tests.exchange.archive_corpus_clean import CLEAN_FILES
from tests.exchange.archive_corpus_contents import CONTENTS
from tests.exchange.archive_writer import (
    CSV,
    PASSWORD,
    PDF,
    XLSX,
    Item,
    deflated,
    flipped,
    made,
    unicode_path,
    zip64_extra,
    zipcrypto,
)

# a wrong password with the same verifier under salt bytes(range(16)) and AES-256, found by trying
AES_COLLISION = "Hazure-97664-Hiyoko"


def folder(name: str) -> Item:
    return Item(name, b"", "none", 0, attributes=0o040755 << 16 | 0x10)


def changed_descriptor(*items: Item) -> bytes:
    """A descriptor whose size is one too large."""
    good = made(*(replace(item, descriptor="<4s3L") for item in items))
    at = good.index(b"PK\7\x08") + 12
    return good[:at] + bytes([good[at] + 1]) + good[at + 1 :]


def zipcrypto_collision(check: int) -> str:
    """A password other than PASSWORD under which the header of an entry ends in the right byte too."""
    header = zipcrypto(b"ELEVENBYTES" + bytes([check]), PASSWORD)
    candidates = (f"Hazure-{n}-Hiyoko" for n in count())
    return next(word for word in candidates if zipcrypto(header, word, is_decrypting=True)[-1] == check)


def quoted_bomb(count: int) -> bytes:
    """Each entry's deflate stream quotes the next one's header, so that all unpack the same last megabyte."""
    kernel = deflated(bytes(2**20))
    files, size = [], 2**20
    body = made(Item("0.txt", bytes(2**20), "none", crc=0))[: 30 + len("0.txt") + len(kernel)]
    for number in range(1, count):
        files.append(body)
        header, size = 30 + len(f"{number - 1}.txt"), size + 30 + len(f"{number - 1}.txt")
        quote = struct.pack("<BHH", 0, header, header ^ 0xFFFF) + body
        lie = Item(f"{number}.txt", b"", "none", packed=len(quote), size=size, stream=b"")
        body = made(lie)[: 30 + len(lie.name)] + quote
    files.append(body)
    items = []
    for number, file in enumerate(files):
        name = f"{number}.txt"
        size = 2**20 + sum(30 + len(f"{before}.txt") for before in range(number))
        packed = len(file) - 30 - len(name)
        items.append(Item(name, b"", "none", size=size, packed=packed, offset=len(body) - len(file), is_ghost=True))
    return made(*items, prefix=body)


NFD = unicodedata.normalize("NFD", "届書（ガ行）.csv")
ODD = "髙①㈱表ソ能.csv"
MAC = {"crypt": "ZipCrypto", "descriptor": "<4s3L", "flags": 9}
CLEAN = [
    one("an AES-256 archive of AE-2"),
    one("an AES-256 archive of AE-1", "", ae=1),
    one("an AES-256 archive, stored", "", method=0),
    one("a CRC given with AE-2 all the same", "", crc=zlib.crc32(CSV)),
    one("AES-128", "!WEAK_AES", crypt="AES-128"),
    one("AES-192 of AE-1", "!WEAK_AES", crypt="AES-192", ae=1),
    one("ZipCrypto", "!ZIPCRYPTO", crypt="ZipCrypto"),
    one("ZipCrypto, stored", "!ZIPCRYPTO", crypt="ZipCrypto", method=0),
    one("ZipCrypto with a descriptor", "!ZIPCRYPTO", crypt="ZipCrypto", descriptor="<4s3L"),
    one("a descriptor with signature", "", descriptor="<4s3L"),
    one("a descriptor without signature", "", descriptor="<3L"),
    one("a descriptor of 64 bits", "", descriptor="<4sLQQ"),
    one("a descriptor of AE-1", "", descriptor="<4s3L", ae=1),
    one("a UTF-8 name with its flag", "", (ODD,), name=ODD),
    one("a UTF-8 name without the flag", "", (ODD,), name=ODD.encode(), flags=1),
    one("a CP932 name", "", (ODD,), name=ODD.encode("cp932")),
    one("an NFD name", "", ("届書（ガ行）.csv",), name=NFD),
    one(
        "a CP932 name with its Unicode path",
        "",
        (ODD,),
        name=ODD.encode("cp932"),
        extra=unicode_path(ODD.encode("cp932"), ODD),
    ),
    one("time stamps in another extra field", "", extra=struct.pack("<2HBL", 0x5455, 5, 1, 1), local_extra=b""),
    one(
        "Zip64 sizes that small files do not need",
        "",
        packed=0xFFFFFFFF,
        size=0xFFFFFFFF,
        extra=zip64_extra(len(CSV), len(deflated(CSV)) + 28),
    ),
    pair("a Zip64 end record", "", zip64="pair"),
    pair("a short comment", "", comment="2026年7月分".encode()),
    pair("a comment in CP932 of two lines", "", comment="表ソ能\r\n\t髙橋".encode("cp932")),
    one("an extra field of a kilobyte", "", extra=struct.pack("<2H", 0x4453, 1000) + bytes(1000)),
    case("a folder that is not encrypted", partial(made, folder("届書/"), Item("届書/a.csv")), "", ("届書/a.csv",)),
    case("Excel, PDF and CSV", partial(made, Item("給与.xlsx", XLSX), Item("通知.pdf", PDF), Item("一覧.csv"))),
    case(
        "Lhaplus",
        partial(made, *(Item(name.encode("cp932"), crypt="ZipCrypto") for name in ("表/能.csv", ODD))),
        "!ZIPCRYPTO",
        ("表/能.csv", ODD),
    ),
    case(
        "macOS",
        partial(made, *(Item((at + NFD).encode(), **MAC) for at in ("", "__MACOSX/._"))),
        "!ZIPCRYPTO",
        ("届書（ガ行）.csv", "__MACOSX/._届書（ガ行）.csv"),
    ),
    case("a thousand entries", partial(made, *(Item(f"{n}.txt", b"1", method=0) for n in range(1000)))),
    one("a CSV that begins with MZ", "", data=b"MZ0001,MZ0002\r\n" * 30),
]

OTHER = "Hazure-2026-Hiyoko"
ENCRYPTION = [
    case("nothing", bytes, "NOT_ZIP"),
    case("a CSV", lambda: CSV, "NOT_ZIP"),
    case("an empty archive", made, "EMPTY_ARCHIVE"),
    case("only a folder", partial(made, folder("届書/")), "EMPTY_ARCHIVE"),
    one("clear text", "NOT_ENCRYPTED", crypt="none"),
    case("partly clear", partial(made, Item("a.csv"), Item("b.csv", crypt="none")), "PARTLY_ENCRYPTED"),
    one("another password", "WRONG_PASSWORD", password=OTHER),
    one("another password in ZipCrypto", "WRONG_PASSWORD ZIPCRYPTO", crypt="ZipCrypto", password=OTHER),
    case(
        "another password for one of two",
        partial(made, Item("a.csv"), Item("b.csv", password=OTHER)),
        "WRONG_PASSWORD",
    ),
    case(
        "ZipCrypto, a wrong password that passes the check byte",
        partial(made, Item("a.csv", crypt="ZipCrypto")),
        "WRONG_PASSWORD ZIPCRYPTO",
        password=zipcrypto_collision(zlib.crc32(CSV) >> 24),
    ),
    case(
        "AES, a wrong password that passes the verifier",
        partial(made, Item("a.csv")),
        "DAMAGED",
        password=AES_COLLISION,
    ),
    case(
        "AES, the same beside an entry that fails it",
        partial(made, Item("a.csv"), Item("b.csv", salt=b"s" * 16)),
        "WRONG_PASSWORD",
        password=AES_COLLISION,
    ),
    one("a changed HMAC", "DAMAGED", tamper=flipped(-1)),
    one("a changed ciphertext", "DAMAGED", tamper=flipped(40)),
    one(
        "a changed ciphertext of a PDF in ZipCrypto",
        "DAMAGED ZIPCRYPTO",
        data=PDF,
        crypt="ZipCrypto",
        tamper=flipped(900),
    ),
    one("a changed CRC of AE-1", "DAMAGED", ae=1, crc=1),
    one("a changed CRC of ZipCrypto", "DAMAGED ZIPCRYPTO", crypt="ZipCrypto", crc=zlib.crc32(CSV) ^ 1),
    one("a deflate stream cut short", "DAMAGED", stream=deflated(CSV)[:-9]),
    one("a deflate stream that is none", "DAMAGED", stream=b"\xff" * 200),
    one("AES strength 0", "BAD_METHOD", strength=0),
    one("AES version 3", "BAD_METHOD", ae=3),
    one("method 99 without an AES field", "BAD_METHOD", crypt="ZipCrypto", outer=99),
    one("an AES field with method 8", "HEADER_MISMATCH ZIPCRYPTO", outer=8),
    one("strong encryption", "BAD_METHOD", flags=0x41),
    one("masked headers", "BAD_METHOD", flags=0x2001),
    *(one(f"method {method} in AES", "BAD_METHOD", method=method) for method in (1, 9, 12, 14, 93, 95, 98)),
    one("a bzip2 bomb", "BAD_METHOD RATIO", method=12, stream=bz2.compress(bytes(2**21)), size=2**21),
    one(
        "a bzip2 bomb of 1 GB",
        "BAD_METHOD RATIO TOO_BIG",
        method=12,
        stream=bz2.compress(bytes(2**20)),
        size=2**30,
    ),
    one("a deflate bomb", "RATIO", data=bytes(20 * 2**20)),
    one("a ZipCrypto bomb", "RATIO ZIPCRYPTO", data=bytes(5 * 2**20), crypt="ZipCrypto"),
    case("many small bombs", partial(made, *(Item(f"{n}.txt", bytes(2**20)) for n in range(3))), "RATIO"),
    one("a stream larger than declared", "HEADER_MISMATCH", stream=deflated(bytes(20 * 2**20)), size=1000),
    one("a stream smaller than declared", "HEADER_MISMATCH", size=len(CSV) + 1),
    one("a size of 4 GB", "TOO_BIG RATIO", size=0xFFFFFFFE),
    one("a size of 2^64 - 1", "TOO_BIG RATIO", size=0xFFFFFFFF, extra=zip64_extra(2**64 - 1)),
    one("bytes after the deflate stream", "EXTRA_BYTES", stream=deflated(CSV) + b"hidden"),
    one("a stored size that does not fit", "HEADER_MISMATCH", method=0, size=len(CSV) - 1),
    one("an entry shorter than its salt", "HEADER_MISMATCH", tamper=lambda data: data[:20]),
]

TWO = (Item("a.csv"), Item("b.csv"))
WHOLE = made(*TWO)
EMPTY = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)
GHOSTS = (Item(f"{n}.csv", is_ghost=True, offset=0) for n in range(50))
CONTAINER = [
    case("a full overlap", partial(made, Item("a.csv"), *GHOSTS), "OVERLAP HEADER_MISMATCH"),
    case("a quoted overlap", partial(made, Item("a.csv", packed=300), Item("b.csv")), "OVERLAP"),
    case("a bomb of quoted overlaps", partial(quoted_bomb, 250), "NOT_ENCRYPTED OVERLAP RATIO"),
    case(
        "a full overlap under one name",
        partial(made, Item("a.csv"), *(Item("a.csv", is_ghost=True, offset=0) for _ in range(50))),
        "OVERLAP DUPLICATE_NAME",
    ),
    case("data that reach into the directory", partial(made, Item("a.csv", packed=2000)), "OVERLAP"),
    case("1,001 entries", partial(made, *(Item(f"{n}.txt", b"1", "none", 0) for n in range(1001))), "TOO_MANY"),
    one("another name in the local header", "HEADER_MISMATCH", local={"name": b"evil.exe"}),
    one("another size in the local header", "HEADER_MISMATCH", local={"size": 1}),
    one("another method in the local header", "HEADER_MISMATCH", local={"method": 8}),
    one("another time in the local header", "HEADER_MISMATCH", local={"time": 0}),
    one("other flags in the local header", "HEADER_MISMATCH", local={"flags": 0}),
    one("no AES field in the local header", "HEADER_MISMATCH", local={"aes": b""}),
    one("an offset that meets no local header", "HEADER_MISMATCH EXTRA_BYTES", offset=1),
    pair("a hidden local entry", "EXTRA_BYTES", before_directory=made(Item("x.exe", crypt="none"))[:60]),
    pair("a self-extracting prefix", "EXTRA_BYTES", prefix=b"MZ" + bytes(500)),
    pair("a prefix that the offsets do not count", "EXTRA_BYTES", prefix=b"MZ" + bytes(500), base=502),
    pair("a PDF before the archive", "EXTRA_BYTES", prefix=PDF),
    pair("trailing bytes", "EXTRA_BYTES", after=b"tail"),
    pair("a long trail", "DAMAGED", after=bytes(70_000)),
    case("two archives one after the other", lambda: WHOLE + WHOLE, "EXTRA_BYTES"),
    pair("a count too small", "HEADER_MISMATCH", entries=1),
    pair("a count too large", "HEADER_MISMATCH", entries=3),
    pair("a Zip64 locator that points elsewhere", "HEADER_MISMATCH", zip64="wrong place"),
    pair("a Zip64 record that counts otherwise", "HEADER_MISMATCH", zip64="wrong count"),
    one("a Zip64 field that contradicts", "HEADER_MISMATCH", extra=zip64_extra(5, 5)),
    one("no Zip64 field for a size that needs it", "HEADER_MISMATCH TOO_BIG RATIO", size=0xFFFFFFFF),
    one(
        "two Zip64 fields",
        "HEADER_MISMATCH TOO_BIG RATIO",
        size=0xFFFFFFFF,
        extra=zip64_extra(len(CSV)) + zip64_extra(9),
    ),
    one("an extra field longer than its place", "HEADER_MISMATCH", extra=b"\x01\x00\xff\x00a"),
    one("a half-filled local header before a descriptor", "HEADER_MISMATCH", descriptor="<4s3L", local={"crc": 1}),
    case("a changed descriptor", partial(changed_descriptor, *TWO), "HEADER_MISMATCH"),
    pair("a comment of 64 KB", "EXTRA_BYTES", comment=b" " * 0xFFFF),
    pair("an archive in the comment", "EXTRA_BYTES", comment=WHOLE),
    pair("an empty end record in the comment", "EXTRA_BYTES", comment=EMPTY),
    one("an archive in the comment of an entry", "EXTRA_BYTES", comment=WHOLE),
    pair("a script in the comment", "EXTRA_BYTES", comment=b"<script>alert(1)</script>"),
    pair("a byte in the comment that no text has", "EXTRA_BYTES", comment=b"a\0b"),
    one("a script in the comment of an entry", "EXTRA_BYTES", comment=b"<script>alert(1)</script>"),
    one("a script in an extra field", "EXTRA_BYTES", extra=struct.pack("<2H", 0x4444, 60_000) + b"<script>" * 7500),
    one(
        "a script in many extra fields of the local header",
        "EXTRA_BYTES",
        extra=b"",
        local_extra=(struct.pack("<2H", 0x4444, 400) + b"<script>" * 50) * 3,
    ),
    pair("a directory said to lie too early", "EXTRA_BYTES", directory_offset=10),
    pair("a directory said to lie too late", "HEADER_MISMATCH", directory_offset=10_000),
    case("a truncated archive", lambda: WHOLE[:-30], "DAMAGED"),
    case("an end record cut off", lambda: WHOLE[:-3], "DAMAGED"),
    case("the first part of a split archive", lambda: b"PK\7\x08" + WHOLE, "SPLIT"),
    pair("the last part of a split archive", "SPLIT", disk=2),
    case("the last volume of 7-Zip", lambda: WHOLE[100:], "SPLIT"),
]

BAD_NAMES = [
    "../a.csv",
    "a/../../b.csv",
    "/etc/passwd",
    "C:/a.csv",
    "C:a.csv",
    "\\\\server\\a.csv",
    "a\\b.csv",
    "a\0.csv",
    "a\r\nb.csv",
    "a\x1b[31m.csv",
    "a\u202evsc.exe.csv",
    "a\u200b.csv",
    "a\ufeff.csv",
    "con.csv",
    "a/NUL",
    "あ" * 100 + ".csv",
    "a/" * 60 + "b.csv",
    "a.csv ",
    "a.csv.",
    "a /b.csv",
    "a//b.csv",
    "./a.csv",
    "a?.csv",
    "a<b>.csv",
    "",
    "com1.txt",
    "COM¹.csv",
    "a\u2028b.csv",
    "\uffff.csv",
]
TWINS = [
    ("name", "a.csv", "a.csv"),
    ("case", "a.csv", "A.CSV"),
    ("width", "a.csv", "ａ.csv"),
    ("NFC and NFD", "ガ.csv", unicodedata.normalize("NFD", "ガ.csv")),
    ("a circled digit", "①.csv", "1.csv"),
    ("file and folder", "a", "a/b.csv"),
    ("folder and file", "a/b.csv", "A"),
]
NAMES = [
    *(one(f"the name {name[:20]!a}", "BAD_NAME", name=name) for name in BAD_NAMES),
    one("a name in broken UTF-8", "BAD_NAME", name=b"\xff\xfe.csv", flags=0x801),
    one("a name in overlong UTF-8", "BAD_NAME", name=b"a\xc0\xaf.csv", flags=0x801),
    one("a name in no encoding", "BAD_NAME", name=b"\x81\xff\xfd.csv", flags=1),
    *(case(f"the same {label}", partial(made, *map(Item, pair)), "DUPLICATE_NAME") for label, *pair in TWINS),
    one(
        "another name in the Unicode path",
        "HEADER_MISMATCH",
        name=b"todoke.csv",
        flags=1,
        extra=unicode_path(b"todoke.csv", "届書.exe"),
    ),
    one("a Unicode path for other bytes", "HEADER_MISMATCH", extra=unicode_path(b"x", "届書.csv")),
    one("a symbolic link", "SPECIAL_ENTRY", attributes=0o120777 << 16),
    one("a device", "SPECIAL_ENTRY", attributes=0o020666 << 16),
    one("a FIFO", "SPECIAL_ENTRY", attributes=0o010600 << 16),
    one("a Windows junction", "SPECIAL_ENTRY", attributes=0x420),
    one("a folder named like a file", "SPECIAL_ENTRY", attributes=0x10),
    case("a folder with content", partial(made, Item("a/", b"hidden", "none", 0), Item("b.csv")), "SPECIAL_ENTRY"),
]

CASES = [*CLEAN, *CLEAN_FILES, *ENCRYPTION, *CONTAINER, *NAMES, *CONTENTS]
