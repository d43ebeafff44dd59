"""The boxes of one person: they say what shall be, so two pages, a stale one, the keyboard and no scripts all agree."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import Hands
from tests.browser.people import OfficeUser
from tests.browser.site import Site
from tests.people import Cast


@pytest.fixture
def address(cast: Cast) -> str:
    """The page of Jun, who holds every word."""
    return f"/admin/users/{cast.member('jun').uid}"


@pytest.fixture
def taro(shared_site: Site, sits_down: Callable, address: str) -> OfficeUser:
    taro = sits_down(shared_site, "taro")
    taro.logs_in()
    taro.goes_to(address)
    return taro


def approval(page: Page) -> Locator:
    return page.locator("#main").get_by_label("承認", exact=True)


def says(page: Page, words: str) -> None:
    expect(page.locator("#p-approve")).to_contain_text(words)


def test_two_pages_of_one_admin_say_what_shall_be(taro: OfficeUser, address: str, cast: Cast) -> None:
    other = taro.context.new_page()
    other.goto(address)
    approval(taro.page).click()
    says(taro.page, "外しました。")
    assert "approve" not in cast.member("jun").words()

    # The other page still shows the tick: to take it away acts no second time.
    expect(approval(other)).to_be_checked()
    approval(other).click()
    says(other, "すでに外されています。")
    expect(approval(other)).not_to_be_checked()
    assert "approve" not in cast.member("jun").words()

    approval(other).click()
    says(other, "付与しました。")
    expect(approval(taro.page)).not_to_be_checked()
    approval(taro.page).click()
    says(taro.page, "すでに付与されています。")
    expect(approval(taro.page)).to_be_checked()
    assert "approve" in cast.member("jun").words()


def test_a_box_of_somebody_who_has_left_meanwhile_says_why_and_stays_as_it_was(
    taro: OfficeUser, address: str, cast: Cast
) -> None:
    stale = taro.context.new_page()
    stale.goto(address)
    taro.chooses("利用の終了")
    taro.presses("利用を終了する")
    taro.sees("利用を終了しました。")
    approval(stale).click()
    says(stale, "＊利用が終了した方の権限は変更できません。")
    expect(approval(stale)).to_be_checked()


def test_a_box_is_ticked_with_the_keyboard_alone(taro: OfficeUser, cast: Cast) -> None:
    hands = Hands(taro)
    hands.reaches("承認", "INPUT")
    taro.page.keyboard.press("Space")
    says(taro.page, "外しました。")
    expect(approval(taro.page)).to_be_focused()
    expect(taro.page.locator("#td-live")).to_have_text("承認：付与していません。外しました。")
    taro.page.keyboard.press("Space")
    says(taro.page, "付与しました。")
    expect(approval(taro.page)).to_be_focused()
    expect(taro.page.locator("#td-live")).to_have_text("承認：付与しています。付与しました。")
    hands.reaches("配信", "INPUT")
    assert "approve" in cast.member("jun").words()


def test_a_box_is_saved_by_its_button_without_scripts(
    shared_site: Site, sits_down: Callable, address: str, cast: Cast
) -> None:
    taro = sits_down(shared_site, "taro", java_script_enabled=False)
    taro.logs_in()
    taro.goes_to(address)
    taro.box("承認").uncheck()
    assert "approve" in cast.member("jun").words()
    taro.main.locator("#p-approve").get_by_role("button", name="保存").click()
    taro.sees("「承認」：外しました。")
    expect(taro.box("承認")).not_to_be_checked()
    assert "approve" not in cast.member("jun").words()
    taro.presses("全権限")
    taro.sees("権限を変更しました：")
    expect(taro.box("承認")).to_be_checked()
