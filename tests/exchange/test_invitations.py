"""Invitations to file a registration online: one code, one visit, one registration."""

import hashlib
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from flask import Flask

from database import db, utc_now
from exchange import credentials, invitations, sealing, throttle, visits
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, TooMany
from models import AuditEntry, Mail
from papers import Invitation, Registration, Visit
from tests.people import Cast, mails, run_jobs
from tests.processes import IS_SOAK, together

ABC, MAIL = "川辺商会株式会社", "soumu@kawabe.example"
CELLS = ["2026/11/01", "00777", "川辺 花", "カワベ ハナ", "hana@kawabe.example", "kawabeHana", "川辺商会", "2"]
TABS = 16 if IS_SOAK else 4


def stranger(at: timedelta = timedelta(), address: str = "192.0.2.77") -> Actor:
    return Actor(address=address, at=utc_now() + at, label="登録届の窓口")


def later(cast: Cast, **ahead: float) -> Actor:
    return Actor(cast.member("kiku"), at=utc_now() + timedelta(**ahead))


def fresh(invitation: Invitation) -> Invitation:
    return Invitation.get_by_id(invitation.id)


def code(invitation: Invitation) -> str:
    return invitations.code_of(invitation.uid)


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.select().where(AuditEntry.action == action).order_by(AuditEntry.number))


def open_form(code: str) -> str:
    return invitations.open_form(stranger(), code)


def file(invitation: Invitation, number: str = "K-1") -> Registration:
    """What the verb that keeps a registration does with its invitation."""
    with db.atomic():
        invitations.filed(stranger(), invitation, number, CELLS[4])
        return Registration.create(invitation=invitation, cells=CELLS, receipt_number=number, address="川辺町1-1")


@pytest.fixture
def invited(cast: Cast) -> Invitation:
    return invitations.invite(cast.kiku, ABC, MAIL)


# ── the code ──


def test_the_code_is_twenty_characters_that_nobody_confuses_in_four_groups(invited: Invitation) -> None:
    groups = code(invited).split("-")
    assert [len(group) for group in groups] == [5, 5, 5, 5]
    assert set("".join(groups)) <= set(credentials.ALPHABET)
    assert invited.expires_at - invited.invited_at == timedelta(days=14)


def test_the_database_holds_its_hash_and_a_sealed_copy_only_until_it_is_spent(invited: Invitation) -> None:
    plain = code(invited).replace("-", "")
    assert invited.token_hash == hashlib.sha256(plain.encode()).hexdigest()
    assert plain not in str(invited.__data__)
    invitations.open_form(stranger(), plain)
    assert fresh(invited).code_sealed is None
    assert code(invited) == ""


def test_a_sealed_code_does_not_fit_another_invitation(cast: Cast, invited: Invitation) -> None:
    other = invitations.invite(cast.kiku, "別の会社", "other@kawabe.example")
    Invitation.update(code_sealed=invited.code_sealed).where(Invitation.id == other.id).execute()
    with pytest.raises(sealing.Unsealable):
        code(other)


def test_no_one_without_the_word_invites_or_withdraws(cast: Cast, invited: Invitation) -> None:
    for name in ("ume", "taro", "dai"):
        with pytest.raises(Forbidden):
            invitations.invite(getattr(cast, name), ABC, MAIL)
        with pytest.raises(Forbidden):
            invitations.withdraw(getattr(cast, name), invited)
    assert Invitation.select().count() == 1
    assert fresh(invited).withdrawn_at is None


@pytest.mark.parametrize(
    ("office_name", "mail"),
    [
        ("", MAIL),
        ("=1+1", MAIL),
        ("社" * 101, MAIL),
        ("外字\ue000", MAIL),
        (ABC, ""),
        (ABC, "soumu@"),
        (ABC, "a@b;c@d"),
    ],
)
def test_all_are_invited_or_none(cast: Cast, office_name: str, mail: str) -> None:
    with pytest.raises(Refused):
        invitations.invite_all(cast.kiku, [("よい会社", MAIL), (office_name, mail)])
    assert Invitation.select().count() == 0
    assert Mail.select().where(Mail.kind == "registration_invited").count() == 0


# ── opening ──


@pytest.mark.parametrize(
    "typed",
    [
        lambda code: code,
        lambda code: code.replace("-", ""),
        lambda code: f"　{code.replace('-', ' ')} ",
        lambda code: code.replace("-", "ー").translate({n: n + 0xFEE0 for n in range(0x30, 0x7B)}),
        lambda code: f"https://todoke.example/registration/#{code}",
    ],
    ids=["groups", "one word", "spaces", "full width", "the whole link"],
)
def test_width_hyphens_spaces_and_the_link_refuse_nobody(invited: Invitation, typed: Callable[[str], str]) -> None:
    token = invitations.open_form(stranger(), typed(code(invited)))
    visit = visits.find(token, "registration", utc_now())
    assert visit is not None
    assert visit.invitation == invited
    assert [entry.details for entry in entries("registration.opened")] == [{"office_name": ABC}]


def test_the_visit_lasts_a_day_and_opens_no_other_counter(invited: Invitation) -> None:
    token = invitations.open_form(stranger(), code(invited))
    assert visits.find(token, "registration", utc_now() + timedelta(hours=23, minutes=59))
    assert visits.find(token, "registration", utc_now() + timedelta(hours=24)) is None
    assert visits.find(token, "download", utc_now()) is None


def test_a_code_opens_once(invited: Invitation) -> None:
    plain = code(invited)
    invitations.open_form(stranger(), plain)
    with pytest.raises(Refused, match="すでに使われています"):
        invitations.open_form(stranger(), plain)
    assert Visit.select().count() == 1


def test_of_several_tabs_one_wins(instance: Path, invited: Invitation) -> None:
    plain = code(invited)
    answers = together(instance, [(open_form, plain)] * TABS)
    assert answers.count("Refused") == TABS - 1
    assert Visit.select().where(Visit.invitation == invited).count() == 1


def test_a_code_works_to_the_last_second_of_its_fourteen_days(cast: Cast, invited: Invitation) -> None:
    plain, left = code(invited), invited.expires_at - utc_now()
    with pytest.raises(Refused, match="14日間"):
        invitations.open_form(stranger(left + timedelta(seconds=1)), plain)
    assert invitations.open_form(stranger(left - timedelta(seconds=1)), plain)


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("withdrawn", "使えなくなっています"),
        ("expired", "有効期間"),
        ("filed", "すでに提出されています"),
        ("wrong", "正しくありません"),
    ],
)
def test_each_refusal_says_what_to_do(cast: Cast, invited: Invitation, end: str, sentence: str) -> None:
    plain, actor = code(invited), stranger()
    if end == "withdrawn":
        invitations.withdraw(cast.kiku, invited)
    elif end == "expired":
        actor = stranger(timedelta(days=15))
    elif end == "filed":
        invitations.open_form(actor, plain)
        file(invited)
    else:
        plain = plain[:-1] + ("A" if plain[-1] != "A" else "B")
    before = Visit.select().count()
    with pytest.raises(Refused, match=sentence):
        invitations.open_form(actor, plain)
    assert Visit.select().count() == before


@pytest.mark.parametrize("typed", ["", " ", "#", "x" * 5000, "A" * 20, "\x00", "ー" * 20])
def test_whatever_else_is_typed_is_wrong(invited: Invitation, typed: str) -> None:
    with pytest.raises(Refused, match="正しくありません"):
        invitations.open_form(stranger(), typed)


def test_lower_case_is_another_code(invited: Invitation) -> None:
    with pytest.raises(Refused, match="正しくありません"):
        invitations.open_form(stranger(), code(invited).swapcase())


def test_tries_are_limited_by_network_and_the_right_code_waits_as_well(invited: Invitation) -> None:
    for _ in range(throttle.LIMITS["invitation"].tries):
        with pytest.raises(Refused, match="正しくありません"):
            invitations.open_form(stranger(), "A" * 20)
    with pytest.raises(TooMany, match="10分ほど"):
        invitations.open_form(stranger(), code(invited))
    assert invitations.open_form(stranger(address="198.51.100.7"), code(invited))


# ── again, and no more ──


def test_pressed_twice_one_mail_goes_out(cast: Cast, invited: Invitation) -> None:
    assert invitations.invite(cast.kiku, ABC, MAIL) == invited
    assert Mail.select().where(Mail.kind == "registration_invited").count() == 1


def test_a_newer_invitation_makes_the_older_one_void(cast: Cast, invited: Invitation) -> None:
    plain = code(invited)
    newer = invitations.invite(later(cast, minutes=2), ABC, MAIL)
    assert newer != invited
    with pytest.raises(Refused, match="新しいメール"):
        invitations.open_form(stranger(), plain)
    assert invitations.open_form(stranger(timedelta(minutes=3)), code(newer))
    assert [entry.subject for entry in entries("registration.withdrawn")] == [invited.uid]


def test_another_address_or_office_is_another_invitation(cast: Cast, invited: Invitation) -> None:
    invitations.invite(later(cast, minutes=2), ABC, "keiri@kawabe.example")
    invitations.invite(later(cast, minutes=2), "別の会社", MAIL)
    assert fresh(invited).withdrawn_at is None


def test_withdrawn_is_withdrawn_once(cast: Cast, invited: Invitation) -> None:
    invitations.withdraw(cast.kiku, invited)
    with pytest.raises(SomeoneWasFaster):
        invitations.withdraw(cast.kiku, invited)
    assert fresh(invited).code_sealed is None
    assert len(entries("registration.withdrawn")) == 1


def test_what_was_filed_is_not_withdrawn(cast: Cast, invited: Invitation) -> None:
    file(invited)
    with pytest.raises(SomeoneWasFaster, match="すでに登録届が提出された"):
        invitations.withdraw(cast.kiku, invited)
    assert fresh(invited).withdrawn_at is None


def test_one_invitation_files_once_and_a_withdrawn_one_never(cast: Cast, invited: Invitation) -> None:
    file(invited)
    with pytest.raises(SomeoneWasFaster):
        file(invited, "K-2")
    other = invitations.invite(cast.kiku, "別の会社", MAIL)
    invitations.withdraw(cast.kiku, other)
    with pytest.raises(SomeoneWasFaster):
        file(other, "K-3")
    assert Registration.select().count() == 1


def test_the_end_of_an_invitation_belongs_into_a_transaction(invited: Invitation) -> None:
    with pytest.raises(RuntimeError):
        invitations.filed(stranger(), invited, "K-1", MAIL)


def test_states_as_the_fund_sees_them(cast: Cast, invited: Invitation) -> None:
    def state(**ahead: float) -> str:
        return invitations.state_of(fresh(invited), utc_now() + timedelta(**ahead))

    assert (state(), state(days=15)) == ("waiting", "expired")
    invitations.open_form(stranger(), code(invited))
    assert (state(), state(hours=25), state(days=15)) == ("opened", "lapsed", "lapsed")
    file(invited)
    assert state(days=15) == "filed"


def test_what_nobody_can_use_any_more_is_forgotten(cast: Cast, invited: Invitation) -> None:
    invitations.sweep(utc_now() + timedelta(days=13))
    assert fresh(invited).code_sealed
    invitations.sweep(utc_now() + timedelta(days=15))
    assert fresh(invited).code_sealed is None


# ── sent back ──


def test_sent_back_the_form_shows_the_reason_and_what_was_filed(cast: Cast, invited: Invitation) -> None:
    registration = file(invited)
    with db.atomic():
        again = invitations.invite_again(cast.kiku, registration, "カナが違います")
    assert (again.office_name, again.mail, again.returned, again.reason) == (ABC, MAIL, invited, "カナが違います")
    draft = invitations.draft(again, date(2026, 11, 23))
    assert (list(draft.cells), draft.address) == (CELLS, "川辺町1-1")
    assert code(again) != ""


def test_asked_once_more_it_is_still_the_correction_of_the_same(cast: Cast, invited: Invitation) -> None:
    registration = file(invited)
    with db.atomic():
        invitations.invite_again(cast.kiku, registration, "カナが違います")
    newer = invitations.invite(later(cast, minutes=2), ABC, MAIL)
    assert (newer.returned, newer.reason) == (invited, "カナが違います")


def test_one_address_gets_five_invitations_of_a_form_at_most(cast: Cast) -> None:
    wanted = [(f"第{number}事業所", MAIL if number % 2 else MAIL.upper()) for number in range(6)]
    with pytest.raises(Refused, match="5件まで"):
        invitations.invite_all(cast.kiku, wanted)
    assert Invitation.select().count() == 0
    assert len(invitations.invite_all(cast.kiku, wanted[:5])) == 5


def test_only_what_was_filed_online_goes_back(cast: Cast) -> None:
    with db.atomic(), pytest.raises(RuntimeError):
        invitations.invite_again(cast.kiku, Registration.create(cells=CELLS), "理由")


def test_a_first_form_is_empty_but_for_the_day(invited: Invitation) -> None:
    assert list(invitations.draft(invited, date(2026, 11, 23)).cells) == ["2026/11/23", *[""] * 7]


# ── mails ──


def sent(app: Flask, to: str) -> list[dict]:
    run_jobs(app)
    return [mail for mail in mails(Path(app.instance_path) / "mail") if mail["to"] == to]


def test_the_mail_carries_the_link_with_the_code_behind_its_hash_sign(app: Flask, invited: Invitation) -> None:
    plain = code(invited)
    (mail,) = sent(app, MAIL)
    assert mail["subject"].endswith("電子連携管理者登録届のご案内")
    assert mail["body"].startswith(f"{ABC} ご担当者 様\n")
    assert f"/registration/#{plain}\n" in mail["body"]
    assert f"招待コード　{plain}\n" in mail["body"]
    assert "1回だけ" in mail["body"]
    assert "事業所番号" in mail["body"]
    row = Mail.get(Mail.kind == "registration_invited")
    assert plain not in str(row.__data__)
    assert plain.replace("-", "") not in str(row.__data__)


def test_the_mail_of_one_that_came_back_tells_no_reason(app: Flask, cast: Cast, invited: Invitation) -> None:
    registration = file(invited)
    with db.atomic():
        invitations.invite_again(cast.kiku, registration, "生年月日が違います")
    mail = next(mail for mail in sent(app, MAIL) if "再入力のお願い" in mail["subject"])
    assert "生年月日" not in mail["body"]
    assert re.search(r"/registration/#\w{5}-\w{5}-\w{5}-\w{5}\n", mail["body"])


@pytest.mark.parametrize("end", ["withdrawn", "spent"])
def test_a_mail_whose_code_opens_nothing_any_more_is_not_sent(
    app: Flask, cast: Cast, invited: Invitation, end: str
) -> None:
    if end == "withdrawn":
        invitations.withdraw(cast.kiku, invited)
    else:
        invitations.open_form(stranger(), code(invited))
    assert sent(app, MAIL) == []
    assert Mail.get(Mail.kind == "registration_invited").state == "dropped"


def test_filed_the_office_and_the_clerks_who_register_are_told(app: Flask, cast: Cast, invited: Invitation) -> None:
    file(invited, "K20261123-0001")
    (mail,) = sent(app, CELLS[4])
    assert mail["subject"].endswith("電子連携管理者登録届を受け付けました")
    assert "K20261123-0001" in mail["body"]
    assert "およそ3週間" in mail["body"]
    assert not any(typed in mail["body"] for typed in CELLS[1:6])
    waiting = Mail.select().where(Mail.kind == "registration_waiting")
    assert [row.to_user for row in waiting] == [cast.member("kiku").user]
    (told,) = [one for one in sent(app, cast.member("kiku").user.mail) if "登録届が届きました" in one["subject"]]
    assert "K20261123-0001" in told["body"]


def test_nobody_can_ask_the_form_for_a_list_of_office_numbers(cast: Cast) -> None:
    invitation = invitations.invite(cast.kiku, "案内先株式会社", "soumu@invited.example")
    at = utc_now()
    for _ in range(throttle.LIMITS["registration"].tries):
        invitations.count_look(Actor(at=at), invitation)
    with pytest.raises(TooMany, match="1時間"):
        invitations.count_look(Actor(at=at), invitation)
    invitations.count_look(Actor(at=at + timedelta(hours=1, seconds=1)), invitation)
