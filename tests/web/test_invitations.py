"""A consultant answers an office that asks."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from database import utc_now
from exchange import archive_passwords, people, registrations
from exchange.actors import Actor, command_line
from exchange.registration_file import RegistrationFile, Row
from models import AuditEntry, Device, Membership, Office, User
from tests.people import Browser, Cast, told
from tests.stage import MISSING
from tests.web.steps import logs_in

People = Callable[[str], Browser]
PAGE = "/admin/account/invitations"
QRS = {
    "entered_on": "2026-04-01",
    "office_number": "00103",
    "name": "己原　三郎",
    "kana": "ツチハラ　サブロウ",
    "mail": "saburo@qrs-bussan.example",
    "login_id": "qrsSabu01",
    "office_name": "QRS物産株式会社",
    "device_limit": 1,
}


@pytest.fixture
def qrs(app: Flask) -> Office:
    """A third office, settled, whose admin is Saburo."""
    (office,) = registrations.register(command_line(), [RegistrationFile((Row(2, dict(QRS)),))])
    Device.update(state="active").where(Device.office == office).execute()
    admin = office.members().get()
    User.update(is_initial_password=False).where(User.id == admin.user_id).execute()
    Membership.update(ready_at=utc_now()).where(Membership.id == admin.id).execute()
    archive_passwords.keep(command_line(), office, "Foreign#Archive#2026", version=1)
    return Office.get_by_id(office.id)


@pytest.fixture
def invited(cast: Cast, qrs: Office) -> Membership:
    """Hanako's place at QRS物産, which waits for her answer."""
    words = ["upload", "download"]
    return people.link(saburo(qrs), cast.abc.contract_number, "srHanako1", "srHanako3", words)


def saburo(qrs: Office) -> Actor:
    return Actor(qrs.members().get(), address="192.0.2.30")


def now(member: Membership) -> Membership:
    return Membership.get_by_id(member.id)


def test_the_page_says_who_asks_and_for_what(browser: People, invited: Membership) -> None:
    page = browser("hanako").get(PAGE).text
    for words in ("QRS物産株式会社", "00103", "srHanako3", "アップロード、ダウンロード"):
        assert words in page
    assert re.search(r">承諾<", page)
    assert re.search(r">断る<", page)
    assert re.search(r'href="/">あとで<', page)


def test_without_one_the_page_says_so(browser: People) -> None:
    page = browser("taro").get(PAGE).text
    assert "返事を待っている依頼はありません" in page
    assert "承諾" not in page


def test_accepted_she_works_there_at_once(app: Flask, browser: People, cast: Cast, invited: Membership) -> None:
    hanako = browser("hanako")
    assert invited not in list(cast.member("hanako").user.places())
    assert hanako.post(f"{PAGE}/{invited.uid}/acceptance", page=PAGE).location == PAGE
    assert "「切替」を押すと" in hanako.get(PAGE).text
    member = now(invited)
    assert (member.state, member.words()) == ("active", {"upload", "download"})
    assert member in list(cast.member("hanako").user.places())
    assert "QRS物産株式会社" in hanako.get("/admin/account/").text
    entry = AuditEntry.get(AuditEntry.action == "member.accepted", AuditEntry.subject == invited.uid)
    assert (entry.office, entry.details) == (member.office, {"login_id": "srHanako3"})
    subject = "社労士・税理士への依頼の結果（承諾）"
    assert ("saburo@qrs-bussan.example", subject) in told(app, subject)


def test_refused_the_place_is_gone_and_the_office_told(app: Flask, browser: People, invited: Membership) -> None:
    hanako = browser("hanako")
    assert hanako.post(f"{PAGE}/{invited.uid}/refusal", page=PAGE).status_code == 303
    assert "依頼を断りました" in hanako.get(PAGE).text
    assert now(invited).state == "ended"
    subject = "社労士・税理士への依頼の結果（辞退）"
    assert told(app, subject) == {("saburo@qrs-bussan.example", subject)}


@pytest.mark.parametrize("first", ["acceptance", "refusal"])
def test_one_answer_is_enough(browser: People, invited: Membership, first: str) -> None:
    hanako = browser("hanako")
    hanako.post(f"{PAGE}/{invited.uid}/{first}", page=PAGE)
    state = now(invited).state
    for noun in ("acceptance", "refusal"):
        assert hanako.post(f"{PAGE}/{invited.uid}/{noun}", page=PAGE).status_code in (404, 409)
    assert now(invited).state == state


@pytest.mark.parametrize("name", ["taro", "jun", "hanako_at_xyz", "kiku"])
def test_nobody_else_answers_for_her(browser: People, cast: Cast, invited: Membership, name: str) -> None:
    person = browser(name)
    for uid in (invited.uid, MISSING, cast.member("jun").uid):
        answer = person.post(f"{PAGE}/{uid}/acceptance", page="/auth/")
        assert answer.status_code in (303, 404)
        assert answer.status_code == 404 or name == "hanako_at_xyz"
    assert now(invited).state == "invited"


def test_a_place_that_is_hers_already_is_no_invitation(browser: People, cast: Cast) -> None:
    uid = cast.member("hanako").uid
    assert browser("hanako").post(f"{PAGE}/{uid}/refusal", page=PAGE).status_code == 404
    assert cast.member("hanako").state == "active"


def test_until_she_answers_the_place_opens_no_door(browser: People, qrs: Office, invited: Membership) -> None:
    assert Membership.at_door(qrs.contract_number, "srHanako3") is None
    browser("hanako").post(f"{PAGE}/{invited.uid}/acceptance", page=PAGE)
    assert Membership.at_door(qrs.contract_number, "srHanako3") == invited


def test_the_next_login_leads_to_the_question(app: Flask, browser: People, cast: Cast, invited: Membership) -> None:
    hanako = browser("")
    assert logs_in(app, cast, hanako, "hanako").location == PAGE
    assert hanako.get("/files/").status_code == 200


def test_she_is_mailed_that_an_office_asks(app: Flask, invited: Membership) -> None:
    subject = "事業所の担当の依頼が届きました"
    assert told(app, subject) == {("hanako@sr-office.example", subject)}
