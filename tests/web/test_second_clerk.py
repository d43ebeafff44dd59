"""What the second clerk reads before a 管理者 is replaced, and when a press of the button does nothing."""

from collections.abc import Callable

import pytest
from flask import Flask

from exchange import accounts, handovers
from models import Membership, User
from tests.exchange.handing_over import MIDORI, admins, opens_emergency, second_clerk
from tests.people import LOGIN_IDS, Browser, Cast

People = Callable[[str], Browser]
PAGE, HIS_OWN = "/admin/handovers/", "taro@elsewhere.example"
STALE = "後任の方の登録が、画面を開いたあとに変わっています"


@pytest.fixture
def ume(app: Flask, browser: People, cast: Cast) -> Browser:
    second_clerk(cast)
    return browser("ume")


def asked_page(cast: Cast, successor: Membership | handovers.NewPerson | None = None) -> str:
    return f"{PAGE}{opens_emergency(cast, successor).uid}"


def part(html: str) -> str:
    """The panel in which it is approved."""
    return html.partition('<section id="approval"')[2].partition("</section>")[0]


def test_the_account_stands_there_in_full(ume: Browser, cast: Cast) -> None:
    panel = part(ume.get(asked_page(cast)).text)
    user = cast.member("jun").user
    for words in (user.name, user.kana, user.mail, f"<code>{LOGIN_IDS['jun']}</code>"):
        assert words in panel


def test_who_changed_it_lately_stands_beside_it(ume: Browser, cast: Cast) -> None:
    user = cast.member("jun").user
    accounts.change_profile(cast.taro, cast.member("jun"), user.name, user.kana, HIS_OWN)
    panel = part(ume.get(asked_page(cast)).text)
    for words in ("メールアドレスを変更", "甲野　太郎", f"確認待ちの {HIS_OWN} への変更は、承認すると取り消されます"):
        assert words in panel
    accounts.reset_password(cast.kiku, cast.member("jun"), accounts.seen(cast.member("jun")))
    page = f"{PAGE}{cast.abc.handovers.get().uid}"
    assert "初期パスワードの再発行" in part(ume.get(page).text)


def test_of_a_newcomer_it_says_that_nothing_has_changed(ume: Browser, cast: Cast) -> None:
    panel = part(ume.get(asked_page(cast, MIDORI)).text)
    assert (MIDORI.mail in panel, "登録されてから、変わっていません" in panel) == (True, True)


@pytest.mark.parametrize("form", [{}, {"seen": ""}])
def test_a_button_without_what_was_read_does_nothing(ume: Browser, cast: Cast, form: dict[str, str]) -> None:
    page = asked_page(cast)
    answer = ume.post(f"{page}/approval", form, page=page)
    assert (answer.status_code, STALE in answer.text) == (409, True)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_an_account_that_changed_meanwhile_is_read_again_first(ume: Browser, cast: Cast) -> None:
    page = asked_page(cast)
    seen = ume.field(page, "seen")
    User.update(mail=HIS_OWN).where(User.id == cast.member("jun").user_id).execute()
    answer = ume.post(f"{page}/approval", {"seen": seen}, page=page)
    assert (answer.status_code, STALE in answer.text) == (409, True)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]
    done = ume.post(f"{page}/approval", {"seen": ume.field(page, "seen")}, page=page)
    assert (done.location, admins(cast.abc)) == (page, [LOGIN_IDS["jun"]])


def test_the_admin_reads_in_the_refusal_whom_to_call(browser: People, ume: Browser, cast: Cast) -> None:
    asked_page(cast)
    url = f"/admin/users/{cast.member('jun').uid}"
    page = browser("taro").get(url).text
    assert "管理者の交代の手続き中のため、事業所からは変更できません" in page


@pytest.mark.parametrize("form", [{}, {"seen": ""}])
def test_no_successor_is_named_on_a_page_that_nobody_opened(browser: People, cast: Cast, form: dict[str, str]) -> None:
    named = {"successor": cast.member("jun").uid, "agreed": "y", **form}
    answer = browser("taro").post(PAGE, named, page=PAGE)
    assert (answer.status_code, cast.abc.handovers.count()) == (409, 0)
