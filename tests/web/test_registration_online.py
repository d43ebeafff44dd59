"""An invited office files its registration: the code, the form, the look at it, the receipt."""

import base64
import io
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from flask import Flask

from database import today, utc_now
from exchange import intake, invitations, logs
from models import AuditEntry, Mail, Membership, Office
from papers import Invitation, Registration, Visit
from tests.markup import Page
from tests.people import Browser, Cast, mails, told

People = Callable[[str], Browser]
FORM, CONFIRM, RECEIPT = "/registration/", "/registration/confirmation", "/registration/receipt"
OPENING, LEAVING = "/registration/opening", "/registration/leave"
OFFICE, MAIL = "川辺商会株式会社", "soumu@kawabe.example"
TYPED = {
    "entered_on": "令和8年11月2日",
    "office_number": "００７７７",
    "name": "川辺 花",
    "kana": "ｶﾜﾍﾞ ﾊﾅ",
    "mail": "hana＠Kawabe.example",
    "login_id": "kawabeHana",
    "office_name": "川辺商会",
    "device_limit": "2",
    "postal_code": "〒１０００００１",
    "address": "東京都千代田区千代田1-1\r\n川辺ビル 3階\r\n",
}
CELLS = list(TYPED.values())[:8]


@pytest.fixture
def invited(cast: Cast) -> Invitation:
    return invitations.invite(cast.kiku, OFFICE, MAIL)


@pytest.fixture
def office(browser: People, invited: Invitation) -> Browser:
    """The browser of an office that has opened the form."""
    browser = browser("")
    assert opens(browser, invited).location == FORM
    return browser


def opens(browser: Browser, invitation: Invitation) -> object:
    return browser.post(OPENING, {"code": invitations.code_of(invitation.uid)}, page=FORM)


def shown(page: str) -> str:
    """What a page says, in words."""
    return unescape(re.sub(r"<[^>]*>", "", page))


def files(browser: Browser, **other: str) -> Registration:
    answer = browser.post(FORM, {**TYPED, **other})
    assert answer.location == RECEIPT, shown(answer.text)
    return Registration.select().order_by(Registration.id.desc()).get()


def faults(app: Flask, page: str) -> list[str]:
    return Page(page).faults(app.url_map.bind("127.0.0.1"))


# ── the code ──


def test_without_a_code_there_is_a_field_for_it_that_a_script_may_fill(app: Flask, browser: People) -> None:
    page = browser("").get(FORM).text
    assert "data-from-address" in page
    assert "js/invitation.js" in page
    assert 'name="entered_on"' not in page
    assert faults(app, page) == []


def test_the_code_comes_by_post_and_leads_to_the_form(app: Flask, office: Browser) -> None:
    page = office.get(FORM).text
    assert OFFICE in page
    assert f'value="{today():%Y/%m/%d}"' in page
    assert "全角カナ50文字まで" in page
    assert faults(app, page) == []


def test_a_wrong_code_is_told_at_its_field(app: Flask, browser: People, invited: Invitation) -> None:
    stranger = browser("")
    for typed, status in (("", 422), ("A" * 20, 422)):
        answer = stranger.post(OPENING, {"code": typed}, page=FORM)
        assert answer.status_code == status
        assert 'id="code-error"' in answer.text
        assert faults(app, answer.text) == []
    assert Visit.select().count() == 0


def test_a_used_code_says_so_to_another_browser(browser: People, invited: Invitation, cast: Cast) -> None:
    code = invitations.code_of(invited.uid)
    assert browser("").post(OPENING, {"code": code}, page=FORM).location == FORM
    answer = browser("").post(OPENING, {"code": code}, page=FORM)
    assert (answer.status_code, "すでに使われています" in answer.text) == (422, True)


def test_after_many_tries_the_counter_waits(browser: People, invited: Invitation) -> None:
    stranger = browser("")
    answers = [stranger.post(OPENING, {"code": "A" * 20}, page=FORM).status_code for _ in range(21)]
    assert answers == [422] * 20 + [429]


@pytest.mark.parametrize("url", [CONFIRM, FORM, LEAVING])
def test_without_a_visit_nothing_is_judged_or_filed(browser: People, invited: Invitation, url: str) -> None:
    stranger = browser("")
    assert stranger.post(url, TYPED, page=FORM).location == FORM
    assert stranger.get(RECEIPT).location == FORM
    assert Registration.select().count() == 0


def test_a_visit_of_another_counter_does_not_count(browser: People, office: Browser) -> None:
    with office.client.session_transaction() as cookie:
        token = cookie.pop("visit_registration")
        cookie["visit_download"] = token
    assert 'name="entered_on"' not in office.get(FORM).text


def test_after_a_day_the_form_is_closed(office: Browser) -> None:
    Visit.update(expires_at=utc_now() - timedelta(seconds=1)).execute()
    assert office.post(FORM, TYPED).location == FORM
    assert "24時間を過ぎています" in office.get(FORM).text
    assert Registration.select().count() == 0


def test_a_withdrawn_invitation_closes_the_open_form(cast: Cast, office: Browser, invited: Invitation) -> None:
    invitations.withdraw(cast.kiku, invited)
    assert office.post(FORM, TYPED).location == FORM
    assert Registration.select().count() == 0


# ── the form ──


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("entered_on", "きのう", "日付として読めません"),
        ("entered_on", "2099/1/1", "より後です"),
        ("office_number", "12A", "数字だけです"),
        ("office_number", "", "入力されていません"),
        ("name", "基" * 51, "50文字以内"),
        ("kana", "カワベハナ", "姓と名の間にスペース"),
        ("kana", "川辺 花", "カタカナだけ"),
        ("mail", "hana@kawabe", "形が正しくありません"),
        ("login_id", "hana", "8文字から15文字"),
        ("login_id", "kawabe-hana", "英字と数字だけ"),
        ("office_name", "=川辺", "先頭に"),
        ("device_limit", "4", "最大3台"),
        ("device_limit", "", "入力されていません"),
        ("postal_code", "1234", "7桁の数字"),
        ("address", "1\n2\n3\n4\n5", "4行"),
        ("address", "=1+1", "先頭の記号"),
    ],
)
def test_every_error_stands_at_its_field_and_in_the_summary(
    app: Flask, office: Browser, field: str, typed: str, sentence: str
) -> None:
    for url in (CONFIRM, FORM):
        answer = office.post(url, {**TYPED, field: typed}, page=FORM)
        assert answer.status_code == 422
        summary = answer.text.partition('id="error-summary"')[2].partition("</ul>")[0]
        assert f'href="#{field}"' in summary
        assert sentence in unescape(summary)
        assert f'id="{field}-error"' in answer.text
        assert faults(app, answer.text) == []
    assert Registration.select().count() == 0


def test_a_refused_form_keeps_what_was_typed(office: Browser) -> None:
    answer = office.post(CONFIRM, {**TYPED, "login_id": "x"}, page=FORM)
    page = unescape(answer.text)
    for typed in ("令和8年11月2日", "川辺 花", "ｶﾜﾍﾞ ﾊﾅ", "川辺商会", "100-0001", "川辺ビル 3階"):
        assert typed in page
    assert re.search(r'<input checked[^>]*value="2"', page)


def test_an_office_that_is_registered_already_is_told(cast: Cast, office: Browser) -> None:
    answer = office.post(CONFIRM, {**TYPED, "office_number": cast.abc.office_number}, page=FORM)
    assert answer.status_code == 422
    assert 'id="office_number-error"' in answer.text


def test_the_look_before_filing_shows_what_is_stored_and_what_was_changed(app: Flask, office: Browser) -> None:
    answer = office.post(CONFIRM, TYPED, page=FORM)
    assert answer.status_code == 200
    words = shown(answer.text)
    for stored in ("2026/11/02（令和8年11月2日）", "00777", "川辺　花", "カワベ　ハナ", "hana@kawabe.example", "2台"):
        assert stored in words
    for typed in ("００７７７", "ｶﾜﾍﾞ ﾊﾅ", "hana＠Kawabe.example"):
        assert f"「{typed}」を、この形に直しました" in words
    for same in ("令和8年11月2日", "川辺 花", "kawabeHana", "2"):
        assert f"「{same}」" not in words
    assert "100-0001" in words
    assert "川辺ビル 3階" in words
    assert faults(app, answer.text) == []
    assert Registration.select().count() == 0


def test_an_old_date_is_pointed_out_but_no_obstacle(office: Browser) -> None:
    answer = office.post(CONFIRM, {**TYPED, "entered_on": "2024/5/26"}, page=FORM)
    assert answer.status_code == 200
    assert "入力日が1年より前です" in answer.text


def test_from_the_look_one_goes_back_to_the_fields(office: Browser) -> None:
    answer = office.post(CONFIRM, {**TYPED, "edit": "y"}, page=FORM)
    assert answer.status_code == 200
    assert 'value="ｶﾜﾍﾞ ﾊﾅ"' in answer.text
    assert "error-summary" not in answer.text


def test_the_look_carries_the_whole_form_on(office: Browser) -> None:
    page = office.post(CONFIRM, TYPED, page=FORM).text
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    answer = office.client.post(FORM, data={name: unescape(value) for name, value in form.items()})
    assert answer.location == RECEIPT
    registration = Registration.get()
    assert registration.cells == CELLS
    assert registration.address == "東京都千代田区千代田1-1\n川辺ビル 3階"


def test_scripts_in_a_cell_stay_text(office: Browser) -> None:
    page = office.post(CONFIRM, {**TYPED, "office_name": "<b>川辺</b>\"'"}, page=FORM).text
    assert "<b>川辺" not in page
    assert "&lt;b&gt;川辺" in page


# ── filed ──


def test_filed_the_receipt_tells_number_and_what_comes_next(app: Flask, office: Browser, invited: Invitation) -> None:
    registration = files(office)
    assert (registration.state, registration.invitation, registration.cells) == ("open", invited, CELLS)
    assert (registration.postal_code, registration.intake) == ("100-0001", None)
    page = office.get(RECEIPT).text
    words = shown(page)
    assert registration.receipt_number in page
    assert "およそ3週間で" in words
    assert "カワベ　ハナ" in words
    assert faults(app, page) == []
    entry = AuditEntry.get(AuditEntry.action == "registration.filed")
    assert entry.details == {"receipt_number": registration.receipt_number}
    assert entry.who == "登録届の窓口"


def test_nothing_is_registered_before_the_fund_accepts(office: Browser) -> None:
    before = (Office.select().count(), Membership.select().count())
    files(office)
    assert (Office.select().count(), Membership.select().count()) == before


def test_after_filing_the_visit_shows_only_the_receipt(office: Browser) -> None:
    files(office)
    assert office.get(FORM).location == RECEIPT
    assert office.post(CONFIRM, TYPED, page=RECEIPT).location == RECEIPT
    assert office.post(FORM, {**TYPED, "office_number": "00778"}, page=RECEIPT).location == RECEIPT
    assert Registration.select().count() == 1


def test_pressed_twice_one_registration_is_filed(office: Browser, invited: Invitation) -> None:
    csrf = office.csrf(FORM)
    answers = [office.client.post(FORM, data={**TYPED, "csrf_token": csrf}).location for _ in range(2)]
    assert answers == [RECEIPT, RECEIPT]
    assert Registration.select().count() == 1
    assert Mail.select().where(Mail.kind == "registration_filed").count() == 1


def test_those_concerned_are_mailed(app: Flask, cast: Cast, office: Browser) -> None:
    files(office)
    assert ("hana@kawabe.example", "電子連携管理者登録届を受け付けました") in told(app)
    assert {to for to, _ in told(app, "登録届が届きました")} == {cast.member("kiku").user.mail}


def test_done_the_browser_forgets(office: Browser) -> None:
    files(office)
    assert office.post(LEAVING, page=RECEIPT).status_code == 303
    assert office.get(RECEIPT).location == FORM
    assert Visit.get().ended_at is not None


def test_given_up_the_visit_is_over_and_nothing_is_kept(office: Browser) -> None:
    assert office.post(LEAVING, page=FORM).location == FORM
    page = office.get(FORM).text
    assert "入力した内容は保存していません" in page
    assert 'name="entered_on"' not in page
    assert Registration.select().count() == 0


def test_sent_back_the_new_form_shows_why_and_what_was_filed(
    browser: People, cast: Cast, office: Browser, invited: Invitation
) -> None:
    again = intake.send_back(cast.kiku, files(office), "カナをご確認ください")
    assert "この届出は差し戻されました" in office.get(RECEIPT).text
    second = browser("")
    opens(second, again)
    page = unescape(second.get(FORM).text)
    assert "カナをご確認ください" in page
    for typed in ("令和8年11月2日", "ｶﾜﾍﾞ ﾊﾅ", "kawabeHana", "川辺ビル 3階"):
        assert typed in page
    assert files(second, kana="カワベ ハナ").invitation == again
    assert Registration.select().count() == 2
    assert office.get(RECEIPT).status_code == 200


def test_accepted_it_becomes_an_office_with_what_was_looked_at(office: Browser, cast: Cast) -> None:
    made = intake.accept(cast.kiku, files(office))
    assert (made.office_number, made.name, made.device_limit) == ("00777", "川辺商会", 2)
    assert (made.postal_code, made.address) == ("100-0001", "東京都千代田区千代田1-1\n川辺ビル 3階")
    assert "登録届を受け付けました" in office.get(RECEIPT).text


def test_the_visit_opens_no_other_door(office: Browser) -> None:
    for url in ("/files/", "/admin/registrations/", "/admin/account/", "/admin/invitations/"):
        assert office.get(url).status_code == 303
        assert office.get(url).location in ("/auth/", "/admin/login")


# ── secrets ──


@pytest.fixture
def log_lines() -> Iterator[Callable[[], str]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger("todoke").addHandler(handler)
    yield stream.getvalue
    logging.getLogger("todoke").removeHandler(handler)


def test_the_code_stands_in_its_mail_and_nowhere_else(
    app: Flask,
    browser: People,
    cast: Cast,
    invited: Invitation,
    instance: Path,
    heard: list[str],
    log_lines: Callable[[], str],
) -> None:
    code = invitations.code_of(invited.uid)
    told(app)
    stranger, kiku = browser(""), browser("kiku")
    opens(stranger, invited)
    opens(browser(""), invited)
    browser("").post(OPENING, {"code": code}, page=FORM)
    files(stranger)
    told(app)
    for page in ("/admin/invitations/", "/admin/audit/"):
        assert kiku.get(page).status_code == 200
    places = {str(path): path.read_bytes() for path in instance.rglob("*") if path.is_file()}
    places["logs"] = log_lines().encode()
    # The answer to a wrong code is the form again, with what was typed.
    places["pages"] = "\n".join(page for page in heard if 'id="code-error"' not in page).encode()
    spelt = [code.encode(), code.replace("-", "").encode(), base64.b64encode(code.encode())]
    assert [place for place, content in places.items() for one in spelt if one in content] == []
    assert [mail["to"] for mail in mails(instance / "mail") if code in mail["body"]] == [MAIL]
    assert any(place.endswith("sqlite-wal") for place in places)
