"""One list over all offices of a person: it shows what each of them shows, and opens nothing that is elsewhere."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from blueprints import paging
from database import utc_now
from exchange import archive_passwords
from exchange.actors import command_line
from models import Membership, Transfer
from tests.markup import Page
from tests.people import Browser, Cast, filing, inspect, statement, uploads

People = Callable[[str], Browser]

HERE = "/files/everywhere"


@pytest.fixture
def xyz(cast: Cast) -> None:
    """XYZ工業 can be worked in."""
    archive_passwords.keep(command_line(), cast.xyz, "Xyz#Archive#2026-word", version=1)


def moved(transfer: Transfer, cast: Cast) -> Transfer:
    """The same document, of XYZ工業."""
    Transfer.update(office=cast.xyz, uploaded_by=cast.member("jiro")).where(Transfer.id == transfer.id).execute()
    return transfer


def numbers(page: str) -> list[str]:
    return re.findall(r'<code id="n-[0-9a-f]+">([\d-]+)</code>', page)


@pytest.mark.usefixtures("xyz")
def test_the_documents_of_all_offices_stand_in_one_list_newest_first(browser: People, cast: Cast) -> None:
    first, second, third = filing(cast, "approved"), moved(filing(cast), cast), filing(cast)
    page = browser("hanako").get(HERE).text
    assert numbers(page) == [one.receipt_number for one in (third, second, first)]
    assert "ABC商事" in page
    assert "XYZ工業株式会社" in page


@pytest.mark.usefixtures("xyz")
def test_statements_come_by_their_arrival(browser: People, cast: Cast) -> None:
    early, late = statement(cast, "approved"), moved(statement(cast, "delivered"), cast)
    hidden = statement(cast, "approved")
    Transfer.update(state="delivered", delivered_at=utc_now()).where(Transfer.id == early.id).execute()
    page = browser("hanako").get(f"{HERE}?direction=statement").text
    assert numbers(page) == [early.receipt_number, late.receipt_number]
    assert hidden.receipt_number not in page
    assert '<a href="/files/statements" aria-current="page">' in page


@pytest.mark.usefixtures("xyz")
def test_only_the_switch_opens_what_is_elsewhere(browser: People, cast: Cast) -> None:
    own, other = filing(cast), moved(filing(cast), cast)
    hanako, place = browser("hanako"), cast.member("hanako_at_xyz")
    page = hanako.get(HERE).text
    assert f'href="/files/{own.uid}"' in page
    assert f'href="/files/{other.uid}"' not in page
    assert hanako.get(f"/files/{other.uid}").status_code == 404
    answer = hanako.post("/auth/office", {"place": place.uid, "next": f"/files/{other.uid}"}, page=HERE)
    assert (answer.status_code, answer.location) == (303, f"/files/{other.uid}")
    assert other.receipt_number in hanako.get(f"/files/{other.uid}").text
    assert hanako.get(f"/files/{own.uid}").status_code == 404
    page = hanako.get(HERE).text
    assert f'href="/files/{other.uid}"' in page
    assert f'value="/files/{own.uid}"' in page


@pytest.mark.usefixtures("xyz")
def test_the_form_names_the_office_and_the_document(browser: People, cast: Cast) -> None:
    other = moved(filing(cast), cast)
    page = browser("hanako").get(HERE).text
    row = page[page.index(f'id="n-{other.uid}"') :]
    assert f'name="place" value="{cast.member("hanako_at_xyz").uid}"' in row
    assert f'name="next" value="/files/{other.uid}"' in row
    assert f'aria-describedby="n-{other.uid}">切り替えて開く</button>' in row


@pytest.mark.usefixtures("xyz")
def test_the_list_is_narrowed_by_state(browser: People, cast: Cast) -> None:
    approved, waiting = moved(filing(cast, "approved"), cast), filing(cast)
    broken = moved(inspect(uploads(cast.hanako, b"not a ZIP at all")), cast)
    hanako = browser("hanako")
    for state, one in (("approved", approved), ("uploaded", waiting), ("unusable", broken)):
        page = hanako.get(f"{HERE}?state={state}").text
        assert numbers(page) == [one.receipt_number]
        assert re.search(r'aria-current="true">[^<]*（1）', page)
    page = hanako.get(f"{HERE}?direction=statement&state=requested").text
    assert "この状態の帳票はありません。" in page


@pytest.mark.usefixtures("xyz")
def test_the_next_page_is_of_the_same_list(app: Flask) -> None:
    assert "direction" in paging.KEPT
    with app.test_request_context(f"{HERE}?direction=statement&state=delivered&page=2"):
        url = paging.Pager(2, 3, 101, [], "files.everywhere").next_url
    assert url is not None
    query = MultiDict(pair.split("=") for pair in url.partition("?")[2].split("&"))
    assert query.to_dict() == {"direction": "statement", "state": "delivered", "page": "3"}


@pytest.mark.parametrize("query", ["?direction=nothing", "?state=nothing", "?page=0", "?page=x", "?page=99"])
def test_an_odd_address_is_no_error(browser: People, cast: Cast, query: str) -> None:
    filing(cast)
    assert browser("hanako").get(HERE + query).status_code == 200


@pytest.mark.parametrize("name", ["taro", "jun"])
def test_with_one_office_the_usual_list_is_the_whole(browser: People, name: str) -> None:
    answer = browser(name).get(HERE)
    assert (answer.status_code, answer.location) == (303, "/files/")
    for page in ("/files/", "/files/statements", "/"):
        assert HERE not in browser(name).get(page).text


@pytest.mark.parametrize("page", ["/files/", "/files/statements", "/"])
def test_with_several_the_pages_lead_there(browser: People, page: str) -> None:
    assert "すべての事業所の一覧</a>" in browser("hanako").get(page).text


@pytest.mark.usefixtures("xyz")
@pytest.mark.parametrize("column", ["ended_at", "disabled_at", "invited_at"])
def test_an_office_where_one_cannot_work_is_left_out(browser: People, cast: Cast, column: str) -> None:
    other = moved(filing(cast), cast)
    Membership.update({column: utc_now()}).where(Membership.id == cast.member("hanako_at_xyz").id).execute()
    hanako = browser("hanako")
    assert hanako.get(HERE).location == "/files/"
    assert other.receipt_number not in hanako.get("/files/").text


def test_the_fund_and_strangers_have_no_such_page(browser: People) -> None:
    assert browser("kiku").get(HERE).status_code == 403
    assert browser("").get(HERE).location == "/auth/"


@pytest.mark.usefixtures("xyz")
def test_the_page_keeps_the_rules_of_the_markup(app: Flask, browser: People, cast: Cast) -> None:
    filing(cast)
    moved(filing(cast), cast)
    moved(statement(cast, "delivered"), cast)
    hanako = browser("hanako")
    for query in ("", "?direction=statement", "?state=approved"):
        assert Page(hanako.get(HERE + query).text).faults(app.url_map.bind("127.0.0.1")) == []
