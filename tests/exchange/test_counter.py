"""The download counter: with what it opens, when, how often one may try, and what lies there."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from database import JST, db, utc_now
from equipment import Installer
from exchange import counter, letters, vault, visits
from exchange.errors import Refused, SomeoneWasFaster
from models import Device, Mail, Office, StoredObject
from papers import Document, DocumentOffice, Visit
from tests.exchange.counters import NOBODY, NOON, entries, opens, sentence, stranger, with_key
from tests.people import Cast

GUIDE_KEY = "XdiV12r"
LAST_SECOND = datetime(2024, 4, 30, 23, 59, 59, tzinfo=JST)
MIDNIGHT = datetime(2024, 5, 1, tzinfo=JST)


# ── contract number and download password ──


def test_the_key_of_the_guide_opens_until_the_last_second_of_its_month(cast: Cast) -> None:
    abc = with_key(cast.abc, GUIDE_KEY)
    assert opens(abc, "202404XdiV12r", LAST_SECOND).office == abc
    with pytest.raises(Refused):
        counter.open_counter(stranger(MIDNIGHT), abc.contract_number, "202404XdiV12r")
    assert opens(abc, "202405XdiV12r", MIDNIGHT).office == abc


def test_months_are_counted_in_japan(cast: Cast) -> None:
    abc = with_key(cast.abc, GUIDE_KEY)
    new_year_in_japan = datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert opens(abc, f"202701{GUIDE_KEY}", new_year_in_japan)
    assert opens(abc, f"202612{GUIDE_KEY}", new_year_in_japan - timedelta(seconds=1))


@pytest.mark.parametrize("key", ["AbcdeFg", "AbcdeFgh", "AbcdeFghij", "AbcdeFghijkmnp", "234567ab"])
def test_a_key_counts_by_its_value_and_not_by_its_length(cast: Cast, key: str) -> None:
    assert opens(with_key(cast.abc, key), f"202611{key}")


@pytest.mark.parametrize(
    "typed",
    [
        "916237-0000021",
        "９１６２３７－０００００２１",
        "916237ー0000021",
        "916237−0000021",
        "916237‐0000021",
        " 916237 - 0000021 ",
        "9162370000021",
        "９１６２３７０００００２１",
        "91623-70000021",
    ],
)
def test_any_dash_any_width_and_no_dash_at_all_is_the_same_contract_number(cast: Cast, typed: str) -> None:
    abc = with_key(cast.abc, GUIDE_KEY, "916237-0000021")
    token = counter.open_counter(stranger(), typed, f"202611{GUIDE_KEY}")
    assert visits.find(token, "download", NOON).office == abc


def test_without_a_hyphen_a_number_that_two_offices_share_opens_neither(cast: Cast) -> None:
    abc, xyz = with_key(cast.abc, "AbcdeFgh", "123-45678"), with_key(cast.xyz, "hgFedcbA", "1234-5678")
    for password in ("202611AbcdeFgh", "202611hgFedcbA"):
        assert "正しくありません" in sentence("12345678", password)
    assert opens(abc, "202611AbcdeFgh").office == abc
    assert opens(xyz, "202611hgFedcbA").office == xyz


@pytest.mark.parametrize(
    "typed", ["２０２６１１ＡｂｃｄｅＦｇｈ", "202611 AbcdeFgh", "2026 11　Abcd eFgh ", "202611-Abcd-eFgh"]
)
def test_width_and_spaces_of_the_password_do_not_matter(cast: Cast, typed: str) -> None:
    assert opens(with_key(cast.abc, "AbcdeFgh"), typed)


def test_upper_and_lower_case_differ(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    assert "大文字と小文字" in sentence(abc.contract_number, "202611abcdefgh")


WRONG_PAIRS = {
    "a wrong key": "202611HgfedcbA",
    "next month": "202612AbcdeFgh",
    "last month, later than its first day": "202610AbcdeFgh",
    "a year ago": "202511AbcdeFgh",
    "no month": "999999AbcdeFgh",
    "the month behind the key": "AbcdeFgh202611",
    "the key alone": "AbcdeFgh",
    "nothing": "",
}


@pytest.mark.parametrize("what", WRONG_PAIRS)
def test_one_sentence_for_every_wrong_pair_whether_the_office_exists_or_not(cast: Cast, what: str) -> None:
    abc, password = with_key(cast.abc, "AbcdeFgh"), WRONG_PAIRS[what]
    told = sentence(abc.contract_number, password)
    assert told == sentence(NOBODY, password)
    assert "契約番号またはダウンロードパスワードが正しくありません" in told
    assert Visit.select().count() == 0


def test_the_sentence_tells_with_what_a_password_begins_today(cast: Cast) -> None:
    assert "「202611」" in sentence(NOBODY, "202610AbcdeFgh")
    assert "「202612」" in sentence(NOBODY, "202610AbcdeFgh", datetime(2026, 12, 31, 14, 59, 59, tzinfo=UTC))


def test_the_first_day_says_that_last_months_number_was_typed(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    for at in (MIDNIGHT, MIDNIGHT + timedelta(hours=23, minutes=59, seconds=59)):
        told = sentence(abc.contract_number, "202404AbcdeFgh", at)
        assert "先月の年月が入力されています" in told
        assert "「202405」" in told
    assert "先月" not in sentence(abc.contract_number, "202404AbcdeFgh", MIDNIGHT + timedelta(days=1))


@pytest.mark.parametrize("password", ["202403AbcdeFgh", "202406AbcdeFgh", "202304AbcdeFgh", "202404HgfedcbA"])
def test_only_last_month_with_the_right_key_is_told_on_the_first_day(cast: Cast, password: str) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    assert "先月" not in sentence(abc.contract_number, password, MIDNIGHT)
    assert "先月" not in sentence(NOBODY, "202404AbcdeFgh", MIDNIGHT)


def test_in_january_last_month_is_december(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    told = sentence(abc.contract_number, "202612AbcdeFgh", datetime(2027, 1, 1, 9, tzinfo=JST))
    assert "先月の年月" in told
    assert "「202701」" in told


@pytest.mark.parametrize("letter", "OoIl01")
def test_characters_that_no_key_has_are_named(cast: Cast, letter: str) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    told = sentence(abc.contract_number, f"202611Abcde{letter}gh")
    assert "O・o・I・l と数字の 0・1 は使われていません" in told
    assert told == sentence(NOBODY, f"202611Abcde{letter}gh")


def test_zeros_and_ones_of_the_month_are_not_meant(cast: Cast) -> None:
    assert "使われていません" not in sentence(NOBODY, "202101AbcdeFgh")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("AbcdeFgh", "今は8文字でした"),
        ("202611AbcdeFghAbcdeFghAbcdeFgh", "今は30文字でした"),
        ("", "14文字"),
        ("202611Abcde!gh", "英字と数字だけ"),
        ("202611あbcdeFgh", "英字と数字だけ"),
        ("AbcdeFgh202611", "先頭の6文字"),
    ],
)
def test_what_can_be_no_password_is_told_before_it_is_tried(typed: str, says: str) -> None:
    assert says in (counter.password_problem(typed) or "")


@pytest.mark.parametrize("typed", ["202404XdiV12r", "202611AbcdeFgh", "202611AbcdeFghij", "202611 ＡｂｃｄｅＦｇｈ"])
def test_keys_of_seven_eight_and_ten_characters_can_be_one(typed: str) -> None:
    assert counter.password_problem(typed) is None


# ── whose letter it is ──


def test_a_new_letter_makes_the_old_key_void(cast: Cast) -> None:
    old = cast.made["offices"][1]["download_key"]
    assert opens(cast.xyz, f"202611{old}")
    new = letters.issue_secrets(cast.kiku, cast.xyz).download_key
    assert "正しくありません" in sentence(cast.xyz.contract_number, f"202611{old}")
    assert opens(cast.xyz, f"202611{new}")


def test_a_void_letter_opens_nothing(cast: Cast) -> None:
    abc = with_key(cast.abc, None)
    for password in ("202611AbcdeFgh", "202611", ""):
        assert "正しくありません" in sentence(abc.contract_number, password)


def test_a_closed_contract_opens_nothing_and_ends_the_visit(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    token = counter.open_counter(stranger(), abc.contract_number, "202611AbcdeFgh")
    Office.update(closed_at=utc_now()).where(Office.id == abc.id).execute()
    assert visits.find(token, "download", NOON) is None
    assert "正しくありません" in sentence(abc.contract_number, "202611AbcdeFgh")


def test_one_offices_key_does_not_open_anothers_counter(cast: Cast) -> None:
    with_key(cast.abc, "AbcdeFgh")
    with_key(cast.xyz, "hgFedcbA")
    assert "正しくありません" in sentence(cast.xyz.contract_number, "202611AbcdeFgh")


def test_a_letter_that_is_issued_anew_meanwhile_opens_nothing(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    seen = abc.download_key_hash
    with_key(abc, "hgFedcbA")
    assert not counter._still_opens(abc, seen)


def test_a_visit_lasts_half_an_hour_or_until_the_letter_is_void(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    token = counter.open_counter(stranger(), abc.contract_number, "202611AbcdeFgh")
    assert visits.find(token, "download", NOON + timedelta(minutes=29, seconds=59)) is not None
    assert visits.find(token, "download", NOON + timedelta(minutes=30)) is None
    assert visits.find(token, "registration", NOON) is None
    with db.atomic():
        letters.void(cast.kiku, abc)
    assert visits.find(token, "download", NOON) is None


# ── the name on the list ──


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ABC商事", "AB＊＊＊"),
        ("ABC商事株式会社", "AB＊＊＊株式会社"),
        ("株式会社ABC商事", "株式会社AB＊＊＊"),
        ("株式会社　ABC商事　東京支店", "株式会社　AB＊＊＊　＊＊＊＊"),
        ("(株)山田", "(株)山＊"),
        ("㈱山田製作所", "㈱山田＊＊＊"),
        ("一般社団法人みらい協会", "一般社団法人みら＊＊＊"),
        ("医療法人社団　青葉会", "医療法人社団　青葉＊"),
        ("社会保険労務士法人 川", "社会保険労務士法人 ＊"),
        ("光", "＊"),
        ("山田", "山＊"),
        ("山 田", "山 ＊"),
        ("株式会社", "株式会社"),
        ("葛\U000e0100城市役所", "葛\U000e0100城＊＊＊"),
        ("辻󠄀本商店\U000e0101", "辻󠄀本＊＊"),
        ("", ""),
    ],
)
def test_a_name_is_shown_as_far_as_its_own_people_need_it(name: str, shown: str) -> None:
    assert counter.masked(name) == shown


# ── what lies there ──


def stored(content: bytes) -> StoredObject:
    return vault.receive(io.BytesIO(content)).keep()


def published(label: str, *offices: Office, content: bytes = b"%PDF-1.7") -> Document:
    """A document for all or, if some are named, for those offices."""
    document = Document.create(
        label=label,
        edition_on=datetime(2022, 11, 29).date(),
        file_name=f"電子連携サービス・{label}(20221129).pdf",
        stored=stored(content),
        is_for_all=not offices,
    )
    for office in offices:
        DocumentOffice.create(document=document, office=office)
    return Document.get_by_id(document.id)


def installed(office: Office, slot: int, content: bytes = b"MZ") -> Installer:
    return Installer.create(device=Device.in_slot(office, slot), stored=stored(content))


def test_the_list_has_documents_first_and_then_one_line_for_each_pc(cast: Cast) -> None:
    published("インストール手順書", content=b"%PDF-" + bytes(95))
    installed(cast.abc, 1)
    lines = counter.offers(cast.abc)
    number = cast.abc.contract_number
    assert [(offer.label, offer.file_name, offer.row is not None) for offer in lines] == [
        ("インストール手順書(2022/11/29)", "電子連携サービス・インストール手順書(20221129).pdf", True),
        ("インストーラー(1台目用)(管理者用)", f"setup.{number}.01.exe", True),
        ("インストーラー(2台目用)", f"setup.{number}.02.exe", False),
        ("インストーラー(3台目用)", f"setup.{number}.03.exe", False),
    ]
    assert lines[0].stored.size == 100


def test_an_office_is_offered_its_own_things_only(cast: Cast) -> None:
    published("お知らせ", cast.xyz)
    installed(cast.xyz, 1)
    assert [offer.row is None for offer in counter.offers(cast.abc)] == [True] * 3
    assert [offer.row is not None for offer in counter.offers(cast.xyz)] == [True, True, False]


def visit_of(office: Office) -> Visit:
    with db.atomic():
        token = visits.begin(stranger(), "download", office)
    return visits.find(token, "download", NOON)


def test_what_was_fetched_is_marked_and_logged_for_this_office_alone(cast: Cast) -> None:
    published("操作マニュアル", content=b"%PDF-1.7 manual")
    installed(cast.abc, 1, b"MZ program")
    visit = visit_of(cast.abc)
    fetched = [b"".join(counter.fetch(stranger(), visit, offer)) for offer in counter.offers(cast.abc)[:2]]
    assert fetched == [b"%PDF-1.7 manual", b"MZ program"]
    assert [offer.is_fetched for offer in counter.offers(cast.abc)] == [True, True, False, False]
    assert not any(offer.is_fetched for offer in counter.offers(cast.xyz))
    assert entries("document.fetched")[0][2] == entries("installer.fetched")[0][2] == cast.abc


def test_an_installer_that_is_not_ready_says_so(cast: Cast) -> None:
    offer = counter.offers(cast.xyz)[1]
    with pytest.raises(Refused, match="準備中"):
        counter.fetch(stranger(), visit_of(cast.abc), offer)


def test_what_was_withdrawn_while_the_list_was_open_is_not_handed_out(cast: Cast) -> None:
    document, installer = published("操作マニュアル"), installed(cast.abc, 1)
    visit, lines = visit_of(cast.abc), counter.offers(cast.abc)[:2]
    Document.update(withdrawn_at=NOON).where(Document.id == document.id).execute()
    Installer.update(withdrawn_at=NOON).where(Installer.id == installer.id).execute()
    for offer in lines:
        with pytest.raises(SomeoneWasFaster):
            counter.fetch(stranger(), visit, offer)
    assert entries("document.fetched") + entries("installer.fetched") == []


def test_the_admin_is_told_when_the_counter_is_opened_from_a_new_place(cast: Cast) -> None:
    abc = with_key(cast.abc, GUIDE_KEY)
    Mail.delete().execute()
    opens(abc, f"202611{GUIDE_KEY}")
    opens(abc, f"202611{GUIDE_KEY}")
    opens(abc, f"202611{GUIDE_KEY}", address="198.51.100.7")
    told = [(mail.kind, mail.to_address, mail.facts["address"]) for mail in Mail.select().order_by(Mail.id)]
    address = cast.member("taro").user.mail
    assert told == [("counter_opened", address, "192.0.2.50"), ("counter_opened", address, "198.51.100.7")]
