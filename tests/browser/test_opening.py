"""「開いて保存」: a clerk without a ZIP program opens what the fund has sent, in the page, and keeps the files."""

import base64
import os
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Request, Route, expect

from database import utc_now
from exchange import arrivals, pickups, statements, transfers, vault
from models import STATEMENT, DocumentKind, Inspection, Transfer
from tests.browser.people import Clerk, OfficeUser
from tests.people import Cast, inspect, logged, state, uploads

NAMES = {
    "決定通知書（十一月分）.pdf": b"%PDF-1.7\n" + bytes(range(256)) * 2_000,
    "内訳㈱髙﨑.csv": "氏名,計\r\n甲野　太郎,１２０\r\n".encode("cp932"),
}
SLOW = 400_000  # bytes a second

Sits = Callable[[str], OfficeUser | Clerk]


@pytest.fixture
def sits_in(sits_in: Sits) -> Sits:
    """As everywhere; what comes into the browser's downloads is kept in `saved`."""

    def sit(name: str) -> OfficeUser | Clerk:
        person = sits_in(name)
        person.saved = []
        person.page.on("download", lambda it: person.saved.append(it))
        return person

    return sit


def requested(cast: Cast, files: dict[str, bytes] = NAMES) -> Transfer:
    """A statement of the fund with these files, asked for by the office."""
    packing = statements.Packing(cast.abc)
    for name, content in files.items():
        with packing.open(name) as entry:
            entry.write(content)
    slip = arrivals.Slip(DocumentKind.named(STATEMENT, "decision"), "決定通知.zip", "", "", utc_now().isoformat())
    transfer = inspect(statements.prepare(cast.kiku, packing, slip))
    transfers.approve(cast.kiku, transfer)
    transfers.deliver(cast.kiku, transfer)
    pickups.request_pickup(cast.taro, transfer)
    return transfer


def goes_to(person: OfficeUser, transfer: Transfer) -> None:
    person.goes_to(f"/files/{transfer.uid}")


def opens_with(person: OfficeUser, password: str) -> None:
    person.types("圧縮パスワード", password)
    person.presses("開いて保存")


def saves_all(person: OfficeUser, count: int) -> dict[str, bytes]:
    """What has come into the browser's downloads by then, under the proposed names."""
    person.presses("すべて保存")
    person.sees("すべてのファイルを保存しました。")
    expect(person.main.get_by_text("保存済", exact=True)).to_have_count(count)
    while len(person.saved) < count:
        person.page.wait_for_event("download")
    return {it.suggested_filename: Path(it.path()).read_bytes() for it in person.saved}


def holds_the_moves(taro: OfficeUser) -> None:
    """Nobody leaves the files behind by an act that leads elsewhere."""
    expect(taro.main.get_by_text("保存が済むと、できる操作をここに表示します。")).to_be_visible()
    expect(taro.main.get_by_role("button", name="受取要求")).to_be_hidden()
    expect(taro.main.get_by_role("button", name="ダウンロード", exact=True)).to_be_hidden()


def offers_the_moves(taro: OfficeUser) -> None:
    expect(taro.main.get_by_role("button", name="受取要求")).to_be_visible()
    expect(taro.main.locator("[data-open-held]")).to_be_hidden()


def asked_of_the_server(person: OfficeUser) -> list[Request]:
    asked: list[Request] = []
    person.page.on("request", lambda it: asked.append(it))
    return asked


def test_attachments_of_a_statement_join_each_other_and_are_taken_out_again(cast: Cast, sits_in: Sits) -> None:
    kiku = sits_in("kiku")
    kiku.goes_to(f"/admin/statements/new/{cast.abc.uid}")
    chosen = kiku.main.locator("input[type=file]")
    for name in ("通知.pdf", "別件.zip"):
        chosen.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": b"PK"})
    kiku.presses("別件.zip：解除")
    assert chosen.evaluate("input => Array.from(input.files, (file) => file.name)") == ["通知.pdf"]


def test_what_the_fund_has_sent_is_opened_in_the_page_and_saved_as_it_was(
    cast: Cast, sits_in: Sits, tmp_path: Path
) -> None:
    for name, content in NAMES.items():
        (tmp_path / name).write_bytes(content)
    kiku, taro = sits_in("kiku"), sits_in("taro")
    kiku.goes_to("/admin/statements/")
    number = kiku.prepares("ABC商事株式会社", [tmp_path / name for name in NAMES], "決定通知（十一月分）")
    kiku.waits_for_inspection("検査済")
    kiku.presses("承認して配信")
    kiku.sees_state("配信済")

    taro.goes_to("/files/statements")
    taro.clicks(taro.row(number).get_by_role("button", name="受取要求"))
    taro.sees("受取要求済")
    taro.opens(number, among="帳票の受取")
    asked = asked_of_the_server(taro)
    opens_with(taro, taro.archive_password)
    taro.sees("受け取りました。ファイルは2件です。")
    expect(taro.main.get_by_role("heading", name="保存するファイル")).to_be_focused()
    taro.sees_state("受取済")
    holds_the_moves(taro)

    # One of them by its own button, then the rest.
    with taro.page.expect_download():
        taro.row("内訳㈱髙﨑.csv").get_by_role("button", name="保存", exact=True).click()
    holds_the_moves(taro)
    assert saves_all(taro, 2) == NAMES
    offers_the_moves(taro)
    assert len(taro.saved) == 2, "each is saved once"

    kiku.opens(number, among="帳票の配信")
    kiku.sees_state("受取済")
    assert [request.method for request in asked if "/download" in request.url] == ["POST"]
    assert not [request for request in asked if taro.archive_password in f"{request.url} {request.post_data}"]


def test_a_wrong_password_asks_for_nothing_and_leaving_is_asked_about_while_something_is_not_saved(
    cast: Cast, sits_in: Sits
) -> None:
    transfer, taro = requested(cast), sits_in("taro")
    before = logged(transfer)
    goes_to(taro, transfer)
    asked = asked_of_the_server(taro)
    for password, words in (
        ("", "圧縮パスワードを入力してください。"),
        ("Wrong-Password-26", "圧縮パスワードが違うため、まだ何も受け取っていません。"),
        (taro.archive_password + "　", "空白と全角の文字は使われていません。"),
    ):
        opens_with(taro, password)
        taro.sees(words)
        expect(taro.box("圧縮パスワード")).to_be_focused()
        expect(taro.box("圧縮パスワード")).to_have_attribute("aria-invalid", "true")
    assert [request.url for request in asked if "/files/" in request.url] == []
    assert (state(transfer), logged(transfer)) == ("requested", before)

    opens_with(taro, taro.archive_password)
    taro.sees("受け取りました。ファイルは2件です。保存するまで、この画面を閉じないでください。")
    assert state(transfer) == "received"
    goes_to(taro, transfer)
    assert len(taro.was_asked) == 1, "the browser's own question"

    pickups.request_pickup(cast.taro, Transfer.get_by_id(transfer.id))
    goes_to(taro, transfer)
    opens_with(taro, taro.archive_password)
    saves_all(taro, 2)
    taro.chooses("帳票の受取")
    taro.sees_heading("帳票の受取")
    assert len(taro.was_asked) == 1


def window_is_over(transfer: Transfer) -> None:
    Transfer.update(requested_at=utc_now() - timedelta(days=8)).where(Transfer.id == transfer.id).execute()


def malware_was_found(transfer: Transfer) -> None:
    Inspection.update(state="quarantined").where(Inspection.transfer == transfer).execute()


MEANWHILE = [
    (window_is_over, "ダウンロードできる期間が終わりました。もう一度「受取要求」を押してください。", "配信済"),
    (malware_was_found, "隔離", "受取要求済"),
]


def test_what_has_happened_meanwhile_is_told_and_nothing_was_taken(cast: Cast, sits_in: Sits) -> None:
    taro = sits_in("taro")
    for happens, words, after in MEANWHILE:
        transfer = requested(cast)
        goes_to(taro, transfer)
        happens(transfer)
        opens_with(taro, taro.archive_password)
        trouble = taro.main.get_by_role("alert").filter(has_text="開けませんでした")
        expect(trouble).to_be_focused()
        expect(trouble).to_contain_text(words)
        taro.sees_state(after)
        taro.presses("画面を更新")
        expect(taro.main.get_by_role("button", name="開いて保存")).to_have_count(0)

    transfer = requested(cast)
    goes_to(taro, transfer)
    taro.context.clear_cookies()
    opens_with(taro, taro.archive_password)
    taro.sees("ログインの有効時間が終わっていたため、まだ何も受け取っていません。")
    assert state(transfer) == "requested"
    assert taro.saved == []


def test_names_with_folders_are_saved_under_plain_ones(cast: Cast, sits_in: Sits, tmp_path: Path) -> None:
    """An office's own ZIP, by a program that writes folders and the names of Japanese Windows."""
    taro = sits_in("taro")
    for name in ("一月", "二月"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "一覧㈱.csv").write_bytes(name.encode())
    command = ["7zz", "a", "-tzip", "-mem=AES256", "-mcp=932", f"-p{cast.archive_password}", "it.zip", "一月", "二月"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    transfer = inspect(uploads(cast.hanako, (tmp_path / "it.zip").read_bytes()))
    goes_to(taro, transfer)
    opens_with(taro, "Wrong-Password-26")
    taro.sees("圧縮パスワードが違うため、まだ開いていません。")
    opens_with(taro, taro.archive_password)
    taro.sees("ZIPを開きました。ファイルは2件です。")
    taro.sees("一月/一覧㈱.csv")
    assert saves_all(taro, 2) == {"一月_一覧㈱.csv": "一月".encode(), "二月_一覧㈱.csv": "二月".encode()}
    taro.sees_state("承認待ち")

    goes_to(taro, transfer)
    opens_with(taro, taro.archive_password)
    taro.sees("ZIPを開きました。")
    taro.chooses("届書の送信")
    taro.sees_heading("届書の送信")
    assert taro.was_asked == [], "it can be opened again at any time"


def test_a_stopped_fetch_says_what_is_left_to_do_and_a_damaged_zip_is_kept_as_it_is(cast: Cast, sits_in: Sits) -> None:
    transfer, taro = requested(cast, {"大きな一覧.csv": base64.b64encode(os.urandom(3_000_000))}), sits_in("taro")
    goes_to(taro, transfer)
    taro.page.wait_for_load_state("networkidle")
    line = taro.context.new_cdp_session(taro.page)
    line.send("Network.enable")
    conditions = {"offline": False, "latency": 5, "downloadThroughput": SLOW, "uploadThroughput": -1}
    line.send("Network.emulateNetworkConditions", conditions)
    opens_with(taro, taro.archive_password)
    expect(taro.main.get_by_role("progressbar")).to_have_attribute("value", re.compile(r"0\.[0-9]+"))
    taro.presses("中止")
    taro.sees("中止しました。ファイルは保存していません。")
    taro.sees("もう一度「受取要求」を押してください。")
    expect(taro.main.get_by_role("button", name="受取要求")).to_be_visible()
    assert taro.saved == []

    conditions["downloadThroughput"] = -1
    line.send("Network.emulateNetworkConditions", conditions)
    transfer = requested(cast)

    def damage(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body()[:-60], headers=answer.headers | {"content-length": ""})

    taro.page.route("**/download", damage)
    goes_to(taro, transfer)
    opens_with(taro, taro.archive_password)
    taro.sees("ZIPは届きましたが、この画面では開けません。")
    holds_the_moves(taro)
    assert not taro.main.get_by_role("button", name="画面を更新").is_visible()
    name, data = taro.saves("ZIPのまま保存")
    assert (name, data) == ("決定通知.zip", b"".join(vault.pieces(transfer.stored))[:-60])
    offers_the_moves(taro)
