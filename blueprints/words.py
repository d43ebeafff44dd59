"""What every template knows: the fund's names, the visitor and the menu, labels of states, dates and sizes in
Japanese.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, request, url_for
from flask_login import current_user

from blueprints import findings, guards, opening, zones
from exchange import calendar, normalise, scanner, settings
from exchange.activation_facts import End
from models import STATEMENT, Inspection

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"
VERSION = re.search(r"^## (\S+)", CHANGELOG.read_text(), re.MULTILINE)[1]  # the newest release stands first

STATE_LABELS = {
    "filing": {
        "uploaded": "承認待ち",
        "unusable": "要修正",
        "approved": "配信待ち",
        "delivered": "配信済",
        "quarantined": "隔離",
        "received": "受領済",
        "completed": "処理完了",
        "rejected": "不受理",
        "returned": "差戻し",
        "replaced": "出し直し済",
        "cancelled": "取消",
        "expired": "期限切れ",
    },
    "statement": {
        "uploaded": "確認待ち",
        "unusable": "検査で不備",
        "approved": "配信待ち",
        "delivered": "配信済",
        "requested": "受取要求済",
        "quarantined": "隔離",
        "received": "受取済",
        "cancelled": "取消",
        "expired": "期限切れ",
    },
}
DEVICE_LABELS = {
    "vacant": "未使用",
    "issued": "インストーラー発行済",
    "downloaded": "ダウンロード済",
    "requested": "有効化待ち",
    "active": "有効",
    "stopped": "停止",
}
VOIDED = {  # why nothing came of a confirmation code (exchange/activation_facts.py)
    "newer": "新しい確認コード（受付番号 {number}）が届いたため",
    "stopped": "端末の停止のため",
    "replaced": "PCの入れ替えのため",
    "kept": "PCの入れ替えが取りやめられたため",
    "by_hand": "確認コードなしで有効化されたため",
    "unknown": "新しい確認コードが届いたか、端末が停止または入れ替えられたため",
}
INSPECTION_LABELS = {
    "waiting": "検査待ち",
    "running": "検査中",
    "passed": "検査済",
    "warned": "検査済（注意あり）",
    "failed": "検査で不備",
    "quarantined": "隔離",
}
NO_SCANNER = "ウイルス検査の仕組みが設定されていません"
# Why nothing was scanned (Inspection.scan and its like, under "why"), and what comes of it.
UNSCANNED = {
    "unreachable": "検査プログラムにつながりません。自動でやり直します",
    "too_big": "大きすぎて検査できません",
    "broken": "検査プログラムが終わりまで答えませんでした。自動でやり直します",
}
SCAN_WORDS = {"clean": "ウイルス検査済", "found": "ウイルス検出", "not_scanned": "ウイルス未検査"}
# (endpoint, label), under headings; an empty heading stands for none.
WORK = (("home.index", "ホーム"), ("files.outgoing", "届書の送信"), ("files.incoming", "帳票の受取"))
ADMIN_MENU = {
    "": WORK,
    "メンテナンス": (
        ("office.maintenance", "利用者情報修正(事業所)"),
        ("users.index", "利用者情報修正(ユーザ)"),
        ("devices.index", "端末"),
        ("account.index", "ご自身の登録"),
        ("audit.index", "操作の記録"),
        ("office.progress", "導入の進み具合"),
        ("handovers.index", "管理者の引継ぎ"),
    ),
}
OFFICE_MENU = {
    "": WORK,
    "メンテナンス": (
        ("office.maintenance", "利用者情報修正(事業所)"),
        ("account.index", "利用者情報修正(ユーザ)"),
        ("office.progress", "導入の進み具合"),
    ),
}
FUND_MENU = {
    "": (
        ("home.index", "ホーム"),
        ("inbox.index", "受信箱（届書）"),
        ("statements.index", "帳票の配信"),
        ("offices.index", "事業所と利用者"),
        ("devices.index", "端末の一覧"),
        ("audit.index", "操作の記録"),
    ),
    "導入": (
        ("registrations.index", "届出受付"),
        ("letters.index", "お知らせの発行"),
        ("documents.index", "手順書の掲載"),
        ("progress.index", "導入の進み具合"),
    ),
    "メンテナンス": (
        ("users.index", "職員の管理"),
        ("account.index", "ご自身の登録"),
        ("settings.index", "基金の設定"),
        ("status.index", "稼働状況"),
    ),
}
DESK_MENU = {
    "": (
        ("home.index", "ホーム"),
        ("activations.index", "端末の有効化"),
        ("desk.index", "事業所と端末"),
        ("devices.index", "端末の一覧"),
        ("offices.index", "事業所と利用者"),
        ("audit.index", "操作の記録"),
    ),
    "メンテナンス": (("account.index", "ご自身の登録"),),
}


def teach(app: Flask) -> None:
    app.context_processor(_facts)
    app.add_template_filter(_jst, "jst")
    app.add_template_filter(_jst_date, "jst_date")
    app.add_template_filter(_jst_both, "jst_both")
    app.add_template_filter(_bytes, "bytes")
    app.add_template_filter(_limit, "limit")
    app.add_template_filter(_of_bytes, "of_bytes")
    app.add_template_filter(_state_label, "state_label")
    app.add_template_filter(_inspection_label, "inspection_label")
    app.add_template_filter(scan_line, "scan_line")
    app.add_template_filter(_scan_word, "scan_word")
    app.add_template_filter(_finding_counts, "finding_counts")
    app.add_template_filter(DEVICE_LABELS.__getitem__, "device_label")


def _facts() -> dict[str, Any]:
    decided = settings.every()
    names = ("service_name", "fund_name", "fund_contact", "credential_line")
    is_known = current_user.is_authenticated
    return {
        **{name: decided[name] for name in names},
        "fund_notice": decided["notice"],
        "fund_notice_kind": decided["notice_kind"],
        "app_version": VERSION,
        "is_demo": current_app.config["IS_DEMO"](),
        "visitor": current_user if is_known else None,
        "account_title": _account_title() if is_known else "",
        "closing": opening.notice() if zones.keeps_hours(request.endpoint or "") or _is_of_office() else None,
        "auth_url": current_app.config["VPN_BASE_URL"].rstrip("/") + url_for("auth.identity"),
        "menu": _menu() if is_known and not current_user.is_gated else [],
    }


def _is_of_office() -> bool:
    return current_user.is_authenticated and current_user.is_office


def _account_title() -> str:
    """What the menu calls the page about oneself."""
    pages = (page for group in menu_of(current_user.kind).values() for page in group)
    return next(label for endpoint, label in pages if endpoint == "account.index")


def menu_of(kind: str) -> dict[str, tuple[tuple[str, str], ...]]:
    return {"fund": FUND_MENU, "desk": DESK_MENU, "office_admin": ADMIN_MENU}.get(kind, OFFICE_MENU)


def _menu() -> list[dict[str, Any]]:
    """The menu as headings with the pages under them that this person may read."""
    entries = [
        (heading, url_for(endpoint), label)
        for heading, pages in menu_of(current_user.kind).items()
        for endpoint, label in pages
        if guards.may_list(endpoint)
    ]
    here = _here([url for _, url, _ in entries])
    found: dict[str, list[dict[str, Any]]] = {}
    for heading, url, label in entries:
        found.setdefault(heading, []).append({"label": label, "url": url, "current": url == here})
    return [{"heading": heading, "pages": pages} for heading, pages in found.items()]


def _here(urls: list[str]) -> str:
    """The longest address in the menu that begins this page's own: /files/statements before /files/."""
    room = f"{request.path.rstrip('/')}/"
    if current_user.is_office and g.get("direction") == STATEMENT:
        return url_for("files.incoming")
    if "found_in" in g:
        return url_for(g.found_in)
    return max(
        (url for url in urls if url == request.path or (url != "/" and room.startswith(f"{url.rstrip('/')}/"))),
        key=len,
        default="",
    )


def _jst(at: datetime) -> str:
    return f"{calendar.japan(at):%Y/%m/%d %H:%M}"


def _jst_date(at: datetime) -> str:
    return f"{calendar.japan(at):%Y/%m/%d}"


def _jst_both(at: datetime) -> str:
    """2026年11月23日（令和8年） 14:05"""
    local = calendar.japan(at)
    era_year = normalise.era(local.date()).partition("年")[0]
    return f"{local.year}年{local.month}月{local.day}日（{era_year}年） {local:%H:%M}"


def _bytes(size: int) -> str:
    """1,607,507 バイト（1.6 MB）"""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= factor:
            return f"{size:,} バイト（{size / factor:.1f} {unit}）"
    return f"{size:,} バイト"


def _limit(size: int) -> str:
    """約200MB（209,715,200バイト）: a limit, in the units in which Windows shows the size of a file"""
    for unit, factor in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if size >= factor:
            return f"約{size / factor:.0f}{unit}（{size:,}バイト）"
    return f"{size:,}バイト"


def _of_bytes(done: int, total: int) -> str:
    """1.2／4.0 MB"""
    unit, factor = ("MB", 10**6) if total >= 10**6 else ("KB", 10**3)
    return f"{done / factor:.1f}／{total / factor:.1f} {unit}"


def _state_label(state: str, direction: str = "filing") -> str:
    return STATE_LABELS[direction][state]


def _inspection_label(state: str) -> str:
    return INSPECTION_LABELS[state]


def scan_line(scan: dict[str, Any] | None) -> str:
    """What the scanner said of a file, to stand after 「ウイルス検査：」: engine, day of its signatures, moment and
    result, or why there is none. `scan`: as in Inspection, Document and Installer.
    """
    if scan is None:
        return f"未検査（{'まだ検査していません' if scanner.is_configured() else NO_SCANNER}）"
    if scan["verdict"] == "not_scanned":
        return f"未検査（{UNSCANNED[scan.get('why', 'broken')]}）"
    by = f"{scan['engine']} "
    if scan["signatures_at"]:
        by = f"{scan['engine']}（定義ファイル {_jst_date(datetime.fromisoformat(scan['signatures_at']))}）"
    names = "、".join(scan.get("found", ()))
    result = "異常は見つかりませんでした" if scan["verdict"] == "clean" else f"ウイルスが見つかりました：{names}"
    return f"{_jst(datetime.fromisoformat(scan['at']))} に {by}で検査：{result.rstrip('：')}"


def _scan_word(scan: dict[str, Any] | None) -> str:
    """The same in a word, for a list."""
    return SCAN_WORDS["not_scanned" if scan is None else scan["verdict"]]


def _finding_counts(inspection: Inspection) -> str:
    return findings.counted(inspection, current_user.is_office)


def why_void(end: End | None) -> str:
    """Why nothing came of a confirmation code; nothing of one that is open, decided or activated."""
    if end is None:
        return ""
    return VOIDED[end.why].format(number=end.newer.receipt_number if end.newer else "")
