"""From the office's ZIP to the fund and back again, by people at real browsers."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.people import Clerk, OfficeUser
from tests.browser.site import Site

FILES = {
    "資格取得届（１１月）.csv": "氏名,生年月日\r\n甲野　髙﨑,S55.4.1\r\n".encode("cp932"),
    "添付①.txt": "済\r\n".encode(),
}
ATTACHMENTS = {"決定通知書　十一月.pdf": b"%PDF-1.7\n" + b"\x00\xff" * 40_000, "内訳㈱.csv": "計,１２０\r\n".encode()}


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name, content in {**FILES, **ATTACHMENTS}.items():
        (folder / name).write_bytes(content)
    return folder


def zipped(folder: Path, password: str, program: str) -> Path:
    """A password ZIP of FILES by a program that offices use."""
    target = folder / f"届書データ（{program}）.zip"
    command = {
        "7zz": ["7zz", "a", "-tzip", "-mem=AES256", f"-p{password}", str(target), *FILES],
        "zip": ["zip", "-q", "-P", password, str(target), *FILES],
    }[program]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return target


def unpacked(folder: Path, data: bytes, password: str) -> dict[str, bytes]:
    """What 7zz finds in a ZIP, after it has tested it."""
    folder.mkdir()
    (folder / "it.zip").write_bytes(data)
    subprocess.run(["7zz", "t", f"-p{password}", "it.zip"], cwd=folder, check=True, capture_output=True)
    subprocess.run(["7zz", "x", f"-p{password}", "-oout", "it.zip"], cwd=folder, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


def delivers_in_two_steps(person: OfficeUser | Clerk) -> None:
    person.presses("承認")
    person.sees_state("配信待ち")
    person.presses("配信")
    person.sees_state("配信済")


def delivers_in_one_step(person: OfficeUser | Clerk) -> None:
    person.presses("承認して配信")
    person.sees_state("配信済")


WAYS = {
    "AES-256 made by 7-Zip": ("7zz", "検査済", delivers_in_two_steps, True),
    "ZipCrypto made by zip": ("zip", "検査済（注意あり）", delivers_in_one_step, True),
    "AES-256 without JavaScript": ("7zz", "検査済", delivers_in_two_steps, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_filing_goes_to_the_fund_and_a_statement_comes_back(
    way: str, site: Site, papers: Path, tmp_path: Path, sits_down: Callable
) -> None:
    program, verdict, deliver, has_scripts = WAYS[way]
    hanako, taro, kiku = (sits_down(site, name, java_script_enabled=has_scripts) for name in ("hanako", "taro", "kiku"))
    sent = zipped(papers, taro.archive_password, program)

    # The consultant registers the filing and can do no more with it.
    hanako.logs_in()
    number = hanako.uploads(sent)
    hanako.waits_for_inspection(verdict)
    assert not any(hanako.can_press(button) for button in ("承認", "配信", "承認して配信"))
    hanako.sees_state("承認待ち")

    # The admin approves and delivers it.
    taro.logs_in()
    taro.opens(number)
    deliver(taro)
    named = [question for question in taro.was_asked if "基金事務局へ配信します" in question]
    assert len(named) == has_scripts, "delivery names the recipient before it is done"

    # The fund opens it, and holds exactly what was sent.
    kiku.logs_in()
    kiku.opens(number)
    kiku.sees("開くと受領済になり、事業所へ通知されます")
    kiku.presses("受領して開く")
    kiku.sees_state("受領済")
    assert kiku.saves("ZIPをダウンロード") == (sent.name, sent.read_bytes())
    for name, content in FILES.items():
        assert kiku.saves("開く", kiku.row(name)) == (name, content)
    taro.opens(number)
    taro.sees_state("受領済")

    statement_comes_back(kiku, taro, [papers / name for name in ATTACHMENTS], deliver, tmp_path / "unpacked")


def statement_comes_back(
    kiku: Clerk, taro: OfficeUser, attachments: list[Path], deliver: Callable[[Clerk], None], folder: Path
) -> None:
    number = kiku.prepares("ABC商事株式会社", attachments, "決定通知（十一月分）")
    kiku.waits_for_inspection("検査済")
    deliver(kiku)
    kiku.sees("まだ受け取られていません。")

    taro.chooses("帳票の受取")
    taro.clicks(taro.row(number).get_by_role("button", name="受取要求"))
    taro.sees("受取要求済")
    taro.opens(number, among="帳票の受取")
    name, data = taro.saves("ダウンロード")
    assert name == "決定通知（十一月分）.zip"
    assert unpacked(folder, data, taro.archive_password) == ATTACHMENTS

    kiku.opens(number, among="帳票の配信")
    kiku.sees_state("受取済")
    readers = kiku.main.locator("h2:has-text('受け取った方') + ul").inner_text()
    assert "甲野　太郎" in readers
    assert "ダウンロード" in readers
