"""An authenticator instead of mail, a recovery code instead of the phone, and the password asked for once more."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from database import utc_now
from models import LoginSession, User
from tests.browser.people import OfficeUser
from tests.browser.site import Site
from tests.people import Cast


@pytest.fixture
def taro(shared_site: Site, sits_down: Callable) -> OfficeUser:
    taro = sits_down(shared_site, "taro")
    taro.logs_in()
    return taro


def time_passes() -> None:
    """The login password was typed long ago."""
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).execute()


def confirms(person: OfficeUser, password: str) -> None:
    person.sees_heading("ログインパスワードの確認")
    person.types("ログインパスワード", password)
    person.presses("確認して続ける")


def test_an_authenticator_opens_the_door_and_a_recovery_code_does_when_it_is_lost(taro: OfficeUser) -> None:
    taro.chooses("ご自身の登録")
    taro.presses("認証アプリを登録")
    app, codes = taro.enrols()
    taro.chooses("控えたので次へ")
    taro.sees("残り8個")

    taro.logs_out()
    taro.logs_in_without_mail(app.shows(later=1))
    taro.sees_heading("ホーム")

    taro.logs_out()
    taro.logs_in_without_mail(codes[0])
    taro.chooses("ご自身の登録")
    taro.sees("残り7個")
    taro.sees("回復コードでログイン")


def test_a_spent_recovery_code_opens_nothing(taro: OfficeUser) -> None:
    taro.goes_to("/admin/account/totp")
    _, codes = taro.enrols()
    taro.logs_out()
    taro.logs_in_without_mail(codes[3])
    taro.logs_out()
    taro.goes_to("/auth/")
    taro.says_who()
    taro.presses("次へ")
    taro.types("ワンタイムパスワード", codes[3])
    taro.presses("次へ")
    taro.sees("組み合わせが正しくないか")
    taro.sees_heading("ワンタイムパスワードの確認")


def test_what_was_typed_is_done_after_the_password_was_asked_for(taro: OfficeUser, cast: Cast) -> None:
    taro.goes_to(f"/admin/users/{cast.member('jun').uid}")
    time_passes()
    taro.types("ユーザ名(漢字)", "乙川　純一")
    taro.presses("変更")
    confirms(taro, "chigau-pasuwaado")
    expect(taro.main.locator("#error-summary")).to_be_focused()
    assert cast.member("jun").user.name == "乙川　純（利用者B）"
    confirms(taro, taro.me["password"])
    taro.sees("登録内容を変更しました。")
    taro.sees_heading("乙川　純一")
    assert User.get(User.name == "乙川　純一") == cast.member("jun").user


def test_a_box_ticked_long_after_the_login_asks_for_the_password_and_is_then_set(taro: OfficeUser, cast: Cast) -> None:
    taro.goes_to(f"/admin/users/{cast.member('jun').uid}")
    time_passes()
    taro.box("配信").click()
    confirms(taro, taro.me["password"])
    taro.sees("「配信」：外しました。")
    expect(taro.box("配信")).not_to_be_checked()
    assert "deliver" not in cast.member("jun").words()

    # For ten minutes nobody asks again.
    taro.sees_heading("乙川　純（利用者B）")
    taro.box("配信").click()
    taro.sees("付与しました。")
    assert "deliver" in cast.member("jun").words()
