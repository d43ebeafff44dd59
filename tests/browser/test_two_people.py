"""Several people at the same list: many rows at once, and somebody who was faster."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests import people
from tests.browser.site import Site
from tests.people import Cast


def test_the_second_person_approves_several_rows_at_once(cast: Cast, shared_site: Site, sits_down: Callable) -> None:
    numbers = [people.filing(cast).receipt_number for _ in range(3)]
    jun = sits_down(shared_site, "jun")
    jun.logs_in()
    jun.chooses("届書の送信")
    for number in numbers[:2]:
        jun.row(number).get_by_role("checkbox").check()
    expect(jun.main.locator("[data-select-count]")).to_have_text("2")
    jun.main.locator("#bulk").get_by_role("button", name="承認", exact=True).click()
    for number in numbers[:2]:
        jun.sees(f"{number}：承認しました。")
        expect(jun.row(number)).to_contain_text("配信待ち")
    expect(jun.row(numbers[2])).to_contain_text("承認待ち")

    jun.main.get_by_label("この画面の届書をすべて選ぶ").check()
    expect(jun.main.locator("[data-select-count]")).to_have_text("3")
    jun.main.locator("#bulk").get_by_role("button", name="配信", exact=True).click()
    for number in numbers[:2]:
        jun.sees(f"{number}：配信しました。")
    jun.sees(f"{numbers[2]}：")
    expect(jun.row(numbers[2])).to_contain_text("承認待ち")


def test_who_comes_second_reads_who_was_faster(cast: Cast, shared_site: Site, sits_down: Callable) -> None:
    first, second = people.filing(cast).receipt_number, people.filing(cast).receipt_number
    taro, jun = sits_down(shared_site, "taro"), sits_down(shared_site, "jun")
    for person in (taro, jun):
        person.logs_in()
        person.chooses("届書の送信")
    for number in (first, second):
        taro.row(number).get_by_role("button", name="承認", exact=True).click()
        expect(taro.row(number)).to_contain_text("配信待ち")

    # Jun's list still offers both: one by its own button, the other among the checked rows.
    jun.row(first).get_by_role("button", name="承認", exact=True).click()
    expect(jun.row(first)).to_contain_text(re.compile("甲野　太郎（利用者A）.*が先に操作したため"))
    expect(jun.row(first)).to_contain_text("配信待ち")
    jun.row(second).get_by_role("checkbox").check()
    jun.main.locator("#bulk").get_by_role("button", name="承認", exact=True).click()
    jun.sees(f"{second}：")
    jun.sees("が先に操作したため")


def test_a_filing_sent_back_is_corrected_and_delivered(
    cast: Cast, shared_site: Site, sits_down: Callable, tmp_path: Path
) -> None:
    number = people.filing(cast).receipt_number
    jun, hanako = sits_down(shared_site, "jun"), sits_down(shared_site, "hanako")
    jun.logs_in()
    jun.opens(number)
    jun.chooses("差戻し")
    jun.types("差戻しの理由", "3行目の生年月日が違います")
    jun.presses("差戻し")
    jun.sees_state("差戻し")

    hanako.logs_in()
    hanako.opens(number)
    hanako.sees("3行目の生年月日が違います")
    hanako.chooses("直して再アップロード")
    hanako.sees("3行目の生年月日が違います")
    file = tmp_path / "届書（訂正）.zip"
    file.write_bytes(people.aes_zip(cast.archive_password))
    hanako.main.get_by_label("種類").select_option(index=1)
    hanako.main.locator("input[type=file]").set_input_files(file)
    hanako.presses("アップロード")
    hanako.sees("アップロードしました。")
    corrected = hanako.receipt_number()
    hanako.waits_for_inspection("検査済")

    jun.opens(number)
    jun.chooses(f"受付番号 {corrected} を開く")
    jun.presses("承認して配信")
    jun.sees_state("配信済")
