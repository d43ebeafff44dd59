"""A PDF as people and machines read it: its text, where its words stand, and the QR codes on it."""

import re
import shutil
import subprocess

import pytest

needs_readers = pytest.mark.skipif(
    shutil.which("pdftotext") is None or shutil.which("zbarimg") is None,
    reason="pdftotext and zbarimg (Debian packages poppler-utils and zbar-tools) are not installed",
)
POINT = 25.4 / 72  # mm


def text(pdf: bytes) -> str:
    """The words in their lines, white space between them as one space."""
    return re.sub(r"[^\S\f\n]+", " ", _through(["pdftotext", "-layout", "-", "-"], pdf).decode())


def pages(pdf: bytes) -> list[str]:
    return text(pdf).split("\f")[:-1]


def places(pdf: bytes) -> list[tuple[str, float, float, float, float]]:
    """(word, left, top, right, bottom) in mm from the upper left corner."""
    box = re.compile(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>')
    found = box.findall(_through(["pdftotext", "-bbox", "-", "-"], pdf).decode())
    return [(word, *(float(side) * POINT for side in sides)) for *sides, word in found]


def qr_codes(pdf: bytes) -> list[str]:
    """What the codes say, page by page."""
    found: list[str] = []
    for number in range(1, len(pages(pdf)) + 1):
        picture = _through(["pdftoppm", "-r", "200", "-f", str(number), "-l", str(number), "-png", "-"], pdf)
        found += _through(["zbarimg", "-q", "--nodbus", "--raw", "png:-"], picture).decode().splitlines()
    return found


def _through(command: list[str], data: bytes) -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout
