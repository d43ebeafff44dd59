"""The upload form in the hands of a person: the drop area, the progress bar, stopping, and what is refused in words."""

import base64
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser import site as sites
from tests.browser.people import OfficeUser
from tests.people import Cast, aes_zip

LIMIT = 1_000_000  # bytes of a file
REFUSED = re.compile("ファイルが大きすぎます。上限は.*1,000,000")
SLOW = 1_000_000  # bytes a second, as over a VPN

# A file comes out of the file manager onto the drop area.
DROP = """
([encoded, name]) => {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, {type: "application/zip"}));
  for (const kind of ["dragover", "drop"]) {
    document.querySelector("[data-upload-drop]").dispatchEvent(
      new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
  }
}
"""


@pytest.fixture
def hanako(sits_in: Callable) -> OfficeUser:
    hanako = sits_in("hanako")
    hanako.goes_to("/")
    return hanako


@pytest.fixture
def limited(instance: Path, chromium: object, cast: Cast, sits_down: Callable) -> Iterator[OfficeUser]:
    """The clerk at a site that takes files of LIMIT bytes at most, not logged in yet."""
    with sites.running(instance.parent, TODOKE_MAX_FILE_BYTES=str(LIMIT)) as site:
        site.made.update(cast.made)
        yield sits_down(site, "hanako")


def large_zip(hanako: OfficeUser, size: int) -> bytes:
    return aes_zip(hanako.archive_password, {"明細.csv": base64.b64encode(os.urandom(size))})


def slows_down(hanako: OfficeUser) -> None:
    line = hanako.context.new_cdp_session(hanako.page)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": SLOW},
    )


def test_a_file_on_its_way_shows_its_progress_and_can_be_stopped(hanako: OfficeUser, tmp_path: Path) -> None:
    file = tmp_path / "届書.zip"
    file.write_bytes(large_zip(hanako, 6_000_000))
    hanako.fills_in_upload(file)
    slows_down(hanako)
    hanako.presses("アップロード")
    hanako.sees("送信しています（")
    hanako.presses("送信を中止")
    hanako.sees("送信を中止しました。ファイルは届いていません。")
    hanako.chooses("届書の送信")
    hanako.sees("まだ届書はありません。")

    data = large_zip(hanako, 1_000_000)
    hanako.goes_to("/files/upload")
    hanako.main.get_by_label("種類").select_option(index=1)
    hanako.page.evaluate(DROP, [base64.b64encode(data).decode(), "落とした届書.zip"])
    hanako.sees(f"落とした届書.zip（{len(data):,} バイト）")
    hanako.presses("アップロード")
    hanako.sees("送信しています（")
    hanako.sees("アップロードしました。")
    hanako.sees_heading("届書：資格取得届")
    hanako.waits_for_inspection("検査済")
    hanako.chooses("届書の送信")
    hanako.sees("落とした届書.zip")


def test_a_refused_form_says_what_is_missing_and_keeps_what_was_typed_and_the_file(
    hanako: OfficeUser, tmp_path: Path
) -> None:
    hanako.goes_to("/files/upload")
    hanako.presses("アップロード")
    summary = hanako.main.locator("#error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("ファイルが選ばれていません")
    expect(summary).to_contain_text("種類を選んでください")
    summary.get_by_role("link", name="種類を選んで").click()
    expect(hanako.main.get_by_label("種類")).to_be_focused()

    file = tmp_path / "届書.zip"
    file.write_bytes(large_zip(hanako, 1000))
    hanako.fills_in_upload(file)
    hanako.main.get_by_label("対象年月").fill("来月分")
    hanako.main.get_by_label("メモ").fill("11月分です")
    hanako.presses("アップロード")
    expect(summary).to_be_focused()
    expect(hanako.main.get_by_label("メモ")).to_have_value("11月分です")
    hanako.main.get_by_label("対象年月").fill("2026/11")
    hanako.presses("アップロード")
    hanako.sees("アップロードしました。")
    hanako.waits_for_inspection("検査済")
    hanako.page.go_back()
    hanako.sees_heading("届書のアップロード")
    hanako.page.go_forward()
    hanako.sees_heading("届書：資格取得届")


def test_a_file_that_the_server_would_refuse_is_told_as_soon_as_it_can_be(limited: OfficeUser, tmp_path: Path) -> None:
    file = tmp_path / "届書.zip"
    file.write_bytes(large_zip(limited, LIMIT))
    limited.logs_in()
    limited.fills_in_upload(file)
    limited.sees(REFUSED)
    limited.presses("アップロード")
    limited.sees_heading("届書のアップロード")

    # What the server has said of the form before is taken away.
    limited.goes_to("/files/upload")
    limited.main.get_by_label("種類").select_option(index=1)
    limited.presses("アップロード")
    expect(limited.main.locator("#file-error")).to_contain_text("ファイルが選ばれていません")
    limited.main.locator("input[type=file]").set_input_files(file)
    limited.sees(REFUSED)
    expect(limited.main.locator("#file-error, #error-summary")).to_have_count(0)

    # A file that calls itself a ZIP is looked at by the server.
    file.write_bytes(b"%PDF-1.7")
    limited.main.locator("input[type=file]").set_input_files(file)
    limited.presses("アップロード")
    expect(limited.main.locator("#file-error")).to_contain_text("ZIPにしていないファイルは送れません。")
    limited.sees("届書.zip（8 バイト）")

    # Chosen before the scripts have arrived, it is looked at once they have.
    file.write_bytes(large_zip(limited, LIMIT))
    held: list[Route] = []
    limited.page.route("**/js/upload.js*", lambda route: held.append(route))
    with limited.page.expect_request("**/js/upload.js*"):
        limited.page.goto("/files/upload", wait_until="commit")
    limited.main.locator("input[type=file]").set_input_files(file)
    held[0].continue_()
    limited.sees(REFUSED)
