"""Persons and places: who can be added, the two first registrations, confirmed addresses."""

from datetime import timedelta
from pathlib import Path

import pytest
from peewee import IntegrityError

from database import db, utc_now
from exchange import accounts, archive_passwords, credentials, onetime, people, permissions
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, TooMany
from models import ArchivePassword, AuditEntry, Device, Mail, Membership, OneTimePassword, User
from tests.people import LOGIN_IDS, Cast

ARCHIVE_PASSWORD = "kR7mTp2WvXy9Zq4N"
PASSWORD = "amber-violin-7-harbour"


def register(cast: Cast, **changes: str) -> None:
    """利用者情報登録(ユーザ) by Jiro, with some answers changed."""
    user = cast.member("jiro").user
    answers = {"name": user.name, "kana": user.kana, "mail": user.mail, "password": PASSWORD, **changes}
    people.register_user(cast.jiro, **answers)


def add(cast: Cast, login_id: str, kind: str = "staff", by: Actor | None = None) -> people.Newcomer:
    """A new user of ABC商事, added by its admin."""
    facts = (kind, login_id, "丁田　新", "チョウダ　シン", "shin@abc.example", permissions.CONSULTANT_WORDS)
    return people.add_member(by or cast.taro, cast.abc, *facts)


# ── the fund's people ──


def test_a_clerk_gets_an_initial_password_once_and_no_authenticator_yet(cast: Cast) -> None:
    newcomer = people.add_staff(command_line(), "fund", "kikinNew1", "新", "new@fund.example", ("send",))
    user = User.get_by_id(newcomer.membership.user_id)
    assert credentials.is_right(user.password_hash, newcomer.password)
    assert (user.is_initial_password, user.has_totp, newcomer.membership.words()) == (True, False, {"send"})
    entry = AuditEntry.get(AuditEntry.action == "staff.added", AuditEntry.subject == user.uid)
    assert entry.details == {"login_id": "kikinNew1", "kind": "fund", "words": ["send"]}


def test_an_id_of_the_funds_people_is_given_once(cast: Cast) -> None:
    before = User.select().count()
    with pytest.raises(Refused, match="すでに使われています"):
        people.add_staff(cast.kiku, "desk", LOGIN_IDS["ume"], "新", "new@fund.example", ())
    assert User.select().count() == before


def test_only_the_funds_people_are_added_as_its_people(cast: Cast) -> None:
    with pytest.raises(TypeError):
        people.add_staff(command_line(), "staff", "abcNew001", "新", "new@fund.example", ())


def test_a_clerk_cannot_hold_an_offices_word_nor_the_desk_a_clerks(cast: Cast) -> None:
    before = User.select().count()
    for kind, word in (("fund", "approve"), ("desk", "send")):
        with pytest.raises(TypeError):
            people.add_staff(command_line(), kind, "kikinNew1", "新", "new@fund.example", (word,))
    assert User.select().count() == before


# ── members ──


def test_an_office_has_at_most_as_many_users_as_active_devices(cast: Cast) -> None:
    """ABC商事 has three devices and three users, of whom the consultant is at home at XYZ工業 too."""
    add(cast, "abcShin01")
    with pytest.raises(Refused, match="端末の台数"):
        add(cast, "abcShin02")
    assert Membership.select().where(Membership.office == cast.abc).count() == 4


def test_a_consultant_counts_where_his_other_office_has_no_active_device(cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.xyz).execute()
    with pytest.raises(Refused, match="端末の台数"):
        add(cast, "abcShin01")


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "kiku", "dai"])
def test_nobody_but_the_admin_adds_users_to_an_office(cast: Cast, name: str) -> None:
    before = User.select().count()
    with pytest.raises(Forbidden):
        add(cast, "abcShin01", by=getattr(cast, name))
    assert (User.select().count(), cast.abc.members().count()) == (before, 3)


@pytest.mark.parametrize("name", ["taro", "ume", "dai"])
def test_only_clerks_with_the_word_add_clerks(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        people.add_staff(getattr(cast, name), "fund", "kikinNew1", "新", "new@fund.example", ("send",))
    assert people.add_staff(cast.kiku, "fund", "kikinNew1", "新", "new@fund.example", ("send",))


def test_stopping_a_device_removes_nobody(cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc).execute()
    assert cast.abc.members().count() == 3


def test_a_user_who_has_left_does_not_count(cast: Cast) -> None:
    add(cast, "abcShin01")
    Membership.update(ended_at=utc_now()).where(Membership.login_id == LOGIN_IDS["jun"]).execute()
    assert add(cast, "abcShin02").membership.kind == "staff"


def test_login_ids_are_unique_in_an_office_and_case_sensitive(cast: Cast) -> None:
    Device.create(office=cast.abc, slot=4, state="active")
    add(cast, "ABCJUN001")
    with pytest.raises(Refused, match="すでに使われています"):
        add(cast, "abcJun001")
    with pytest.raises(IntegrityError):
        Membership.create(user=cast.member("taro").user, office=cast.abc, login_id="abcJun001", kind="staff")
    newcomer = add(cast, "srShin001", "consultant").membership
    elsewhere = people.link(cast.jiro, cast.abc.contract_number, newcomer.login_id, "abcJun001", ())
    assert elsewhere.office == cast.xyz


def test_an_office_has_one_active_admin(cast: Cast) -> None:
    with pytest.raises(TypeError):
        add(cast, "abcSecond", "office_admin", command_line())
    second = {"user": cast.member("jun").user, "office": cast.abc, "login_id": "abcSecond", "kind": "office_admin"}
    with pytest.raises(IntegrityError):
        Membership.create(**second)
    Membership.update(ended_at=utc_now()).where(Membership.login_id == LOGIN_IDS["taro"]).execute()
    assert Membership.create(**second).is_active


@pytest.mark.parametrize("kind", ["office_admin", "fund", "desk", "nobody"])
def test_nobody_is_added_to_an_office_but_as_staff_or_consultant(cast: Cast, kind: str) -> None:
    with pytest.raises(TypeError):
        add(cast, "abcShin01", kind)
    assert cast.abc.members().count() == 3


def test_a_person_who_joins_another_office_keeps_password_and_has_other_words_there(cast: Cast) -> None:
    at_abc, at_xyz = cast.member("hanako"), cast.member("hanako_at_xyz")
    assert (at_abc.user, at_abc.login_id != at_xyz.login_id) == (at_xyz.user, True)
    before = at_abc.words()
    at_xyz.grants.where(permissions.Grant.word == "upload").get().delete_instance()
    assert (at_abc.words(), "upload" in at_xyz.words()) == (before, False)


# ── 利用者情報登録(事業所) ──


def test_the_admin_sets_up_the_office_once_and_for_all(cast: Cast) -> None:
    people.set_up_office(cast.jiro, "XYZ", ARCHIVE_PASSWORD)
    row = cast.xyz.current_archive_password()
    assert (archive_passwords.reveal(row), row.version, cast.xyz.display_name) == (ARCHIVE_PASSWORD, 1, "XYZ")
    assert ARCHIVE_PASSWORD not in row.sealed
    with pytest.raises(SomeoneWasFaster, match="変更することはできません"):
        people.set_up_office(cast.jiro, "XYZ", "another-Password-42")
    assert archive_passwords.reveal(cast.xyz.current_archive_password()) == ARCHIVE_PASSWORD


@pytest.mark.parametrize("name", ["hanako_at_xyz", "jun", "kiku", "dai"])
def test_nobody_but_the_admin_sets_up_an_office(cast: Cast, name: str) -> None:
    before = ArchivePassword.select().count()
    with pytest.raises(Refused, match="管理者だけ"):
        people.set_up_office(getattr(cast, name), "", ARCHIVE_PASSWORD)
    assert ArchivePassword.select().count() == before


def test_a_weak_archive_password_is_refused_and_nothing_is_kept(cast: Cast) -> None:
    for bad in ("short", "password1234", "ｋＲ７ｍＴｐ２ＷｖＸｙ９"):
        with pytest.raises(Refused, match="圧縮パスワード"):
            people.set_up_office(cast.jiro, "XYZ", bad)
    assert people.needs_office_setup(cast.member("jiro"))


# ── 利用者情報登録(ユーザ) ──


def test_after_the_registration_the_own_password_counts_and_the_initial_one_does_not(cast: Cast) -> None:
    initial = cast.secrets("jiro")["password"]
    assert people.needs_registration(cast.member("jiro"))
    register(cast)
    user = cast.member("jiro").user
    assert credentials.is_right(user.password_hash, PASSWORD)
    assert not credentials.is_right(user.password_hash, initial)
    assert not people.needs_registration(cast.member("jiro"))


def test_the_initial_password_cannot_be_kept(cast: Cast) -> None:
    with pytest.raises(Refused, match="初期パスワードと同じ"):
        register(cast, password=cast.secrets("jiro")["password"])
    assert people.needs_registration(cast.member("jiro"))


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "xyzJiro01-amber",
        "XYZ工業株式会社の電話番号",
        "戊田　次郎は今日も元気です",
        "戊田次郎は今日も元気ですね",
        "todoke-harbour-9",
    ],
)
def test_a_password_that_others_could_guess_is_refused(cast: Cast, password: str) -> None:
    with pytest.raises(Refused, match="ログインパスワード"):
        register(cast, name="戊田　次郎", password=password)
    assert people.needs_registration(cast.member("jiro"))


def test_the_contract_number_is_no_password_with_or_without_its_hyphen(cast: Cast) -> None:
    number = cast.xyz.contract_number
    for password in (f"{number}abc", number.replace("-", "") + "abc"):
        with pytest.raises(Refused, match="契約番号"):
            register(cast, password=password)


def test_a_registration_counts_once(cast: Cast) -> None:
    register(cast)
    with pytest.raises(SomeoneWasFaster):
        register(cast, password="another-harbour-8-violin")
    assert credentials.is_right(cast.member("jiro").user.password_hash, PASSWORD)


def test_the_registration_holds_at_all_offices_of_the_person(cast: Cast) -> None:
    """Hanako was registered at ABC商事 before she joined XYZ工業."""
    assert not people.needs_registration(cast.member("hanako_at_xyz"))
    newcomer = add(cast, "srShin001", "consultant").membership
    asked = people.link(cast.jiro, cast.abc.contract_number, "srShin001", "xyzShin01", ())
    people.answer(Actor(newcomer), asked, accepts=True)
    people.register_user(Actor(newcomer), "丁田　新", "チョウダ　シン", "shin@abc.example", PASSWORD)
    assert not people.needs_registration(Membership.get(Membership.login_id == "xyzShin01"))


def test_what_was_changed_is_logged_without_the_values(cast: Cast) -> None:
    register(cast, name="戊田　二郎", mail="jiro.new@xyz-kogyo.example")
    entry = AuditEntry.get(AuditEntry.action == "user.registered", AuditEntry.subject == cast.member("jiro").user.uid)
    assert entry.details == {"changed": ["name", "mail"]}


# ── a changed address ──


@pytest.fixture
def code(cast: Cast) -> str:
    """The code that reaches Jiro's new address."""
    register(cast, mail="jiro.new@xyz-kogyo.example")
    asked = onetime.ask(Actor(), cast.xyz.contract_number, LOGIN_IDS["jiro"], "")
    onetime.mail_code(Actor(), OneTimePassword.get(OneTimePassword.number == asked.number).id)
    return onetime.code_of(Mail.get(Mail.kind == "mail_confirmation").code)


def test_a_changed_address_waits_and_the_old_one_is_told(cast: Cast, code: str) -> None:
    user = cast.member("jiro").user
    assert (user.mail, user.pending_mail) == ("jiro@xyz-kogyo.example", "jiro.new@xyz-kogyo.example")
    assert Mail.get(Mail.kind == "mail_changed").to_address in (None, "jiro@xyz-kogyo.example")
    assert Mail.get(Mail.kind == "one_time_password").to_address in (None, "jiro@xyz-kogyo.example")
    assert Mail.get(Mail.kind == "mail_confirmation").to_address == "jiro.new@xyz-kogyo.example"


def test_the_code_puts_the_new_address_in_force(cast: Cast, code: str) -> None:
    accounts.confirm_mail(cast.jiro, code)
    user = cast.member("jiro").user
    assert (user.mail, user.pending_mail) == ("jiro.new@xyz-kogyo.example", None)
    with pytest.raises(Refused):
        accounts.confirm_mail(cast.jiro, code)


def test_another_persons_code_confirms_nothing(cast: Cast, code: str) -> None:
    taro = cast.member("taro").user
    accounts.change_profile(cast.taro, cast.member("taro"), taro.name, taro.kana, "taro.new@abc-shoji.example")
    with pytest.raises(Refused, match="確認コードが正しくない"):
        accounts.confirm_mail(cast.taro, code)
    with pytest.raises(Refused, match="終わっている"):
        accounts.confirm_mail(cast.jun, code)
    assert (cast.member("taro").user.mail, cast.member("jiro").user.mail) == (taro.mail, "jiro@xyz-kogyo.example")


def test_guessing_the_confirmation_is_stopped(cast: Cast, code: str) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match="確認コードが正しくない"):
            accounts.confirm_mail(cast.jiro, "00000000" if code != "00000000" else "11111111")
    with pytest.raises(TooMany):
        accounts.confirm_mail(cast.jiro, code)
    later = Actor(cast.member("jiro"), at=utc_now() + timedelta(minutes=30))
    with pytest.raises(Refused):
        accounts.confirm_mail(later, code)


def test_nobody_but_the_admin_changes_what_the_office_decides(cast: Cast) -> None:
    for name in ("jun", "hanako"):
        with pytest.raises(Forbidden):
            people.change_office(getattr(cast, name), "別名", True, ("ABC商事", False))
    assert (cast.abc.short_name, cast.abc.forbids_self_approval) == ("ABC商事", False)


def test_a_change_of_the_office_is_logged_and_counts_once(cast: Cast) -> None:
    seen = ("ABC商事", False)
    assert people.change_office(cast.taro, "ABC", True, seen)
    with pytest.raises(SomeoneWasFaster):
        people.change_office(cast.taro, "エービーシー", False, seen)
    assert not people.change_office(cast.taro, "ABC", True, ("ABC", True))
    changed = [entry.details for entry in AuditEntry.select().where(AuditEntry.action == "office.changed")]
    assert changed == [{"changed": {"short_name": ["ABC商事", "ABC"], "forbids_self_approval": [False, True]}}]
    assert (cast.abc.short_name, cast.abc.forbids_self_approval) == ("ABC", True)


def test_secrets_of_people_lie_in_the_database_only_as_hashes(cast: Cast) -> None:
    newcomer = add(cast, "abcShin01")
    db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert newcomer.password.encode() not in Path(db.database).read_bytes()
