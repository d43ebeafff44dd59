"""Who is mailed about a virus, how often at most, and who hears that it was a false alarm."""

from datetime import timedelta

import pytest

from database import db, utc_now
from exchange import mail_rows, outbox, permissions, pickups, places, postman, transfers
from models import Inspection, Mail, Transfer
from tests.clamd import NAME
from tests.exchange.scanning import inspected, mailed, quarantined, requested
from tests.people import LOGIN_IDS, Cast, filing, statement
from tests.processes import post
from tests.smtp_server import Letter, SmtpServer

pytestmark = pytest.mark.usefixtures("empty_outbox")


def logins(*names: str) -> set[str]:
    return {LOGIN_IDS[name] for name in names}


def tell(transfer: Transfer) -> dict[str, set[str]]:
    """Mail that goes out → login IDs."""
    transfer = quarantined(transfer)
    with db.atomic():
        outbox.quarantined(transfer)
    told: dict[str, set[str]] = {}
    for kind, who in mailed(transfer):
        told.setdefault(kind, set()).add(who)
    return told


def clears(transfer: Transfer, state: str = "passed") -> set[str]:
    """The virus was none; login IDs of those who are told, at once or with others."""
    transfer = inspected(transfer, state=state)
    with db.atomic():
        outbox.quarantine_ended(transfer)
    ends = [mail for mail in Mail.select() if mail.kind.startswith("quarantine_ended")]
    about = [mail for mail in ends if mail.transfer == transfer or tells_of(mail, transfer)]
    return {mail.to_user.memberships.get().login_id for mail in about}


def tells_of(mail: Mail, transfer: Transfer) -> bool:
    """Whether one that gathers has a line about it, or counts it."""
    numbers = [line["receipt_number"] for line in mail.facts.get("lines", [])] + mail.facts.get("rest", [])
    return transfer.receipt_number in numbers


def several(cast: Cast, count: int) -> list[Transfer]:
    """Filings that were uploaded, of whom nobody was mailed yet; only the first has bytes of its own."""
    first = filing(cast)
    row = {name: value for name, value in first.__data__.items() if name not in ("id", "uid")}
    made = [first]
    for number in range(1, count):
        one = Transfer.create(**row | {"receipt_number": f"{first.receipt_number}-{number}-", "token": f"{number}"})
        Inspection.create(transfer=one, state="passed")
        made.append(one)
    Mail.delete().execute()
    return made


def aged(by: timedelta) -> None:
    """As if every mail that there is had been sent, so long ago."""
    for mail in Mail.select():
        Mail.update(state="sent", due_at=mail.due_at - by).where(Mail.id == mail.id).execute()


def kinds(cast: Cast, name: str) -> list[str]:
    mine = Mail.select().where(Mail.to_user == cast.member(name).user).order_by(Mail.id)
    return [mail.kind for mail in mine]


def sent(*ahead: timedelta) -> list[Letter]:
    """What goes out now, and so much later."""
    with SmtpServer() as server:
        postman.configure(post(server="127.0.0.1", port=server.port))
        for later in (timedelta(), *ahead):
            while postman.send_due(utc_now() + later):
                pass
        return server.letters


# ── who ──


def test_of_an_upload_the_uploader_the_approvers_and_the_admin_are_told_and_the_fund_is_not(cast: Cast) -> None:
    assert tell(filing(cast)) == {"quarantined": logins("hanako", "taro", "jun")}


def test_of_a_filing_that_has_come_the_receiving_clerks_are_told_too(cast: Cast) -> None:
    told = tell(filing(cast, "delivered"))
    assert told == {"quarantined": logins("hanako", "taro", "jun"), "quarantined_at_fund": logins("kiku", "ume")}


def test_only_the_admin_is_told_whether_he_wants_mail_or_not(cast: Cast) -> None:
    transfer = filing(cast)
    for name in ("taro", "jun", "hanako"):
        permissions.assign(cast.taro, cast.member(name), "mail_notice", False)
    assert tell(transfer)["quarantined"] == logins("taro")


def test_an_uploader_who_has_left_is_not_told(cast: Cast) -> None:
    transfer = filing(cast, by="jun")
    places.end(cast.taro, cast.member("jun"))
    Mail.delete().execute()
    assert tell(transfer) == {"quarantined": logins("taro")}


def test_of_a_statement_that_was_not_delivered_no_office_hears(cast: Cast) -> None:
    assert tell(statement(cast, "approved")) == {"quarantined_at_fund": logins("kiku", "ume")}


def test_of_a_delivered_statement_everybody_hears_who_could_have_downloaded_it(cast: Cast) -> None:
    paper = requested(cast)
    pickups.download(cast.hanako, paper)
    for name in ("jun", "hanako"):
        permissions.assign(cast.taro, cast.member(name), "mail_notice", False)
    permissions.assign(cast.taro, cast.member("jun"), "download", False)
    told = tell(paper)
    assert told == {"quarantined": logins("hanako", "taro"), "quarantined_at_fund": logins("kiku", "ume")}


# ── how often ──


def test_what_is_found_within_an_hour_of_a_mail_is_told_in_one_more(cast: Cast) -> None:
    first, second, third = filing(cast), filing(cast), statement(cast, "delivered")
    Mail.delete().execute()
    for transfer in (first, second, third):
        tell(transfer)
    assert kinds(cast, "hanako") == ["quarantined", "quarantined_more"]
    assert kinds(cast, "kiku") == ["quarantined_at_fund"]
    assert len(sent(outbox.VIRUS_REST - timedelta(minutes=1))) == 3 + 2
    letters = sent(outbox.VIRUS_REST)
    assert len(letters) == 3
    text = letters[0].message.get_content()
    assert [one.receipt_number in text for one in (first, second, third)] == [False, True, True]
    assert NAME in text
    tell(filing(cast))  # soon after that one
    assert kinds(cast, "hanako").count("quarantined") == 1


def test_after_an_hour_the_next_is_told_at_once(cast: Cast) -> None:
    first, second = filing(cast), filing(cast)
    tell(first)
    Mail.update(due_at=utc_now() - outbox.VIRUS_REST).execute()
    assert tell(second) == {"quarantined": logins("hanako", "taro", "jun")}


def test_the_hour_begins_with_the_mail_before_and_not_with_the_next_virus(cast: Cast) -> None:
    first, second, third = several(cast, 3)
    tell(first)
    aged(timedelta(minutes=40))
    tell(second)
    before = Mail.get(Mail.kind == "quarantined", Mail.to_user == cast.member("hanako").user)
    more = Mail.get(Mail.kind == "quarantined_more", Mail.to_user == cast.member("hanako").user)
    assert more.due_at == before.due_at + outbox.VIRUS_REST
    aged(timedelta(minutes=50))  # that one has gone out, half an hour ago
    tell(third)
    last = Mail.get(Mail.kind == "quarantined_more", Mail.state == "waiting", Mail.to_user == more.to_user)
    assert last.due_at == more.due_at - timedelta(minutes=50) + outbox.VIRUS_REST


def test_what_may_lie_on_a_pc_already_is_told_at_once_or_within_ten_minutes(cast: Cast) -> None:
    first, second = several(cast, 2)
    taken, again = requested(cast), requested(cast)
    for paper in (taken, again):
        b"".join(pickups.download(cast.hanako, paper))
    Mail.delete().execute()
    tell(first)
    aged(timedelta(minutes=20))
    tell(second)  # waits for the rest of the hour
    assert LOGIN_IDS["hanako"] in tell(taken)["quarantined"]
    tell(again)
    mine = Mail.select().where(Mail.to_user == cast.member("hanako").user, Mail.state == "waiting").order_by(Mail.id)
    more, alone = mine
    assert (alone.kind, alone.transfer_id) == ("quarantined", taken.id)
    assert [line["receipt_number"] for line in more.facts["lines"]] == [second.receipt_number, again.receipt_number]
    assert more.due_at == alone.due_at + outbox.GATHER
    subjects = [letter.message["subject"] for letter in sent()]
    assert any("至急：受け取った帳票からウイルスが見つかりました" in subject for subject in subjects)


@pytest.mark.parametrize("state", ["dropped", "dead"])
def test_a_mail_that_never_went_out_keeps_nobody_waiting(cast: Cast, state: str) -> None:
    first, second = several(cast, 2)
    tell(first)
    Mail.update(state=state).execute()
    assert tell(second) == {"quarantined": logins("hanako", "taro", "jun")}


def test_a_flood_makes_two_mails_of_which_the_second_counts(cast: Cast) -> None:
    for transfer in several(cast, mail_rows.LINES_LONGEST + 4):
        tell(transfer)
    assert kinds(cast, "hanako") == ["quarantined", "quarantined_more"]
    more = Mail.get(Mail.kind == "quarantined_more")
    assert (len(more.facts["lines"]), len(more.facts["rest"])) == (mail_rows.LINES_LONGEST, 3)
    assert "このほかに3件あります。" in sent(outbox.VIRUS_REST)[-1].message.get_content()


def test_what_somebody_has_begun_to_send_is_changed_no_more(cast: Cast) -> None:
    first, second, third = several(cast, 3)
    tell(first)
    tell(second)
    Mail.update(tries=1).execute()  # tried once, and to be tried again: the server may have taken it
    tell(third)
    assert kinds(cast, "hanako") == ["quarantined", "quarantined_more", "quarantined_more"]
    assert clears(second) == logins("hanako", "taro", "jun")
    assert [
        tells_of(mail, second) for mail in Mail.select().where(Mail.tries == 1, Mail.kind == "quarantined_more")
    ] == [
        *[True] * 3,
    ]


# ── a false alarm ──


@pytest.mark.parametrize(
    ("kind", "office", "fund"),
    [
        ("filing uploaded", "また承認できます", ""),
        ("filing delivered", "基金が、また受領して開けます", "また受領して開けます"),
        ("filing received", "基金が、またファイルを開けます", "またファイルを開けます"),
        ("statement uploaded", "", "また承認できます"),
        ("statement delivered", "また受取要求ができます", "事業所が、また受け取れます"),
    ],
)
def test_who_was_told_of_the_virus_is_told_that_it_was_none(cast: Cast, kind: str, office: str, fund: str) -> None:
    direction, state = kind.split()
    transfer = filing(cast, state) if direction == "filing" else statement(cast, state)
    told = {who for both in tell(transfer).values() for who in both}
    Mail.update(state="sent").execute()
    assert clears(transfer) == told
    texts = {letter.recipients[0]: letter.message.get_content() for letter in sent()}
    assert len(texts) == len(told)
    for text in texts.values():
        is_office = "/files/" in text
        assert (office if is_office else fund) in text
        assert transfer.receipt_number in text
        assert is_office or "/admin/" in text


def test_one_that_has_other_defects_is_not_called_usable(cast: Cast) -> None:
    transfer = filing(cast)
    tell(transfer)
    clears(transfer, "failed")
    text = sent()[-1].message.get_content()
    assert "ウイルスのほかに不備が見つかっています" in text
    assert "また承認できます" not in text


def test_who_has_left_hears_no_more_and_who_can_see_it_no_more_gets_no_link(cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    tell(transfer)
    places.end(cast.taro, cast.member("jun"))
    transfers.recall(cast.taro, transfer)
    Mail.update(state="sent").execute()
    assert clears(transfer) == logins("hanako", "taro", "kiku", "ume")
    to_fund = [text for text in (one.message.get_content() for one in sent()) if "事業所が引き戻したため" in text]
    assert len(to_fund) == 2
    assert not any("/admin/" in text for text in to_fund)


def test_what_was_told_together_is_taken_back_too_and_what_was_not_told_yet_is_left_out(cast: Cast) -> None:
    first, told, untold = filing(cast), filing(cast), filing(cast)
    tell(first)
    tell(told)
    Mail.update(state="sent").execute()
    tell(untold)
    assert clears(told) == logins("hanako", "taro", "jun")
    assert clears(untold) == set()
    waiting = Mail.select().where(Mail.kind == "quarantined_more", Mail.state == "waiting")
    assert waiting.count() == 0


def test_what_was_only_counted_is_taken_back_too(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_rows, "LINES_LONGEST", 1)
    transfers_of_it = several(cast, 4)
    for transfer in transfers_of_it:
        tell(transfer)
    _, named, counted, last = transfers_of_it
    assert clears(counted) == set()
    assert clears(named) == set()
    more = Mail.get(Mail.kind == "quarantined_more", Mail.to_user == cast.member("hanako").user)
    assert (more.state, more.facts["lines"], more.facts["rest"]) == ("waiting", [], [last.receipt_number])
    text = sent(outbox.VIRUS_REST)[-1].message.get_content()
    assert "ほかに1件から" in text
    assert "このほかに" not in text
    assert clears(last) == logins("hanako", "taro", "jun")


def test_a_mail_of_which_everything_was_taken_back_does_not_go_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_rows, "LINES_LONGEST", 1)
    first, *others = several(cast, 3)
    for transfer in (first, *others):
        tell(transfer)
    for transfer in others:
        clears(transfer)
    assert {mail.state for mail in Mail.select().where(Mail.kind == "quarantined_more")} == {"dropped"}


@pytest.mark.parametrize("state", ["dropped", "dead"])
def test_whom_no_mail_has_reached_hears_of_no_end(cast: Cast, state: str) -> None:
    first, second = several(cast, 2)
    tell(first)
    tell(second)
    Mail.update(state=state).where(Mail.to_user == cast.member("hanako").user).execute()
    Mail.update(state="sent").where(Mail.state == "waiting").execute()
    assert clears(first) == logins("taro", "jun")
    assert clears(second) == logins("taro", "jun")


def test_a_number_that_is_part_of_another_is_not_taken_for_it(cast: Cast) -> None:
    untold, first, second = several(cast, 3)
    tell(first)
    tell(second)
    assert untold.receipt_number in second.receipt_number
    assert clears(untold) == set()
    assert tells_of(Mail.get(Mail.kind == "quarantined_more"), second)


def test_many_false_alarms_make_two_mails_of_their_end(cast: Cast) -> None:
    made = several(cast, 6)
    for transfer in made:
        tell(transfer)
    Mail.update(state="sent", due_at=utc_now()).execute()
    assert [clears(transfer) for transfer in made] == [logins("hanako", "taro", "jun")] * 6
    assert kinds(cast, "hanako")[2:] == ["quarantine_ended", "quarantine_ended_more"]
    assert len(sent()) == 3
    text = sent(outbox.VIRUS_REST)[0].message.get_content()
    assert [one.receipt_number in text.split() for one in made[1:]] == [True] * 5
    assert text.count("また承認できます") == 5
    assert "VPN接続" in text
    assert "\n\n\n" not in text


def test_who_approves_is_not_asked_beside_the_end_that_waits(cast: Cast) -> None:
    first, second = several(cast, 2)
    tell(first)
    tell(second)
    Mail.update(state="sent").execute()
    clears(first)
    with db.atomic():
        told = outbox.quarantine_ended(inspected(second, state="passed"))
    assert told == {cast.member(name).user_id for name in ("hanako", "taro", "jun")}


def test_an_end_that_is_not_true_any_more_is_not_told(cast: Cast) -> None:
    first, second = several(cast, 2)
    tell(first)
    tell(second)
    Mail.update(state="sent").execute()
    clears(first)
    clears(second)
    tell(second)
    assert {mail.state for mail in Mail.select().where(Mail.kind == "quarantine_ended_more")} == {"dropped"}


# ── what they say ──


def test_the_mails_name_the_virus_and_what_to_do_and_no_file(cast: Cast) -> None:
    made = [filing(cast, before) for before in ("uploaded", "delivered", "received", "completed")]
    made += [statement(cast), statement(cast, "delivered"), requested(cast)]
    pickups.download(cast.hanako, made[-1])
    letters: list[Letter] = []
    for transfer in made:
        Mail.delete().execute()
        tell(transfer)
        letters += sent()
        assert transfer.receipt_number in letters[-1].message.get_content()
    assert len(letters) == 3 + 3 * 5 + 2 + 2 * 5
    for text in (letter.message.get_content() for letter in letters):
        assert NAME in text
        assert "点検" in text or "削除" in text
        assert ".zip" not in text
        assert "\n\n\n" not in text
        assert max(map(len, text.splitlines())) <= 78
