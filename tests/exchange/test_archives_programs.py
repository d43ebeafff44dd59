"""The judge of archives and what other people's programs make: 7-Zip and Info-ZIP."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from exchange.archives import inspect
from tests.exchange.archive_judging import codes_of, judged, run, sha256
from tests.exchange.archive_writer import CSV, PASSWORD, PDF, XLSX, Item, made

needs_7zz = pytest.mark.skipif(shutil.which("7zz") is None, reason="7zz (Debian package 7zip) is not installed")
needs_zip = pytest.mark.skipif(shutil.which("zip") is None, reason="zip (Debian package zip) is not installed")


@pytest.fixture
def office_files(tmp_path: Path) -> dict[str, bytes]:
    """Files of an office on the disk under tmp_path, by their names."""
    files = {"届書/髙①㈱表ソ能.csv": CSV, "届書/通知.pdf": PDF, "給与.xlsx": XLSX}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return files


@needs_7zz
@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (["-mem=AES256"], set()),
        (["-mem=AES256", "-mx0"], set()),
        (["-mem=AES256", "-mcu=on"], set()),
        (["-mem=AES128"], {"WEAK_AES"}),
        (["-mem=AES192"], {"WEAK_AES"}),
        (["-mem=ZipCrypto"], {"ZIPCRYPTO"}),
        (["-mem=AES256", "-mm=BZip2"], {"BAD_METHOD"}),
        (["-mem=AES256", "-mm=LZMA"], {"BAD_METHOD"}),
        (["-mem=AES256", "-mm=Deflate64"], {"BAD_METHOD"}),
    ],
)
def test_archives_of_7zip_are_understood(
    office_files: dict[str, bytes], tmp_path: Path, options: list[str], codes: set[str]
) -> None:
    run("7zz", "a", "-tzip", f"-p{PASSWORD}", *options, "o.zip", "届書", "給与.xlsx", cwd=tmp_path)
    with (tmp_path / "o.zip").open("rb") as stream:
        inspection = inspect(stream, PASSWORD)
    assert codes_of(inspection) == codes
    expected = {name: "" if codes == {"BAD_METHOD"} else sha256(data) for name, data in office_files.items()}
    assert {entry.name: entry.sha256 for entry in inspection.entries} == expected


@needs_zip
def test_archives_of_info_zip_are_understood(office_files: dict[str, bytes], tmp_path: Path) -> None:
    run("zip", "-qr", "-P", PASSWORD, "o.zip", "届書", "給与.xlsx", cwd=tmp_path)
    inspection = judged((tmp_path / "o.zip").read_bytes())
    assert codes_of(inspection) == {"ZIPCRYPTO"}
    assert {entry.name: entry.sha256 for entry in inspection.entries} == {
        name: sha256(data) for name, data in office_files.items()
    }


@needs_zip
def test_a_symbolic_link_in_a_real_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "届書.csv").symlink_to("/etc/passwd")
    run("zip", "-qy", "-P", PASSWORD, "o.zip", "届書.csv", cwd=tmp_path)
    assert "SPECIAL_ENTRY" in codes_of(judged((tmp_path / "o.zip").read_bytes()))


@needs_7zz
def test_no_volume_of_a_split_archive_is_taken(office_files: dict[str, bytes], tmp_path: Path) -> None:
    run("7zz", "a", "-tzip", f"-p{PASSWORD}", "-mem=AES256", "-v900b", "o.zip", *office_files, cwd=tmp_path)
    volumes = sorted(tmp_path.glob("o.zip.*"))
    assert len(volumes) > 2
    told = [codes_of(judged(volume.read_bytes())) for volume in volumes]
    assert told == [{"DAMAGED"}, *[{"NOT_ZIP"}] * (len(volumes) - 2), {"SPLIT"}]


@needs_zip
def test_no_part_of_a_split_archive_of_info_zip_is_taken(tmp_path: Path) -> None:
    (tmp_path / "届書.bin").write_bytes(random.Random(7).randbytes(150_000))
    run("zip", "-q", "-s", "64k", "-P", PASSWORD, "o.zip", "届書.bin", cwd=tmp_path)
    parts = [tmp_path / name for name in ("o.z01", "o.z02", "o.zip")]
    told = [codes_of(judged(part.read_bytes())) for part in parts]
    assert told[0] == told[2] == {"SPLIT"}
    assert told[1] == {"NOT_ZIP"}


@needs_zip
def test_a_self_extracting_archive_of_info_zip_is_refused(office_files: dict[str, bytes], tmp_path: Path) -> None:
    run("zip", "-q", "-P", PASSWORD, "o.zip", *office_files, cwd=tmp_path)
    program = tmp_path / "o.exe"
    program.write_bytes(b"MZ\x90\0" + bytes(2000) + (tmp_path / "o.zip").read_bytes())
    assert codes_of(judged(program.read_bytes())) >= {"EXTRA_BYTES"}
    run("zip", "-q", "-A", "o.exe", cwd=tmp_path)  # its offsets set right
    assert codes_of(judged(program.read_bytes())) >= {"EXTRA_BYTES"}


@needs_7zz
def test_an_archive_of_7zip_in_an_archive_of_7zip_is_refused(office_files: dict[str, bytes], tmp_path: Path) -> None:
    run("7zz", "a", "-t7z", "中.7z", *office_files, cwd=tmp_path)
    run("7zz", "a", "-tzip", "中.zip", *office_files, cwd=tmp_path)
    for inner, outer in (("中.7z", "中.7z"), ("中.zip", "中.zip"), ("中.7z", "届書.csv"), ("中.zip", "届書.xlsx")):
        whole = made(Item(outer, (tmp_path / inner).read_bytes()))
        assert codes_of(judged(whole)) == {"NESTED"}


@needs_7zz
@pytest.mark.parametrize("option", ["-mcp=932", "-mcu=off"])
def test_names_of_7zip_in_the_code_page_of_windows_are_read(
    office_files: dict[str, bytes], tmp_path: Path, option: str
) -> None:
    run("7zz", "a", "-tzip", f"-p{PASSWORD}", "-mem=AES256", option, "o.zip", *office_files, cwd=tmp_path)
    inspection = judged((tmp_path / "o.zip").read_bytes())
    assert {entry.name for entry in inspection.entries} == set(office_files)
    assert codes_of(inspection) == set()


@needs_zip
@needs_7zz
def test_an_archive_with_zip64_of_a_real_program_is_understood(tmp_path: Path) -> None:
    with (tmp_path / "届書.csv").open("wb") as file:
        file.write(CSV)
    with (tmp_path / "o.zip").open("wb") as out, (tmp_path / "届書.csv").open("rb") as given:
        # From a pipe it can't know how much will come, and writes the large sizes.
        subprocess.run(["zip", "-q", "-P", PASSWORD, "-", "-"], stdin=given, stdout=out, check=True)
    inspection = judged((tmp_path / "o.zip").read_bytes())
    assert [(entry.size, entry.sha256) for entry in inspection.entries] == [(len(CSV), sha256(CSV))]
    assert "HEADER_MISMATCH" not in codes_of(inspection)
