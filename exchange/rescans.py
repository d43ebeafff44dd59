"""The scan for malware done again: asked for by people, by whoever needs bytes whose scan has grown old, and ahead of
both by the worker. Only what was found about malware changes with it; what an inspection said of the ZIP stands.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from database import db, utc_now
from exchange import (
    archive_passwords,
    archives,
    audit,
    calendar,
    inspections,
    jobs,
    judging,
    outbox,
    permissions,
    quarantine,
    scan_ages,
    scanner,
    settings,
)
from exchange.actors import Actor
from exchange.errors import Refused
from exchange.quarantine import Needs
from exchange.zip_findings import CHECKS, CODES, Finding, make_finding
from models import Inspection, Job, Transfer

KIND = "rescan"
# Jobs that the worker has waiting at a time, beside those that people have asked for. With a round each minute that
# makes 7,200 scans a day.
ROUND = 5
MOST_ASKED = 3  # of one office, or of the fund, at a time: whoever asks for more waits, and nobody else with him
OFFICE_WORDS, FUND_WORDS = ("upload", "approve"), ("receive", "prepare", "send")  # any of them
OF_SCAN = ("MALWARE", "NOT_SCANNED")
# The same ZIP is to be read to its end, whatever the fund has decided on since: only the scan counts.
EVERYTHING: archives.Policy = dict.fromkeys(CHECKS, "ignore")


class Later(Refused):
    """What was asked for will be possible in a few minutes."""

    status = 409


# ── before bytes are used ──


def require_usable_or_rescan(actor: Actor, transfer: Transfer, needs: Needs) -> None:
    """Refused for what can't be used as quarantine.why_not says; Later, and scanned again, when its scan is too old or
    missing while the scanner answers: that the fund allows 未検査 is for when nothing can look.

    Call before the verb's transaction, so that the asking lasts although the verb doesn't. Inside one it refuses as
    well, and the worker, which scans ahead, is left to see to it.
    """
    require_still(actor, transfer, needs)
    row = Inspection.get(Inspection.transfer == transfer)
    if not scanner.is_configured():
        return
    if _is_old(row, actor.at):
        days = settings.get("rescan_days")
        why = f"ウイルス検査から{days}日を過ぎたため、新しい定義ファイルでウイルス検査をやり直しています。"
    elif _is_missing(row, actor.at) and scanner.health().is_up:
        why = "ウイルス検査がまだ済んでいないため、いま検査しています。"
    else:
        return
    with db.atomic():
        if _live_of(transfer).count() < MOST_ASKED:
            _ask(transfer.id)
    raise Later(f"{why}数分後にもう一度操作してください。")


def require_still(actor: Actor, transfer: Transfer, needs: Needs) -> None:
    """The same without a look at the age, for inside a transaction: a scan may have ended meanwhile."""
    sentence = quarantine.why_not(transfer, needs, actor, Inspection.get(Inspection.transfer == transfer))
    if sentence:
        raise Refused(sentence)


def _is_old(inspection: Inspection, at: datetime) -> bool:
    return inspection.finished_at is not None and inspection.finished_at <= at - scan_ages.lasts()


def _is_missing(inspection: Inspection, at: datetime) -> bool:
    """Nobody has looked, and looking again may help; not where it has just failed, with the scanner there."""
    if inspection.state not in ("passed", "warned"):
        return False
    why = _why_away(inspection)
    has_rested = inspection.finished_at is not None and inspection.finished_at <= at - scan_ages.AGAIN
    return why == "unreachable" or (why == "broken" and has_rested)


def _why_away(inspection: Inspection) -> str | None:
    return "unreachable" if inspection.scan is None else inspection.scan.get("why")


def _was_away(inspection: Inspection) -> bool:
    """Whether the scanner didn't look, and looking again may help; a file that was too big for it stays so."""
    return _why_away(inspection) in ("unreachable", "broken")


# ── asking ──


def may_ask(actor: Actor, transfer: Transfer, held: frozenset[str]) -> bool:
    """Whether an actor with these words could ask for another scan: for the button, which stays while it is too early,
    so that its refusal can say from when.
    """
    words = OFFICE_WORDS if actor.office is not None else FUND_WORDS
    return not held.isdisjoint(words) and not _why_not_ask(transfer)


def ask_rescan(actor: Actor, transfer: Transfer) -> None:
    """「ウイルス検査をやり直す」: at once, on either side, for whoever works with the transfer there."""
    words = OFFICE_WORDS if actor.office is not None else FUND_WORDS
    if permissions.held(actor).isdisjoint(words):
        permissions.refuse(actor, words[0])
    places = [actor.membership] if actor.membership else []
    if not Transfer.select().where(Transfer.id == transfer.id, Transfer.known_at(*places)).exists():
        permissions.refuse(actor, words[0])
    sentence = _why_not_ask(transfer) or _too_early(transfer, actor.at)
    if sentence:
        raise Refused(sentence)
    with db.atomic():
        if _live_of(transfer).count() >= MOST_ASKED:
            raise Refused(MANY_UNDER_WAY)
        if not _ask(transfer.id):
            raise Refused(UNDER_WAY)
        audit.record(actor, f"{transfer.direction}.rescan_asked", transfer.uid, transfer.office)


UNDER_WAY = "ウイルス検査は、いまやり直しています。終わるまでお待ちください。"
MANY_UNDER_WAY = "ほかのファイルのウイルス検査をやり直しています。終わってから、もう一度押してください。"


def _why_not_ask(transfer: Transfer) -> str:
    if not scanner.is_configured():
        return "ウイルス検査の仕組みが設定されていないため、やり直せません。サーバーの担当者へご連絡ください。"
    row = Inspection.get(Inspection.transfer == transfer)
    if not row.is_over:
        return "検査が終わっていません。終わるまでお待ちください。"
    if row.state == "failed" and row.scan is None:  # it could not be opened: nor could it the next time
        return "不備があり、中のファイルを読めないため、ウイルス検査はできません。直したものを登録してください。"
    if transfer.stored.erased_at is not None:
        return "ファイルはすでに消去されているため、検査できません。"
    return UNDER_WAY if under_way(transfer) else ""


def _too_early(transfer: Transfer, at: datetime) -> str:
    """Soon after a scan another one finds nothing else; one that didn't come about may be repeated at once."""
    row = Inspection.get(Inspection.transfer == transfer)
    if row.finished_at is None or _was_away(row):
        return ""
    # The next whole minute, since no seconds are told.
    rested_at = row.finished_at + scan_ages.AGAIN + timedelta(minutes=1, microseconds=-1)
    earliest = rested_at.replace(second=0, microsecond=0)
    if at >= earliest:
        return ""
    return (
        "ウイルス検査は、終わったばかりです。定義ファイルが新しくなるまで、結果は変わりません。"
        f"やり直すときは、{calendar.japan(earliest):%H:%M}からできます。"
    )


def under_way(transfer: Transfer) -> Job | None:
    """The job that scans it again, while it waits or runs."""
    return _live(transfer.id).order_by(Job.id.desc()).first()


def _live(transfer_id: int) -> Any:
    return Job.select().where(Job.kind == KIND, Job.subject == str(transfer_id), Job.state << jobs.LIVE)


def _live_of(transfer: Transfer) -> Any:
    """Scans on their way of what the same side has made: the transfers of its office, or those of the fund."""
    ids = Transfer.select(Transfer.id.cast("TEXT")).where(
        Transfer.direction == transfer.direction, Transfer.office == transfer.office
    )
    return Job.select().where(Job.kind == KIND, Job.state << jobs.LIVE, Job.subject << ids)


def _ask(transfer_id: int) -> bool:
    """One job for a transfer, not two; False when one is on its way already. Inside a transaction."""
    if _live(transfer_id).exists():
        return False
    jobs.enqueue(KIND, str(transfer_id))
    return True


def rescan_old(at: datetime) -> None:
    """Have scanned what would soon be too old, and what could not be scanned so far: a chore, a few at a time.

    What is over and done with is scanned when somebody wants it.
    """
    if not scanner.is_configured():
        return
    live = Job.select().where(Job.kind == KIND, Job.state << jobs.LIVE).count()
    free = max(1, ROUND - live)  # however much people ask for, it goes on
    due = [transfer_id for (transfer_id,) in _due(at).limit(free).tuples()]
    if not due or not scanner.health().is_up:
        return
    with db.atomic():
        for transfer_id in due:
            _ask(transfer_id)


def _due(at: datetime) -> Any:
    """Ids of transfers, those first whose scan is oldest."""
    lasts = scan_ages.lasts()
    ahead = min(timedelta(days=1), lasts / 4)
    has_old = Inspection.finished_at < at - lasts + ahead
    has_old |= Inspection.has_virus() & (Inspection.finished_at < at - scan_ages.ALARM)
    # Where clamd's limits are smaller than the file, only time may mend it.
    has_none = Inspection.scan.is_null() | (fn.json_extract(Inspection.scan, "$.why") << ("unreachable", "broken"))
    mine = Job.subject == Inspection.transfer.cast("TEXT")
    asked = scan_ages.asked(at, KIND).where(mine)
    lately = Job.select().where(Job.kind == KIND, mine, Job.created_at > at - scan_ages.AGAIN)
    return (
        Transfer.select(Transfer.id)
        .join(Inspection, on=(Inspection.transfer == Transfer.id))
        .where(scan_ages.concerns(at), Inspection.state << ("passed", "warned", "quarantined"), has_old | has_none)
        .where(~fn.EXISTS(asked), ~fn.EXISTS(lately))
        .order_by(Inspection.finished_at)
    )


# ── the job ──


def rescan(actor: Actor, transfer_id: int, limits: archives.Limits, progress: Callable[[int, int], None]) -> None:
    """Scan one transfer again; nothing where its inspection isn't over or there is no scanner any more."""
    transfer = Transfer.get_by_id(transfer_id)
    before = transfer.inspection
    if not before.is_over or not scanner.is_configured() or transfer.stored.erased_at is not None:
        return
    password = archive_passwords.reveal(transfer.archive_password)
    limits = as_once_read(transfer, limits)
    found = judging.judge(transfer.stored, password, limits, EVERYTHING, scanner.address(), progress)
    scan = found.scan or _unreadable(found.inspection)
    _conclude(actor, transfer, before, scan, [one for one in found.inspection.findings if one.code in OF_SCAN])


def as_once_read(transfer: Transfer, limits: archives.Limits) -> archives.Limits:
    """The limits for a ZIP that is here already: what was read whole once is read again, whatever was set since."""
    unpacked = sum(entry["size"] for entry in transfer.inspection.entries if entry["sha256"])
    return replace(limits, packed=transfer.size, unpacked=max(limits.unpacked, unpacked))


def give_up(actor: Actor, transfer_id: int) -> None:
    """It could not be scanned, whatever was tried: from here on it counts as not scanned."""
    transfer = Transfer.get_by_id(transfer_id)
    if transfer.inspection.is_over:
        _conclude(actor, transfer, transfer.inspection, scan_ages.not_scanned("broken"), [])


def _unreadable(inspection: archives.Inspection) -> scanner.Scan:
    """Of a ZIP that could not be read to its end."""
    codes = {finding.code for finding in inspection.findings}
    return scan_ages.not_scanned("too_big" if "TOO_BIG" in codes else "broken")


def _conclude(actor: Actor, transfer: Transfer, before: Inspection, scan: scanner.Scan, found: list[Finding]) -> None:
    """Write what came out, and tell who has to know. Where somebody else has written since `before`, that stands; but
    malware that was found is never lost to it.
    """
    actor = replace(actor, at=max(actor.at, utc_now()))  # when it ended, not when it began
    with db.atomic():  # which keeps every other writer out, so that the row is still so when it is written
        row = Inspection.get(Inspection.transfer == transfer)
        is_overtaken = (row.state, row.finished_at) != (before.state, before.finished_at)
        if is_overtaken and not scanner.is_found(scan):
            return
        columns = _columns(row, scan, found, actor.at)
        Inspection.update(**columns).where(Inspection.id == row.id).execute()
        if scan_ages.is_news(row.scan, columns.get("scan")):
            facts = scan_ages.told(scan, found="quarantined")
            audit.record(actor, f"{transfer.direction}.rescanned", transfer.uid, transfer.office, **facts)
        _tell(Transfer.get_by_id(transfer.id), row.state, columns["state"])


def _columns(before: Inspection, scan: scanner.Scan, found: list[Finding], at: datetime) -> dict[str, Any]:
    """What the row says from now on."""
    if scan["verdict"] == "not_scanned":
        if before.state == "quarantined" or (_is_clean(before) and not _is_old(before, at)):
            return {"state": before.state}  # what was found stands until a scan says otherwise; clean, until it is old
        if before.state == "failed":
            return {"state": before.state, "finished_at": at}
        found = found or [make_finding("NOT_SCANNED")]
    elif before.state == "quarantined" and _knows_less(scan, before.scan):
        return {"state": before.state}  # only signatures that are as new may call it a false alarm, or something else
    elif scanner.is_found(scan):
        found = found or [make_finding("MALWARE", None, name) for name in scan["found"]]
    rest = [one for one in before.findings if not _is_of_scan(one)]
    findings = rest + [asdict(one) for one in found]
    return {"state": _state(before, scan, rest, found), "scan": scan, "findings": findings, "finished_at": at}


def _knows_less(scan: scanner.Scan, earlier: scanner.Scan | None) -> bool:
    """Whether its signatures are older than those of the earlier scan, or of no date where those had one."""
    return earlier is not None and scan["signatures_at"] < earlier["signatures_at"]


def _state(before: Inspection, scan: scanner.Scan, rest: list[dict[str, Any]], found: list[Finding]) -> str:
    """Of what was found at the inspection nothing is weighed anew, even where the fund would now decide otherwise."""
    if scanner.is_found(scan):
        return "quarantined"
    was_refused = before.state == "quarantined" and any(_weight(one) == "reject" for one in rest)
    if before.state == "failed" or was_refused:
        return "failed"
    return "warned" if rest or found else "passed"


def _weight(finding: dict[str, Any]) -> str:
    return finding.get("severity") or CODES[finding["code"]]


def _is_of_scan(finding: dict[str, Any]) -> bool:
    return finding["code"] in OF_SCAN and not inspections.is_could_not(finding)


def _is_clean(inspection: Inspection) -> bool:
    return bool(inspection.scan and inspection.scan["verdict"] == "clean")


def _tell(transfer: Transfer, before: str, after: str) -> None:
    if before == after:
        return
    if after == "quarantined":
        outbox.quarantined(transfer)
    elif before == "quarantined":
        told = outbox.quarantine_ended(transfer)
        if after != "failed" and transfer.is_filing and transfer.state == "uploaded":
            outbox.approval_wanted(transfer, told)  # who could not approve it can now
