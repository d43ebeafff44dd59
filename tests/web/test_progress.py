"""導入の進み具合: the fund's list, and the page of one office for the fund and for the office itself."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from database import utc_now
from exchange import archive_passwords, fund
from exchange.actors import command_line
from models import Grant, Membership, Office
from tests.exchange.test_progress import new_office, opened, requested
from tests.people import Browser, Cast

People = Callable[[str], Browser]
INDEX = "/admin/progress/"


def ago(days: int):
    return utc_now() - timedelta(days=days)


def listed(page: str) -> list[str]:
    """Names of the offices in the list, in its order."""
    return re.findall(rf'<a href="{INDEX}[0-9a-f]+">([^<]*)</a>', page)


def funnel(page: str) -> dict[str, tuple[str, str]]:
    """Label of a step → how many stand there, how many of them are stuck."""
    table = page.partition("段階ごとの事業所")[2].partition("</table>")[0]
    rows = re.findall(r'scope="row">(.*?)</th>.*?事業所">([^<]*)<.*?停滞">([^<]*)<', table, re.S)
    return {re.sub(r"<[^>]*>", "", label).strip(): (offices, stuck) for label, offices, stuck in rows}


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "ume", "dai"])
def test_nobody_else_comes_in(browser: People, cast: Cast, name: str) -> None:
    for url in (INDEX, f"{INDEX}{cast.abc.uid}"):
        assert browser(name).get(url).status_code == 403


@pytest.mark.parametrize("word", ["register", "audit"])
def test_who_registers_or_reads_the_record_comes_in(browser: People, cast: Cast, word: str) -> None:
    Grant.create(membership=cast.member("ume"), word=word)
    ume = browser("ume")
    page = ume.get(INDEX)
    assert page.status_code == 200
    may_register = word == "register"
    assert ("/admin/registrations/" in page.text.partition("<main")[2]) == may_register
    assert ("/admin/contracts/" in ume.get(f"{INDEX}{cast.abc.uid}").text) == may_register


def test_the_funnel_counts_and_the_list_names_them(browser: People, cast: Cast) -> None:
    opened(new_office("00201", ago(40)), ago(30))
    new_office("00202", ago(3))
    page = browser("kiku").get(INDEX).text
    assert funnel(page) == {
        **{"登録待ち": ("0", "－"), "お知らせの発送待ち": ("1", "－"), "ダウンロード待ち": ("0", "－")},
        **{"確認コードの送信待ち": ("1", "1"), "有効化待ち": ("0", "－"), "初回ログイン待ち": ("1", "－")},
        **{"利用者情報の登録待ち": ("0", "－"), "導入完了": ("1", "－")},
    }
    assert listed(page) == ["試験00201株式会社", "試験00202株式会社", "XYZ工業株式会社"]
    assert page.count('td-chip--stop">停滞') == 1


def test_the_list_is_narrowed_by_step_and_by_who_is_stuck(browser: People, cast: Cast) -> None:
    opened(new_office("00201", ago(40)), ago(30))
    new_office("00202", ago(30))
    new_office("00203", ago(3))
    kiku = browser("kiku")
    assert listed(kiku.get(f"{INDEX}?step=dispatched").text) == ["試験00202株式会社", "試験00203株式会社"]
    assert listed(kiku.get(f"{INDEX}?step=dispatched&stuck=y").text) == ["試験00202株式会社"]
    assert listed(kiku.get(f"{INDEX}?stuck=y").text) == ["試験00201株式会社", "試験00202株式会社"]
    assert listed(kiku.get(f"{INDEX}?step=done").text) == ["ABC商事株式会社"]
    for odd in ("?step=nothing", "?step=<b>", "?step=ready"):
        page = kiku.get(INDEX + odd).text
        assert "当てはまる事業所はありません。" in page
        assert "<b>" not in page
    assert kiku.get(f"{INDEX}?page=x&stuck=?").status_code == 200


def test_the_fund_decides_after_how_many_days_an_office_is_stuck(browser: People, cast: Cast) -> None:
    new_office("00201", ago(5))
    kiku = browser("kiku")
    assert funnel(kiku.get(INDEX).text)["お知らせの発送待ち"] == ("1", "－")
    fund.decide(cast.kiku, {"stuck_days": (14, 4)})
    page = kiku.get(INDEX).text
    assert funnel(page)["お知らせの発送待ち"] == ("1", "1")
    assert "4日を超えて" in page


def test_a_long_list_keeps_its_filter_from_page_to_page(browser: People, cast: Cast) -> None:
    for number in range(55):
        new_office(f"007{number:02d}", ago(30))
    kiku = browser("kiku")
    first = kiku.get(f"{INDEX}?step=dispatched&stuck=y").text
    assert len(listed(first)) == 50
    link = re.search(r'href="([^"]*page=2[^"]*)"', first)
    assert link is not None
    assert len(listed(kiku.get(link[1].replace("&amp;", "&")).text)) == 5


def test_one_office_has_its_steps_with_days_and_one_thing_to_do(browser: People, cast: Cast) -> None:
    office = new_office("00201", ago(9))
    requested(office, ago(8))
    page = browser("kiku").get(f"{INDEX}{office.uid}").text
    assert page.count('id="next"') == 1
    assert page.count("次の段階</span>") == 1
    assert "全8ステップ中、6ステップ目「有効化」です。" in page
    assert "（過ぎています）" in page
    assert page.count("記録なし") == 2  # neither the letter nor the download stands anywhere
    assert "進まないときは" in page


def test_an_office_that_has_finished_has_nothing_left_to_do(browser: People, cast: Cast) -> None:
    page = browser("kiku").get(f"{INDEX}{cast.abc.uid}").text
    assert "利用開始の準備は、すべて終わっています" in page
    assert 'id="next"' not in page


@pytest.mark.parametrize("name", ["taro", "jun", "hanako"])
def test_everybody_of_the_office_sees_its_own(browser: People, cast: Cast, name: str) -> None:
    person = browser(name)
    page = person.get("/admin/office/progress").text
    assert "利用開始の準備は、すべて終わっています" in page
    assert "停滞" not in page
    assert 'href="/admin/office/progress"' in person.get("/").text  # in the menu
    assert "導入の進み具合</a>で" not in person.get("/").text.partition("<main")[2]


def test_until_it_has_finished_the_start_page_leads_there(browser: People, cast: Cast) -> None:
    archive_passwords.keep(command_line(), cast.xyz, "Xyz#Archive#2026-word", version=1)
    hanako = browser("hanako_at_xyz")
    start = hanako.get("/").text.partition("<main")[2]
    assert 'href="/admin/office/progress"' in start
    page = hanako.get("/admin/office/progress").text
    assert "次にすること" in page
    assert "困ったときは" in page
    assert "進まないときは" not in page  # that is for the fund
    Membership.update(ready_at=utc_now()).where(Membership.id == cast.member("jiro").id).execute()
    assert 'href="/admin/office/progress"' not in hanako.get("/").text.partition("<main")[2]


@pytest.mark.parametrize("name", ["kiku", "dai"])
def test_the_funds_people_have_no_such_page_of_their_own(browser: People, name: str) -> None:
    assert browser(name).get("/admin/office/progress").status_code == 403


def test_the_office_page_tells_how_far_it_is(browser: People, cast: Cast) -> None:
    office = new_office("00201", ago(20))
    kiku = browser("kiku")
    page = kiku.get(f"/admin/offices/{office.uid}").text
    assert "3／8　お知らせの発送待ち（20日）" in page
    assert f"{INDEX}{office.uid}" in page
    assert INDEX not in browser("dai").get(f"/admin/offices/{office.uid}").text
    assert "導入完了" in kiku.get(f"/admin/offices/{cast.abc.uid}").text
    assert Office.get_by_id(office.id).closed_at is None
