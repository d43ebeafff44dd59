"""The fund invites offices to file their registration online."""

from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask

from exchange import invitations
from exchange.actors import Actor
from models import AuditEntry, Mail
from papers import Invitation
from tests.markup import Page
from tests.people import Browser, Cast, told
from tests.stage import MISSING

People = Callable[[str], Browser]
PAGE = "/admin/invitations/"
ONE = {"office_name": "川辺商会株式会社", "mail": "ｓｏｕｍｕ@Kawabe.example "}


def offices() -> list[tuple[str, str]]:
    return [(row.office_name, row.mail) for row in Invitation.select().order_by(Invitation.id)]


def faults(app: Flask, page: str) -> list[str]:
    return Page(page).faults(app.url_map.bind("127.0.0.1"))


def test_one_office_is_invited_and_stands_in_the_list(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    assert "まだ案内を送っていません" in kiku.get(PAGE).text
    assert kiku.post(PAGE, ONE).location == PAGE
    page = kiku.get(PAGE).text
    for words in ("川辺商会株式会社（soumu@kawabe.example）へ", "未使用", "もう一度送る", "取り下げ"):
        assert words in page
    assert faults(app, page) == []
    assert told(app, "登録届のご案内") == {("soumu@kawabe.example", "電子連携管理者登録届のご案内")}
    assert AuditEntry.get(AuditEntry.action == "registration.invited").details == {"office_name": "川辺商会株式会社"}


def test_an_address_in_the_list_may_break_before_its_at_sign(browser: People) -> None:
    kiku = browser("kiku")
    kiku.post(PAGE, ONE)
    assert "soumu<wbr>@kawabe.example" in kiku.get(PAGE).text


def test_the_code_is_not_for_the_funds_eyes(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    kiku.post(PAGE, ONE)
    code = invitations.code_of(Invitation.get().uid)
    page = kiku.get(PAGE).text
    assert code
    assert code not in page
    assert code.replace("-", "") not in page


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({**ONE, "office_name": " 　"}, "office_name"),
        ({**ONE, "mail": "soumu"}, "mail"),
        ({**ONE, "mail": ""}, "mail"),
        ({"lines": " \n"}, "lines"),
        ({"lines": "川辺商会,soumu@kawabe.example\n川上商会;x@kawakami.example"}, "lines"),
        ({"lines": "\n".join(f"会社{n},a{n}@kawabe.example" for n in range(201))}, "lines"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nobody_is_invited(
    app: Flask, browser: People, form: dict[str, str], field: str
) -> None:
    answer = browser("kiku").post(PAGE, form)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert f'href="#{field}"' in answer.text
    assert faults(app, answer.text) == []
    assert offices() == []


def test_a_name_like_a_formula_is_refused(browser: People) -> None:
    answer = browser("kiku").post(PAGE, {**ONE, "office_name": "=HYPERLINK(1)"})
    assert answer.status_code == 422
    assert "先頭の記号" in answer.text
    assert offices() == []


def test_many_are_invited_at_once_by_lines_or_two_columns_of_a_sheet(app: Flask, browser: People) -> None:
    lines = "川辺商会,soumu@kawabe.example\r\n\r\n川上商会\tkeiri@kawakami.example\r\n川下商会，x@kawashimo.example"
    kiku = browser("kiku")
    assert kiku.post(PAGE, {"lines": lines}).location == PAGE
    assert "3件の案内先へ" in kiku.get(PAGE).text
    assert offices() == [
        ("川辺商会", "soumu@kawabe.example"),
        ("川上商会", "keiri@kawakami.example"),
        ("川下商会", "x@kawashimo.example"),
    ]
    assert Mail.select().where(Mail.kind == "registration_invited").count() == 3


def test_a_wrong_line_is_named_by_its_number(browser: People) -> None:
    answer = browser("kiku").post(PAGE, {"lines": "川辺商会,soumu@kawabe.example\n\n川上商会,keiri"})
    assert "3行目：メールアドレスの形が" in unescape(answer.text)
    assert "1行目" not in answer.text.partition("error-summary")[2].partition("</ul>")[0]


def test_a_list_that_would_flood_one_address_is_refused_with_a_sentence(app: Flask, browser: People) -> None:
    answer = browser("kiku").post(PAGE, {"lines": "\n".join(f"会社{n},soumu@kawabe.example" for n in range(6))})
    assert answer.status_code == 422
    assert "同じメールアドレスへ一度に送れる案内は5件までです" in answer.text
    assert faults(app, answer.text) == []
    assert offices() == []


def test_withdrawn_the_code_opens_nothing(browser: People) -> None:
    kiku = browser("kiku")
    kiku.post(PAGE, ONE)
    invitation = Invitation.get()
    assert kiku.post(f"{PAGE}{invitation.uid}/withdrawal", page=PAGE).location == PAGE
    page = kiku.get(PAGE).text
    assert "案内を取り下げました" in page
    assert ">もう一度送る<" not in page
    assert invitations.code_of(invitation.uid) == ""
    assert kiku.post(f"{PAGE}{invitation.uid}/withdrawal", page=PAGE).status_code == 409


def test_what_the_office_does_is_seen(browser: People, cast: Cast) -> None:
    kiku, invitation = browser("kiku"), invitations.invite(cast.kiku, "川辺商会", "soumu@kawabe.example")
    invitations.open_form(Actor(address="192.0.2.5"), invitations.code_of(invitation.uid))
    assert "入力中" in kiku.get(PAGE).text


def test_who_may_not_register_may_not_invite(browser: People, cast: Cast) -> None:
    uid = invitations.invite(cast.kiku, "川辺商会", "soumu@kawabe.example").uid
    for name in ("ume", "dai", "taro"):
        person = browser(name)
        assert person.get(PAGE).status_code == 403
        assert person.post(PAGE, ONE, page="/admin/account/").status_code == 403
        assert person.post(f"{PAGE}{uid}/withdrawal", page="/admin/account/").status_code == 403
    assert offices() == [("川辺商会", "soumu@kawabe.example")]


def test_what_does_not_exist_is_not_found(browser: People) -> None:
    assert browser("kiku").post(f"{PAGE}{MISSING}/withdrawal", page=PAGE).status_code == 404
