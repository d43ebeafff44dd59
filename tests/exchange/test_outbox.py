"""Mails on their way to a real SMTP server: sent once, tried again, dropped when too late, and saying no more than they
may.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from equipment import HANDOVER_KINDS, Handover
from exchange import (
    accounts,
    activations,
    devices,
    invitations,
    onetime,
    outbox,
    people,
    permissions,
    pickups,
    places,
    postman,
    settings,
    transfers,
    vpn,
)
from exchange.actors import Actor
from models import Mail, OneTimePassword, Transfer, User
from papers import Document, Registration
from tests.exchange.activating import sends
from tests.exchange.codes import built
from tests.exchange.logins import asked_code, enrols
from tests.exchange.slots import slot
from tests.people import LOGIN_IDS, Cast, aes_zip, inspect, statement, uploads
from tests.processes import post, together
from tests.smtp_server import SmtpServer

SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("empty_outbox")


@pytest.fixture
def server(cast: Cast) -> Iterator[SmtpServer]:
    """An SMTP server, and an outbox that sends to it."""
    with SmtpServer() as server:
        postman.configure(post(server="127.0.0.1", port=server.port))
        yield server


def mail(cast: Cast, name: str = "jun") -> Mail:
    """A mail that waits, about a changed address."""
    with db.atomic():
        outbox.mail_changed(getattr(cast, name), cast.member(name))
    return Mail.select().order_by(Mail.id.desc()).first()


def fresh(row: Mail) -> Mail:
    return Mail.get_by_id(row.id)


def code_mail(cast: Cast, at: timedelta = timedelta()) -> Mail:
    actor = Actor(at=utc_now() + at)
    asked = onetime.ask(actor, cast.abc.contract_number, LOGIN_IDS["jun"], "browser")
    onetime.mail_code(actor, OneTimePassword.get(OneTimePassword.number == asked.number).id)
    return Mail.select().order_by(Mail.id.desc()).first()


# ── sending ──


def test_a_mail_is_sent_once_with_its_own_message_id(cast: Cast, server: SmtpServer) -> None:
    row = mail(cast)
    assert postman.send_due(utc_now())
    assert not postman.send_due(utc_now())
    (letter,) = server.letters
    assert letter.recipients == ["jun@abc-shoji.example"]
    assert letter.message["Message-ID"] == f"<{row.uid}@todoke.example>"
    assert letter.message["To"] == "jun@abc-shoji.example"
    assert letter.message["From"].addresses[0].addr_spec == "todoke@todoke.example"
    assert letter.message["Subject"].startswith("【企業年金電子連携サービス】")
    assert letter.message["Auto-Submitted"] == "auto-generated"
    assert letter.message.get_content_type() == "text/plain"
    assert "乙川　純（利用者B） 様" in letter.message.get_content()
    assert (fresh(row).state, fresh(row).tries) == ("sent", 1)


def test_a_mail_belongs_into_the_transaction_of_what_it_tells(cast: Cast) -> None:
    with pytest.raises(RuntimeError):
        outbox.mail_changed(cast.jun, cast.member("jun"))


def test_without_a_server_mails_wait(cast: Cast) -> None:
    postman.configure(post())
    row = mail(cast)
    assert not postman.send_due(utc_now())
    assert (fresh(row).state, fresh(row).tries) == ("waiting", 0)


def test_a_server_that_is_down_gets_the_mail_when_it_is_back(cast: Cast) -> None:
    with SmtpServer() as gone:
        port = gone.port
    postman.configure(post(server="127.0.0.1", port=port))
    row, now = mail(cast), utc_now()
    assert postman.send_due(now)
    assert (fresh(row).state, fresh(row).error, fresh(row).due_at) == (
        *("waiting", "ConnectionRefusedError", now + timedelta(seconds=10)),
    )
    with SmtpServer(port) as back:
        assert not postman.send_due(now + timedelta(seconds=9))
        assert postman.send_due(now + timedelta(seconds=10))
        assert len(back.letters) == 1
    assert (fresh(row).state, fresh(row).error) == ("sent", "")


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("GREETING", "421 closing"),
        ("GREETING", "554 no service"),
        ("MAIL", "451 later"),
        ("RCPT", "450 mailbox busy"),
        ("RCPT", "550 no such person"),
        ("DATA", "451 later"),
        ("END", "452 disk full"),
        ("END", "554 refused"),
    ],
)
def test_a_refused_mail_comes_up_again(cast: Cast, server: SmtpServer, word: str, answer: str) -> None:
    row, now = mail(cast), utc_now()
    server.answers[word] = answer
    assert postman.send_due(now)
    assert (fresh(row).state, fresh(row).tries, server.letters) == ("waiting", 1, [])
    assert fresh(row).error.startswith("SMTP")
    server.answers.clear()
    assert postman.send_due(fresh(row).due_at)
    assert (fresh(row).state, len(server.letters)) == ("sent", 1)


def test_waits_grow_and_after_a_day_a_mail_is_given_up(cast: Cast, server: SmtpServer) -> None:
    server.answers["RCPT"] = "450 mailbox busy"
    row, waits = mail(cast), []
    now = row.created_at
    while fresh(row).state == "waiting":
        assert postman.send_due(now)
        waits.append(int((fresh(row).due_at - now).total_seconds()))
        now = fresh(row).due_at
    assert waits[:7] == [10, 60, 300, 900, 3600, 3600, 3600]
    assert fresh(row).state == "dead"
    assert timedelta(hours=24) < now - row.created_at < timedelta(hours=26)


def test_one_mail_that_cannot_be_sent_does_not_hold_up_the_others(cast: Cast, server: SmtpServer) -> None:
    bad = mail(cast, "taro")
    Mail.update(to_address="no address\r\nBcc: everybody@office.example").where(Mail.id == bad.id).execute()
    good = mail(cast, "jun")
    while postman.send_due(utc_now()):
        pass
    assert (fresh(bad).state, fresh(bad).tries) == ("waiting", 1)
    assert fresh(bad).error
    assert fresh(good).state == "sent"
    assert [letter.recipients for letter in server.letters] == [["jun@abc-shoji.example"]]


# ── codes ──


def test_a_code_is_in_its_mail_and_made_only_there(cast: Cast, server: SmtpServer) -> None:
    row = code_mail(cast)
    assert postman.send_due(utc_now())
    text = server.letters[0].message.get_content()
    assert onetime.code_of(row.code) in text
    assert row.code.number in text
    assert onetime.code_of(row.code) not in str(row.__data__)


def test_a_code_that_is_over_is_dropped(cast: Cast, server: SmtpServer) -> None:
    row = code_mail(cast)
    assert postman.send_due(row.expires_at)
    assert (fresh(row).state, fresh(row).error, server.letters) == ("dropped", "expired", [])


def test_a_code_that_a_newer_one_has_replaced_is_dropped(cast: Cast, server: SmtpServer) -> None:
    old, new = code_mail(cast, -timedelta(minutes=2)), code_mail(cast)
    while postman.send_due(utc_now()):
        pass
    assert (fresh(old).state, fresh(new).state, len(server.letters)) == ("dropped", "sent", 1)


# ── several senders, crashes ──


def send_all(port: int) -> int:
    postman.configure(post(server="127.0.0.1", port=port))
    sent = 0
    while postman.send_due(utc_now()):
        sent += 1
    return sent


def test_several_senders_send_each_mail_once(cast: Cast, server: SmtpServer, instance: Path) -> None:
    for _ in range(30):
        mail(cast)
    shares = together(instance, [(send_all, server.port)] * 3)
    ids = [letter.message["Message-ID"] for letter in server.letters]
    assert (sum(shares), len(ids), len(set(ids))) == (30, 30, 30)


def test_a_sender_that_died_leaves_the_mail_to_the_next_with_the_same_message_id(
    cast: Cast, server: SmtpServer
) -> None:
    row, now = mail(cast), utc_now()
    taken = postman._take(now)
    postman._deliver(postman._configured(), postman._compose(postman._configured(), taken))
    assert not postman.send_due(now + postman.LEASE)
    assert postman.send_due(now + postman.LEASE + SECOND)
    first, again = server.letters
    assert first.message["Message-ID"] == again.message["Message-ID"]
    assert fresh(row).state == "sent"


# ── what a mail says ──


def test_names_with_line_breaks_make_no_headers(cast: Cast, server: SmtpServer) -> None:
    name = "乙川\r\nBcc: thief@office.example\r\n\r\n純"
    User.update(name=name).where(User.id == cast.member("jun").user_id).execute()
    mail(cast)
    postman.send_due(utc_now())
    message = server.letters[0].message
    assert (message["Bcc"], server.letters[0].recipients) == (None, ["jun@abc-shoji.example"])


@pytest.mark.parametrize("key", ["service_name", "fund_name", "fund_contact"])
def test_what_the_fund_calls_itself_makes_no_headers(cast: Cast, server: SmtpServer, key: str) -> None:
    with db.atomic():
        settings.put(key, "基金\r\nBcc: thief@office.example\r\n")
    mail(cast)
    postman.send_due(utc_now())
    assert all("thief" not in str(letter.message.items()) for letter in server.letters)
    assert all(letter.recipients == ["jun@abc-shoji.example"] for letter in server.letters)


def everything_mailed(cast: Cast) -> None:
    """All that writes a mail, with words in it that must not be found in any."""
    data = aes_zip(cast.archive_password, {"内緒のファイル.csv": b"x"})
    for last in (transfers.send_back, transfers.recall, transfers.complete, transfers.reject):
        transfer = inspect(uploads(cast.hanako, data, "秘密の名前.zip"))
        Transfer.update(note="内々のメモ").where(Transfer.id == transfer.id).execute()
        if last is not transfers.send_back:
            transfers.approve(cast.taro, transfer)
            transfers.deliver(cast.taro, transfer)
        if last in (transfers.complete, transfers.reject):
            transfers.receive(cast.kiku, transfer)
        by = cast.kiku if last in (transfers.complete, transfers.reject) else cast.taro
        last(by, transfer, *["漏らせない理由"] if last in (transfers.send_back, transfers.reject) else [])
    inspect(uploads(cast.hanako, b"not a ZIP", "秘密の名前.zip"))
    paper = statement(cast, "delivered")
    everything_of_viruses(uploads(cast.hanako, data, "秘密の名前.zip"), paper)
    pickups.request_pickup(cast.hanako, paper)
    pickups.download(cast.hanako, paper)
    User.update(pending_mail="jun.new@abc-shoji.example").where(User.id == cast.member("jun").user_id).execute()
    code_mail(cast)
    everything_of_accounts(cast)
    everything_of_registrations(cast)
    everything_of_activations(cast)
    everything_of_handovers(cast)
    devices.stop(cast.dai, slot(cast.abc, 3), "漏らせない理由")
    devices.replace(cast.dai, slot(cast.abc, 2), "漏らせない理由")
    devices.call_off(cast.dai, slot(cast.abc, 2))
    with db.atomic():
        outbox.password_locked(cast.member("jun"), 30)
        outbox.login_refused_device(cast.jun, cast.member("jun"))
        outbox.mail_changed(cast.jun, cast.member("jun"))
        outbox.device_activated(cast.abc.devices.get())
        outbox.counter_opened(cast.jun, cast.abc)
        outbox.installer_withheld(cast.abc.devices.get(), ["Test.EICAR"])
        outbox.document_withheld(Document(label="手順書", edition_on=utc_now().date()), ["Test.EICAR"])


def everything_of_viruses(bad: Transfer, paper: Transfer) -> None:
    """At both sides, soon after another, and that it was none, soon after the same."""
    with db.atomic():
        outbox.quarantined(bad)
        outbox.quarantine_ended(bad)
        outbox.quarantined(paper)
        outbox.quarantine_ended(bad)


def everything_of_activations(cast: Cast) -> None:
    """A confirmation code that the desk sends back. The reason stands in the mail: the office may have no other way."""
    vpn.configure(vpn.Manual())
    activations.send_back(cast.dai, sends(built(cast.xyz, 2)), "PCの名前をお確かめください")


def everything_of_handovers(cast: Cast) -> None:
    """Both kinds, with each of their ends."""
    permissions.preset(cast.kiku, cast.member("ume"), ("register",))
    taro, jun, kiku = (cast.member(name) for name in ("taro", "jun", "kiku"))
    people_of_it = {"predecessor": taro, "successor": jun, "asked_by": kiku, "reason": "漏らせない理由"}
    for kind in HANDOVER_KINDS:
        handover = Handover.create(office=cast.abc, kind=kind, state="withdrawn", **people_of_it)
        with db.atomic():
            outbox.handover_asked(handover)
            outbox.handover_withdrawn(handover)
            outbox.handover_done(handover)


def everything_of_accounts(cast: Cast) -> None:
    """Changes of a person, a consultant who is asked by another office, a code for whoever needs none."""
    permissions.preset(cast.taro, cast.member("jun"), ())
    for words in (permissions.FUND_WORDS, ()):
        permissions.preset(cast.kiku, cast.member("ume"), words)
    accounts.reset_password(cast.kiku, cast.member("ume"), accounts.seen(cast.member("ume")))
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    asked = people.link(cast.jiro, cast.abc.contract_number, LOGIN_IDS["hanako"], "srHanako3", ())
    people.answer(cast.hanako, asked, accepts=True)
    enrols(cast.member("taro"))
    onetime.mail_code(Actor(), asked_code(cast.member("taro"), Actor()).id)


def everything_of_registrations(cast: Cast) -> None:
    """An invitation, what was filed with it, and that it came back."""
    invitation = invitations.invite(cast.kiku, "案内先株式会社", "soumu@invited.example")
    with db.atomic():
        invitations.filed(Actor(), invitation, "K-1", "hana@invited.example")
        registration = Registration.create(invitation=invitation, receipt_number="K-1")
        invitations.invite_again(cast.kiku, registration, "漏らせない理由")


def send_everything() -> None:
    """What is due, then what waits for more of its kind."""
    for wait in (SECOND, outbox.GATHER, outbox.VIRUS_REST):
        at = utc_now() + wait
        while postman.send_due(at):
            pass


def test_no_mail_carries_file_names_notes_reasons_or_passwords(cast: Cast, server: SmtpServer) -> None:
    everything_mailed(cast)
    send_everything()
    kinds = {path.stem for path in post().templates.glob("*.txt") if not path.stem.startswith("_")}
    assert {row.kind for row in Mail.select().where(Mail.state == "sent")} == kinds
    forbidden = ["秘密の名前", "内緒の", "内々の", "漏らせない", ".zip", ".csv", cast.archive_password]
    forbidden += [cast.secrets(name)["password"] for name in ("taro", "jun", "hanako", "kiku")]
    texts = [str(letter.message["Subject"]) + letter.message.get_content() for letter in server.letters]
    assert [word for word in forbidden for text in texts if word in text] == []


def test_links_lead_only_to_the_configured_address_and_lines_stay_short(cast: Cast, server: SmtpServer) -> None:
    everything_mailed(cast)
    send_everything()
    text = "\n".join(letter.message.get_content() for letter in server.letters)
    links = re.findall(r"\S+://\S+", text)
    assert links
    assert {link[: len("https://todoke.example/")] for link in links} == {"https://todoke.example/"}
    assert max(len(line) for line in text.splitlines()) <= 78


# ── the demonstration's files ──


def test_a_demonstration_keeps_its_mails_as_files_of_the_owner(cast: Cast, tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    postman.configure(post(eml_folder=folder))
    mail(cast)
    assert postman.send_due(utc_now())
    (name,) = postman.eml_names(folder)
    assert postman.read_eml(folder / name)["to"] == "jun@abc-shoji.example"
    assert ((folder / name).stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_outside_a_demonstration_no_mail_lies_on_the_disk(cast: Cast, tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    postman.configure(post(eml_folder=folder, writes_eml=lambda: False))
    mail(cast)
    assert not postman.send_due(utc_now())
    assert not folder.exists()


@pytest.mark.parametrize(("name", "may_change"), [("jun", True), ("jiro", False)])
def test_only_who_has_a_password_of_his_own_is_told_to_change_it(
    cast: Cast, server: SmtpServer, name: str, may_change: bool
) -> None:
    with db.atomic():
        outbox.account_changed(cast.kiku, cast.member(name), "利用者情報の変更")
    assert postman.send_due(utc_now() + outbox.GATHER + SECOND)
    text = server.letters[0].message.get_content()
    assert ("ログインパスワードを変更し" in text) == may_change
    assert "お心当たりのない場合は、" in text
    assert "ご連絡ください。" in text
    assert "\n\n\n" not in text
