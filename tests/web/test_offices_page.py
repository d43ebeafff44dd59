"""The offices and their people, as the fund and its desk see them."""

from collections.abc import Callable

import pytest
from flask import Flask

from database import utc_now
from exchange import locks, throttle
from models import Grant, Office
from tests.exchange.offices import third_office
from tests.people import Browser, Cast
from tests.web.test_users_page import row_of

People = Callable[[str], Browser]
INDEX = "/admin/offices/"


def gives(cast: Cast, name: str, word: str) -> None:
    Grant.create(membership=cast.member(name), word=word)


def locks_out(cast: Cast, name: str) -> None:
    for _ in range(5):
        throttle.hit("password", cast.member(name).user.uid, utc_now())


@pytest.mark.parametrize("name", ["kiku", "dai"])
def test_the_offices_stand_with_their_people_and_pcs(browser: People, cast: Cast, name: str) -> None:
    page = browser(name).get(INDEX).text
    assert f"{INDEX}{cast.abc.uid}" in page
    row = next(row for row in page.split("<tr>") if cast.abc.uid in row)
    assert cast.abc.contract_number in row
    assert "3名" in row
    assert "3／3台" in row


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "ume"])
def test_nobody_else_comes_in(browser: People, cast: Cast, name: str) -> None:
    other = browser(name)
    for url in (INDEX, f"{INDEX}{cast.abc.uid}", f"{INDEX}{cast.abc.uid}/matrix"):
        assert other.get(url).status_code == 403


def test_offices_are_searched_as_text(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    for typed in ("ABC", "00101", cast.abc.contract_number):
        page = kiku.get(INDEX, query_string={"q": typed}).text
        assert cast.abc.uid in page
        assert cast.xyz.uid not in page
    for odd in ("%", "_", "' OR 1=1 --", "<b>"):
        page = kiku.get(INDEX, query_string={"q": odd}).text
        assert "<b>" not in page
        assert cast.abc.uid not in page


def test_a_closed_office_is_not_among_the_others(browser: People, cast: Cast) -> None:
    Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
    kiku = browser("kiku")
    assert cast.abc.uid not in kiku.get(INDEX).text
    assert "契約が終了しています" in kiku.get(f"{INDEX}{cast.abc.uid}").text
    assert kiku.get(f"{INDEX}{cast.abc.uid}/matrix").status_code == 404


def test_the_offices_people_are_listed_and_printed(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    page, sheet = kiku.get(f"{INDEX}{cast.abc.uid}").text, kiku.get(f"{INDEX}{cast.abc.uid}/matrix").text
    assert "7つ中5つ" in row_of(page, "srHanako1")
    assert f"/admin/users/{cast.member('hanako').uid}" in page
    assert all(login_id in sheet for login_id in ("abcTaro01", "abcJun001", "srHanako1"))
    assert "xyzJiro01" not in page + sheet


def test_who_only_reads_the_record_gets_no_dead_links(browser: People, cast: Cast) -> None:
    gives(cast, "ume", "audit")
    ume = browser("ume")
    page = ume.get(f"{INDEX}{cast.abc.uid}")
    assert page.status_code == 200
    assert "/admin/users/" not in page.text
    assert ume.get(f"/admin/users/{cast.member('jun').uid}").status_code == 403


def test_the_desk_unlocks_and_does_nothing_else(browser: People, cast: Cast) -> None:
    dai, page = browser("dai"), f"/admin/users/{cast.member('jun').uid}"
    locks_out(cast, "jun")
    assert "ログイン停止中" in row_of(dai.get(f"{INDEX}{cast.abc.uid}").text, "abcJun001")
    shown = dai.get(page).text
    assert f"{page}/unlocking" in shown
    for noun in ("suspension", "ending", "password", "totp-removal", "profile", "permissions"):
        assert f'action="{page}/{noun}' not in shown
        assert dai.post(f"{page}/{noun}", {"preset": "none"}, page=page).status_code in (403, 422)
    assert dai.post(f"{page}/unlocking", page=page).location == page
    assert not locks.is_locked(cast.member("jun"), utc_now())
    assert len(cast.member("jun").words()) == 7
    assert cast.member("jun").is_active


def test_the_fund_helps_whom_no_office_alone_may_help(browser: People, cast: Cast) -> None:
    kiku, page = browser("kiku"), f"/admin/users/{cast.member('hanako').uid}"
    shown = kiku.get(page).text
    assert f'action="{page}/password"' in shown
    assert f'action="{page}/permissions' not in shown
    answer = kiku.post(f"{page}/password", {"seen": kiku.field(page, "seen")}, page=page)
    assert answer.status_code == 200
    assert "初期パスワードのお知らせ" in answer.text
    assert cast.member("hanako").user.is_initial_password


def test_the_desks_own_list_leads_to_the_office(browser: People, cast: Cast) -> None:
    page = browser("dai").get("/admin/desk/").text
    assert f"{INDEX}{cast.abc.uid}" in page
    Grant.delete().where(Grant.membership == cast.member("dai"), Grant.word << ("unlock", "audit")).execute()
    assert INDEX not in browser("dai").get("/admin/desk/").text.partition("<main")[2]


def test_a_long_list_has_pages(app: Flask, browser: People, cast: Cast) -> None:
    for number in range(60):
        Office.create(
            contract_number=f"1234567-9{number:07d}",
            office_number=f"9{number:04d}",
            name=f"試験{number:02d}株式会社",
            name_filed="試験",
            entered_on=utc_now().date(),
        )
    kiku = browser("kiku")
    first, second = kiku.get(INDEX).text, kiku.get(f"{INDEX}?page=2").text
    assert "62件" in first
    assert "試験00株式会社" in first
    assert "試験59株式会社" not in first
    assert "試験59株式会社" in second


def test_a_new_letter_is_ordered_from_the_offices_page_by_who_registers(browser: People, cast: Cast) -> None:
    kiku, dai = browser("kiku"), browser("dai")
    url = f"{INDEX}{cast.abc.uid}"
    assert f'<a href="/admin/contracts/{cast.abc.uid}#reissue">お知らせを再発行する</a>' in kiku.get(url).text
    assert 'id="reissue"' in kiku.get(f"/admin/contracts/{cast.abc.uid}").text
    assert "お知らせを再発行する" not in dai.get(url).text
    new = third_office()
    page = kiku.get(f"{INDEX}{new.uid}").text
    assert "お知らせを再発行する" not in page  # there was none yet
    assert "お知らせ発行前" in page
    assert "初期パスワード期限切れ" not in page
