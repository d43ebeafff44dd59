"""Making password ZIPs: what the fund sends, and the archive an office tries its password with."""

import hashlib
import io
import mmap
import random
import shutil
import subprocess
import tracemalloc
import unicodedata
from pathlib import Path

import pytest

from exchange import archives
from exchange.archives import ArchiveError, Packer, inspect
from tests.exchange.archive_writer import CSV, PASSWORD, PDF

needs_7zz = pytest.mark.skipif(shutil.which("7zz") is None, reason="7zz (Debian package 7zip) is not installed")


def judged(data: bytes, password: str = PASSWORD) -> archives.Inspection:
    return inspect(io.BytesIO(data), password)


def run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def codes_of(inspection: archives.Inspection) -> set[str]:
    return {finding.code for finding in inspection.findings}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(*entries: tuple[str, bytes], password: str = PASSWORD) -> bytes:
    out = io.BytesIO()
    with Packer(WriteOnly(out), password) as packer:
        for name, data in entries:
            with packer.open(name) as entry:
                entry.write(data)
    return out.getvalue()


class WriteOnly:
    """A sink that can do nothing but take bytes."""

    def __init__(self, out: io.BytesIO) -> None:
        self.write = out.write


@needs_7zz
def test_7zip_unpacks_what_we_pack(tmp_path: Path) -> None:
    noise = random.Random(5).randbytes(10**6)
    files = {"帳票/髙①㈱表ソ能.csv": CSV, "帳票/通知.pdf": PDF, "空.txt": b"", "雑音.bin": noise}
    (tmp_path / "o.zip").write_bytes(packed(*files.items()))
    assert "Everything is Ok" in run("7zz", "t", f"-p{PASSWORD}", "o.zip", cwd=tmp_path)
    run("7zz", "x", f"-p{PASSWORD}", "-oout", "o.zip", cwd=tmp_path)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
    assert run("7zz", "l", "-slt", "o.zip", cwd=tmp_path).count("Method = AES-256 Deflate") == len(files)


def test_the_judge_accepts_what_we_pack() -> None:
    inspection = judged(packed(("帳票.csv", CSV), ("通知.pdf", PDF)))
    assert (inspection.verdict, inspection.findings) == ("accept", ())
    assert [(entry.name, entry.sha256) for entry in inspection.entries] == [
        ("帳票.csv", sha256(CSV)),
        ("通知.pdf", sha256(PDF)),
    ]


def test_names_are_composed_and_a_taken_name_gets_a_number() -> None:
    nfd = unicodedata.normalize("NFD", "ガ.csv")
    data = packed(*((name, CSV) for name in (nfd, "ガ.csv", "a/b.pdf", "A/B.pdf", "a/b.pdf", "b", "b")))
    assert [entry.name for entry in judged(data).entries] == [
        "ガ.csv",
        "ガ (2).csv",
        "a/b.pdf",
        "A/B (2).pdf",
        "a/b (3).pdf",
        "b",
        "b (2)",
    ]


@pytest.mark.parametrize("name", ["../a.csv", "a\0.csv", "", "folder/", "con.txt", "\ud800.csv"])
def test_a_bad_name_is_never_packed(name: str) -> None:
    with Packer(io.BytesIO(), PASSWORD) as packer, pytest.raises(ArchiveError) as caught:
        packer.open(name)
    assert caught.value.finding.code == "BAD_NAME"


def test_only_one_entry_is_open_at_a_time() -> None:
    with Packer(io.BytesIO(), PASSWORD) as packer:
        entry = packer.open("a.csv")
        with pytest.raises(ValueError, match="still open"):
            packer.open("b.csv")
        entry.close()
        with pytest.raises(ValueError, match="closed"):
            entry.write(b"late")


def test_an_archive_that_was_broken_off_has_no_directory() -> None:
    out = io.BytesIO()
    with pytest.raises(InterruptedError):
        _break_off(out)
    assert codes_of(judged(out.getvalue())) == {"DAMAGED"}


def _break_off(out: io.BytesIO) -> None:
    with Packer(out, PASSWORD) as packer, packer.open("a.csv") as entry:
        entry.write(CSV)
        raise InterruptedError


def test_an_entry_of_4_gib_is_refused_and_nothing_more_is_written() -> None:
    out = io.BytesIO()
    with pytest.raises(ArchiveError) as caught:
        _pack_4_gib(out)
    assert caught.value.finding.code == "TOO_BIG"
    assert codes_of(judged(out.getvalue())) == {"DAMAGED"}


def _pack_4_gib(out: io.BytesIO) -> None:
    """Goes on after the refusal, as if nothing had happened."""
    huge = mmap.mmap(-1, 2**32)
    with Packer(out, PASSWORD) as packer:
        entry = packer.open("a.bin")
        with pytest.raises(ArchiveError):
            entry.write(memoryview(huge))


def test_a_packer_needs_a_password() -> None:
    with pytest.raises(ValueError, match="password"):
        Packer(io.BytesIO(), "")


@needs_7zz
def test_an_office_can_try_its_password_with_its_own_program(tmp_path: Path) -> None:
    (tmp_path / "t.zip").write_bytes(archives.proof_archive(PASSWORD))
    run("7zz", "x", f"-p{PASSWORD}", "t.zip", cwd=tmp_path)
    assert "圧縮パスワードは正しく" in (tmp_path / "圧縮パスワードの確認.txt").read_text(encoding="utf-8-sig")
    assert judged(archives.proof_archive(PASSWORD)).verdict == "accept"
    assert codes_of(judged(archives.proof_archive(PASSWORD), "Hazure-2026")) == {"WRONG_PASSWORD"}


def test_64_mb_are_packed_and_judged_in_constant_memory(tmp_path: Path) -> None:
    block = random.Random(6).randbytes(2**20)
    path = tmp_path / "big.zip"
    with path.open("wb") as sink, path.open("rb") as stream:
        tracemalloc.start()
        with Packer(sink, PASSWORD, level=1) as packer, packer.open("大.bin") as entry:
            for _ in range(64):
                entry.write(block)
        sink.flush()
        inspection = inspect(stream, PASSWORD)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert inspection.verdict == "accept"
    assert inspection.entries[0].sha256 == sha256(block * 64)
    assert peak < 2 * 2**20
