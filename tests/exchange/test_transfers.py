"""What each move needs, tells and leaves behind: uploads, approvals, reasons, windows, audit entries and mails."""

from datetime import timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from exchange import arrivals, pickups, settings, transfers, vault
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import STATEMENT, AuditEntry, DocumentKind, Grant, Inspection, Job, Mail, Membership, Office, Transfer, User
from tests.people import Cast, aes_zip, filing, received, statement, uploads
from tests.processes import together

REASON = "生年月日が違います"


def last_entry() -> AuditEntry:
    return AuditEntry.select().order_by(AuditEntry.number.desc()).first()


def mailed(transfer: Transfer, kind: str) -> list[str]:
    """Who gets that mail about it, by name."""
    rows = Mail.select(Mail, User).join(User).where(Mail.transfer == transfer, Mail.kind == kind)
    return sorted(row.to_user.name[:2] for row in rows)


def later(actor: Actor, **ahead: float) -> Actor:
    return Actor(actor.membership, actor.device, actor.address, actor.at + timedelta(**ahead))


# ── upload ──


def test_an_upload_makes_the_row_its_inspection_its_job_and_its_audit_entry(cast: Cast) -> None:
    data = aes_zip(cast.archive_password)
    transfer = uploads(cast.hanako, data, "資格取得届（11月）.zip")
    assert (transfer.state, transfer.size, transfer.office) == ("uploaded", len(data), cast.abc)
    assert transfer.inspection.state == "waiting"
    assert Job.latest("inspect", str(transfer.id)).state == "waiting"
    assert b"".join(vault.pieces(transfer.stored)) == data
    entry = last_entry()
    assert (entry.action, entry.subject, entry.office, entry.address) == (
        *("filing.uploaded", transfer.uid, cast.abc, "192.0.2.10"),
    )
    assert entry.details == {
        "receipt_number": transfer.receipt_number,
        "kind": "acquisition",
        "size": len(data),
        "sha256": transfer.sha256,
        "replaces": "",
    }
    assert "資格取得届（11月）" not in entry.facts


def test_the_same_form_sent_twice_makes_one_transfer(cast: Cast) -> None:
    data = aes_zip(cast.archive_password)
    first, again = uploads(cast.hanako, data, token="once"), uploads(cast.hanako, data, token="once")
    assert first == again
    assert (Transfer.select().count(), Inspection.select().count(), Job.select().count()) == (1, 1, 1)


def test_another_person_cannot_reuse_the_token_of_a_form(cast: Cast) -> None:
    data = aes_zip(cast.archive_password)
    uploads(cast.hanako, data, token="once")
    with pytest.raises(Refused, match="開き直して"):
        uploads(cast.jun, data, token="once")
    assert Transfer.select().count() == 1


def test_an_upload_needs_a_kind_of_filing(cast: Cast) -> None:
    kind = DocumentKind.named(STATEMENT, "decision")
    with received(b"x") as receiving, pytest.raises(Refused, match="種類"):
        arrivals.upload(cast.hanako, receiving, arrivals.Slip(kind, "x.zip", "", "", "token"))
    assert Transfer.select().count() == 0


def test_an_office_that_has_not_set_itself_up_cannot_upload(cast: Cast) -> None:
    with pytest.raises(Refused, match="圧縮パスワード"):
        uploads(cast.hanako_at_xyz, b"x")
    assert Transfer.select().count() == 0


def test_receipt_numbers_carry_the_day_in_japan(cast: Cast) -> None:
    at = utc_now().replace(month=3, day=31, hour=16)
    transfer = uploads(Actor(cast.member("hanako"), at=at), b"x")
    assert transfer.receipt_number.startswith(f"{at.year}0401-")
    assert len(transfer.receipt_number) == 16


def test_a_new_upload_replaces_a_returned_filing(cast: Cast) -> None:
    returned = filing(cast, "returned")
    again = uploads(cast.hanako, aes_zip(cast.archive_password), replaces=returned)
    assert again.replaces == returned
    assert last_entry().details["replaces"] == returned.receipt_number


@pytest.mark.parametrize("state", ["uploaded", "approved", "delivered", "rejected", "cancelled"])
def test_nothing_but_a_returned_filing_can_be_replaced(cast: Cast, state: str) -> None:
    with pytest.raises(SomeoneWasFaster):
        uploads(cast.hanako, b"x", replaces=filing(cast, state))
    assert Transfer.select().count() == 1


def test_a_returned_filing_is_replaced_once(cast: Cast) -> None:
    returned = filing(cast, "returned")
    uploads(cast.hanako, b"x", replaces=returned)
    with pytest.raises(SomeoneWasFaster, match="すでに出し直されています"):
        uploads(cast.jun, b"y", replaces=returned)
    assert Transfer.select().count() == 2


def test_the_form_of_a_replacement_sent_twice_makes_one(cast: Cast) -> None:
    returned = filing(cast, "returned")
    first, again = (uploads(cast.hanako, b"x", token="once", replaces=returned) for _ in range(2))
    assert first == again


def test_a_filing_of_another_office_cannot_be_replaced(cast: Cast) -> None:
    with pytest.raises(SomeoneWasFaster):
        uploads(cast.hanako_at_xyz, b"x", replaces=filing(cast, "returned"))
    assert Transfer.select().count() == 1


# ── approve, send back, cancel ──


@pytest.mark.parametrize("state", ["waiting", "running", "failed", "quarantined"])
def test_only_what_passed_its_inspection_can_be_approved(cast: Cast, state: str) -> None:
    transfer = filing(cast)
    Inspection.update(state=state).where(Inspection.transfer == transfer).execute()
    with pytest.raises(Refused, match="検査"):
        transfers.approve(cast.taro, transfer)
    assert Transfer.get_by_id(transfer.id).state == "uploaded"


@pytest.mark.parametrize("state", ["passed", "warned"])
def test_a_passed_or_warned_inspection_is_enough(cast: Cast, state: str) -> None:
    transfer = filing(cast)
    Inspection.update(state=state).where(Inspection.transfer == transfer).execute()
    transfers.approve(cast.taro, transfer)
    assert transfer.state == "approved"


def test_ones_own_filing_may_be_approved_unless_the_office_forbids_it(cast: Cast) -> None:
    free = filing(cast, by="taro")
    transfers.approve(cast.taro, free)
    Office.update(forbids_self_approval=True).execute()
    own = filing(cast, by="taro")
    for verb in (transfers.approve, transfers.approve_and_deliver):
        with pytest.raises(Forbidden, match="ほかの承認者"):
            verb(cast.taro, Transfer.get_by_id(own.id))
    assert Transfer.get_by_id(own.id).state == "uploaded"
    transfers.approve(cast.jun, own)
    assert (free.state, own.state) == ("approved", "approved")


def test_a_second_place_in_the_office_does_not_make_somebody_else_of_a_person(cast: Cast) -> None:
    """Self-approval is about the person, not about the login ID."""
    Office.update(forbids_self_approval=True).execute()
    own = filing(cast, by="jun")
    second = Membership.create(user=cast.jun.membership.user, office=cast.abc, login_id="abcJun002", kind="staff")
    Grant.create(membership=second, word="approve")
    with pytest.raises(Forbidden, match="ほかの承認者"):
        transfers.approve(Actor(second), own)


def test_statements_need_a_second_clerk_where_the_fund_says_so(cast: Cast) -> None:
    with db.atomic():
        settings.put("statement_second_clerk", True)
    paper = statement(cast, by="ume")
    with pytest.raises(Forbidden, match="ほかの承認者"):
        transfers.approve(cast.ume, paper)
    transfers.approve(cast.kiku, paper)
    assert paper.state == "approved"


def test_who_was_faster_is_named(cast: Cast) -> None:
    transfer = filing(cast)
    same = Transfer.get_by_id(transfer.id)
    transfers.approve(cast.jun, transfer)
    with pytest.raises(SomeoneWasFaster, match="乙川　純（利用者B）.*が先に操作したため") as told:
        transfers.approve(cast.taro, same)
    assert transfer.receipt_number in told.value.message
    assert same.state == "approved"


@pytest.mark.parametrize("reason", ["", "  \n\t ", "あ" * (transfers.REASON_LONGEST + 1)])
def test_sending_back_and_rejecting_need_a_reason_that_fits(cast: Cast, reason: str) -> None:
    waiting, opened = filing(cast), filing(cast, "received")
    with pytest.raises(Refused, match="理由"):
        transfers.send_back(cast.taro, waiting, reason)
    with pytest.raises(Refused, match="理由"):
        transfers.reject(cast.kiku, opened, reason)
    assert (waiting.state, opened.state) == ("uploaded", "received")


def test_the_reason_is_kept_with_the_filing_and_in_the_audit(cast: Cast) -> None:
    transfer = filing(cast)
    transfers.send_back(cast.taro, transfer, f"  {REASON}  ")
    assert Transfer.get_by_id(transfer.id).reason == REASON
    assert last_entry().details == {"before": "uploaded", "after": "returned", "reason": REASON}


def test_somebody_elses_filing_is_cancelled_only_by_those_who_approve(cast: Cast) -> None:
    theirs = filing(cast, by="taro")
    with pytest.raises(Forbidden, match="「承認」の権限も必要"):
        transfers.cancel(cast.hanako, theirs)
    assert (last_entry().action, last_entry().who) == ("permission.refused", cast.hanako.who)
    assert Transfer.get_by_id(theirs.id).state == "uploaded"
    transfers.cancel(cast.jun, theirs)
    assert theirs.state == "cancelled"


def test_ones_own_filing_is_cancelled_with_the_word_cancel_alone(cast: Cast) -> None:
    own = filing(cast, by="hanako")
    Grant.delete().where(Grant.membership == cast.member("hanako"), Grant.word != "cancel").execute()
    transfers.cancel(cast.hanako, own)
    assert own.state == "cancelled"


# ── deliver and recall ──


def test_delivering_names_who_and_when_and_recalling_forgets_it(cast: Cast) -> None:
    transfer = filing(cast, "approved")
    jun = cast.jun
    transfers.deliver(jun, transfer)
    row = Transfer.get_by_id(transfer.id)
    assert (row.delivered_by, row.delivered_at) == (jun.membership, jun.at)
    transfers.recall(jun, transfer)
    row = Transfer.get_by_id(transfer.id)
    assert (row.state, row.delivered_by, row.delivered_at) == ("approved", None, None)


def test_approve_and_deliver_is_both_or_none(cast: Cast) -> None:
    transfer = filing(cast)
    Grant.delete().where(Grant.membership == cast.member("jun"), Grant.word == "deliver").execute()
    with pytest.raises(Forbidden):
        transfers.approve_and_deliver(cast.jun, transfer)
    assert Transfer.get_by_id(transfer.id).state == "uploaded"
    transfers.approve_and_deliver(cast.taro, transfer)
    actions = [entry.action for entry in transfer.timeline()]
    assert actions[-2:] == ["filing.approved", "filing.delivered"]
    assert mailed(transfer, "approved") == []


def test_what_the_fund_has_opened_cannot_be_recalled(cast: Cast) -> None:
    transfer = filing(cast, "received")
    with pytest.raises(SomeoneWasFaster, match="基金"):
        transfers.recall(cast.taro, transfer)


def test_each_move_is_one_entry_with_its_states(cast: Cast) -> None:
    transfer = filing(cast, "completed")
    entries = [(entry.action, entry.details) for entry in transfer.timeline()]
    sha256 = transfer.sha256
    assert entries[2:] == [
        ("filing.approved", {"before": "uploaded", "after": "approved"}),
        ("filing.delivered", {"before": "approved", "after": "delivered", "sha256": sha256}),
        ("filing.received", {"before": "delivered", "after": "received"}),
        ("filing.completed", {"before": "received", "after": "completed"}),
    ]


# ── mails ──


def test_a_filing_tells_those_who_wait_for_it(cast: Cast) -> None:
    transfer = filing(cast, "completed")
    assert mailed(transfer, "approval_wanted") == ["乙川", "甲野"]
    assert mailed(transfer, "approved") == ["丙山", "乙川", "甲野"]
    assert mailed(transfer, "filing_arrived") == ["基金", "基金"]
    for kind in ("filing_delivered", "filing_opened", "filing_completed"):
        assert mailed(transfer, kind) == ["丙山", "甲野"], kind


def test_sent_back_and_rejected_filings_tell_their_senders(cast: Cast) -> None:
    returned, rejected, recalled = filing(cast, "returned"), filing(cast, "rejected"), filing(cast, "delivered")
    transfers.recall(cast.taro, recalled)
    assert mailed(returned, "sent_back") == ["丙山"]
    assert mailed(rejected, "filing_rejected") == ["丙山", "甲野"]
    assert mailed(recalled, "transfer_recalled") == ["基金", "基金"]


def test_a_statement_tells_the_office_and_then_the_clerk(cast: Cast) -> None:
    paper = statement(cast, "delivered")
    assert mailed(paper, "statement_delivered") == ["丙山", "乙川", "甲野"]
    pickups.request_pickup(cast.jun, paper)
    pickups.download(cast.jun, paper)
    assert mailed(paper, "statement_downloaded") == ["基金"]
    recalled = statement(cast, "delivered")
    transfers.recall(cast.kiku, recalled)
    assert mailed(recalled, "transfer_recalled") == ["丙山", "乙川", "甲野"]


def test_cancelling_tells_nobody(cast: Cast) -> None:
    transfer = filing(cast)
    before = Mail.select().count()
    transfers.cancel(cast.hanako, transfer)
    assert Mail.select().count() == before


def test_who_does_not_want_mail_has_left_or_is_disabled_gets_none(cast: Cast) -> None:
    Grant.delete().where(Grant.membership == cast.member("taro"), Grant.word == "mail_notice").execute()
    Membership.update(ended_at=utc_now()).where(Membership.login_id == "kikinUme1").execute()
    transfer = filing(cast, "approved")
    Membership.update(disabled_at=utc_now()).where(Membership.id == cast.jun.membership.id).execute()
    transfers.deliver(cast.taro, transfer)
    transfers.receive(cast.kiku, transfer)
    assert mailed(transfer, "approval_wanted") == ["乙川"]
    assert mailed(transfer, "approved") == ["丙山", "乙川"]
    assert mailed(transfer, "filing_arrived") == ["基金"]
    assert mailed(transfer, "filing_opened") == ["丙山"]


def test_a_refused_move_leaves_no_mail_and_no_entry(cast: Cast) -> None:
    transfer = filing(cast, "approved")
    before = (Mail.select().count(), AuditEntry.select().count())
    with pytest.raises(SomeoneWasFaster):
        transfers.approve(cast.taro, transfer)
    assert (Mail.select().count(), AuditEntry.select().count()) == before


# ── at the same time ──


def approve_as(login_id: str, transfer_id: int) -> str:
    transfers.approve(Actor(Membership.get(Membership.login_id == login_id)), Transfer.get_by_id(transfer_id))
    return "approved"


def test_six_processes_approve_one_filing_and_one_wins(cast: Cast, instance: Path) -> None:
    transfer = filing(cast)
    works = [(approve_as, login_id, transfer.id) for login_id in ("abcTaro01", "abcJun001") * 3]
    answers = together(instance, works)
    assert sorted(answers) == ["SomeoneWasFaster"] * 5 + ["approved"]
    assert [entry.action for entry in transfer.timeline()].count("filing.approved") == 1
    assert mailed(transfer, "approved") == ["丙山", "乙川", "甲野"]


def upload_once(number: int) -> str:
    hanako = Actor(Membership.get(Membership.login_id == "srHanako1"))
    return uploads(hanako, b"the same form", token="sent six times").uid


def test_six_processes_send_one_form_and_make_one_transfer(cast: Cast, instance: Path) -> None:
    answers = together(instance, [(upload_once, number) for number in range(6)])
    assert len(set(answers)) == 1
    assert [row.uid for row in Transfer.select()] == answers[:1]
