"""利用者情報修正(事業所): what an office may change of its own registration."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from models import AuditEntry, Office
from tests.people import Browser, Cast, filing

People = Callable[[str], Browser]
URL = "/admin/office/"


def changes(browser: Browser, **form: Any) -> TestResponse:
    """Send the form as the page shows it, with these differences."""
    shown = {
        "was_short_name": browser.field(URL, "was_short_name"),
        "was_forbidden": browser.field(URL, "was_forbidden"),
    }
    return browser.post(URL, {"short_name": shown["was_short_name"], **shown, **form})


def logged() -> list[dict[str, Any]]:
    entries = AuditEntry.select().where(AuditEntry.action == "office.changed").order_by(AuditEntry.number)
    return [entry.details["changed"] for entry in entries]


def test_the_admin_changes_the_short_name_and_everybody_sees_it(browser: People, cast: Cast) -> None:
    answer = changes(browser("taro"), short_name="ＡＢＣ本社")
    assert (answer.status_code, answer.location) == (303, URL)
    assert cast.abc.short_name == "ＡＢＣ本社"
    assert '<span class="td-person__office">ＡＢＣ本社</span>' in browser("jun").get("/files/").text
    assert logged() == [{"short_name": ["ABC商事", "ＡＢＣ本社"]}]


def test_without_a_short_name_the_name_itself_is_shown(browser: People, cast: Cast) -> None:
    changes(browser("taro"), short_name="")
    assert cast.abc.display_name == "ABC商事株式会社"


def test_who_uploaded_no_longer_approves_once_it_is_forbidden(browser: People, cast: Cast) -> None:
    taro, transfer = browser("taro"), filing(cast, by="taro")
    assert changes(taro, forbids_self_approval="y").status_code == 303
    page = f"/files/{transfer.uid}"
    assert taro.post(f"{page}/approval", page=page).status_code == 403
    assert " checked" in taro.get(URL).text
    assert changes(taro).status_code == 303
    assert taro.post(f"{page}/approval", page=page).status_code == 303
    assert logged() == [{"forbids_self_approval": [False, True]}, {"forbids_self_approval": [True, False]}]


def test_numbers_and_archive_password_stand_there_to_read_only(browser: People, cast: Cast) -> None:
    page = browser("taro").get(URL).text
    for shown in (cast.abc.office_number, cast.abc.contract_number, "登録済"):
        assert shown in page
    assert cast.archive_password not in page
    for name in ("office_number", "contract_number", "archive_password"):
        assert f'name="{name}"' not in page
    changes(browser("taro"), office_number="99999", contract_number="9-9", name="別の会社", device_limit="9")
    office = Office.get_by_id(cast.abc.id)
    assert (office.office_number, office.name, office.device_limit) == ("00101", "ABC商事株式会社", 3)
    assert logged() == []


@pytest.mark.parametrize("name", ["jun", "hanako"])
def test_the_others_of_the_office_read_it(browser: People, cast: Cast, name: str) -> None:
    other = browser(name)
    page = other.get(URL)
    assert page.status_code == 200
    assert "変更は管理者だけができます" in page.text
    assert f'action="{URL}"' not in page.text
    form = {"short_name": "乗っ取り", "was_short_name": "ABC商事", "was_forbidden": ""}
    assert other.post(URL, form, page="/files/").status_code == 403
    assert cast.abc.short_name == "ABC商事"


@pytest.mark.parametrize("name", ["kiku", "dai"])
def test_the_fund_has_no_such_page(browser: People, name: str) -> None:
    assert browser(name).get(URL).status_code == 403


def test_an_overtaken_page_is_refused_and_keeps_what_was_typed(browser: People, cast: Cast) -> None:
    taro, old = browser("taro"), {"was_short_name": "ABC商事", "was_forbidden": ""}
    changes(taro, short_name="ABC")
    answer = taro.post(URL, {"short_name": "エービーシー", **old})
    assert answer.status_code == 409
    assert "別の画面ですでに変更されています" in answer.text
    assert "エービーシー" in answer.text
    assert cast.abc.short_name == "ABC"
    form = {"was_short_name": "ABC", "was_forbidden": ""}  # as the refused page has it
    assert all(f'name="{name}" type="hidden" value="{value}"' in answer.text for name, value in form.items())
    assert taro.post(URL, {"short_name": "エービーシー", **form}).status_code == 303
    assert cast.abc.short_name == "エービーシー"


def test_too_long_a_name_is_said_at_its_field(browser: People, cast: Cast) -> None:
    answer = changes(browser("taro"), short_name="あ" * 31)
    assert answer.status_code == 422
    assert 'id="short_name-error"' in answer.text
    assert cast.abc.short_name == "ABC商事"


def test_sent_unchanged_nothing_is_logged(browser: People) -> None:
    assert changes(browser("taro")).status_code == 303
    assert logged() == []
