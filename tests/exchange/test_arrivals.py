"""What comes in at the counter: anything that may be a ZIP, and nothing else."""

import io
import os
import zipfile

import pytest
from flask import Flask

from exchange import arrivals
from tests.exchange import office_writer
from tests.people import Cast, aes_zip, in_vault, uploads

NAMES = ["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"]


def excel(names: list[str]) -> bytes:
    """A plain workbook as far as its directory goes; Excel begins it with its list of parts, others end it so."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, os.urandom(40_000))
    return out.getvalue()


def come_in(data: bytes, piece: int) -> int:
    """The bytes that were taken in, sent in pieces of so many bytes."""
    with arrivals.IncomingZip() as incoming:
        for at in range(0, len(data), piece):
            incoming.write(data[at : at + piece])
        return incoming.finish().size


PLAIN = {
    "nothing": b"",
    "a PDF": office_writer.pdf(),
    "an old workbook": office_writer.xls(),
    "a large table": "甲野,１２０\r\n".encode("cp932") * 20_000,
    "a picture": office_writer.png(),
    "a workbook of Excel": excel(NAMES),
    "a workbook of another program": excel(NAMES[::-1]),
}


@pytest.mark.parametrize("piece", [1000, 200_000])
def test_what_nobody_has_made_a_zip_of_is_not_taken(app: Flask, piece: int) -> None:
    for what, data in PLAIN.items():
        with pytest.raises(arrivals.NoZip, match="ZIPにしていないファイルは送れません"):
            pytest.fail(f"{what} was taken: {come_in(data, piece)} bytes")
    assert in_vault(app) == []


def test_whatever_may_be_a_zip_is_left_to_the_inspection(cast: Cast) -> None:
    good = aes_zip(cast.archive_password, {"一覧.csv": os.urandom(200_000)})
    parts = aes_zip(cast.archive_password, dict.fromkeys(NAMES, b"<xml/>"))
    middle, comment = len(good) // 2, b"x" * 60 + NAMES[0].encode()
    talks_of_it = good[:-2] + len(comment).to_bytes(2, "little") + comment
    whole = (good, b"MZ" + good, good + bytes(70_000), b"PK00" + good, parts, talks_of_it)
    for data in (*whole, good[:middle], good[middle:]):
        assert come_in(data, 1000) == len(data)


def test_a_form_that_was_taken_already_is_answered_whatever_comes_with_it_now(cast: Cast) -> None:
    first = uploads(cast.hanako, aes_zip(cast.archive_password), token="once")
    slip = arrivals.Slip(first.kind, "届書.pdf", "", "", "once")
    with arrivals.IncomingZip() as incoming:
        incoming.write(b"%PDF-1.7")
        assert arrivals.upload(cast.hanako, incoming, slip) == first
