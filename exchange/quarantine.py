"""Whether the bytes of a transfer may be used as its inspection stands now, and the sentences for when they may not;
what each side does about a virus.
"""

from enum import IntEnum

from exchange import scanner, settings
from exchange.actors import Actor
from models import FILING, STATEMENT, Inspection, Transfer


class Needs(IntEnum):
    """What must be known of a transfer's inspection before something is done with it; each asks for what stands before
    it as well.
    """

    NOTHING = 0
    UNHARMED = 1  # that no virus is known of
    SCANNED = 2  # that the scanner, where there is one, has had its turn, whatever was said of the ZIP itself
    INSPECTED = 3  # an inspection that is over, and without defects


NOT_OVER = "検査が終わっていないため、まだできません。検査が終わってから、もう一度操作してください。"
REFUSED = "検査で不備が見つかったため、承認も配信もできません。検査結果をご確認のうえ、直したものを登録してください。"
NO_SCANNER = (
    "ウイルス検査の仕組みが設定されていないため、承認・配信・ダウンロードはできません"
    "（基金が、未検査のファイルを認めない設定にしています）。基金事務局へご連絡ください。"
)
WAITS = (
    "ウイルス検査がまだ済んでいないため、承認・配信・ダウンロードはできません。"
    "検査は自動でやり直しています。しばらくしてから、もう一度操作してください。"
)
TOO_BIG = (
    "大きすぎてウイルス検査ができないため、承認・配信・ダウンロードはできません。"
    "ファイルをいくつかのZIPに分けて、登録し直してください。"
)
UNREADABLE = "ZIPを開けず、ウイルス検査ができないため、ダウンロードできません。直したものを登録してください。"

# ── what to do about a virus: the most urgent first ──

_SAVED = "保存したファイルがあれば、開かずに削除してください。"
_OPENED = "開いた方がいるときは、そのPCの通信を切り、システム担当者に知らせて、ウイルス対策ソフトで点検してください。"
_AGAIN = "PCの点検が済んでから、作り直したZIPを新しくアップロードしてください。"
_MAKER = "点検では、ZIPを作ったPCと元のファイルを、ウイルス対策ソフトで確かめてください。"
_ALARM = (
    "まちがいだと思われるときは、基金事務局へご連絡ください。新しい定義ファイルの検査で異常がなければ、"
    "隔離は解かれます。"
)
_FUND_MAKER = "添付した元のファイルと、作成に使ったPCを、ウイルス対策ソフトで点検してください。"
_NEW_ONE = "帳票は、基金が作り直してお届けします。お急ぎのときは、受付番号を添えて基金事務局へご連絡ください。"

_OFFICE_TAKES_BACK = (f"「取消」で取り下げてください。{_AGAIN}", _MAKER, _ALARM)
_OFFICE_IS_LEFT = (f"{_SAVED}受付番号を添えて、基金事務局へご連絡ください。", _MAKER, _OPENED, _ALARM)
_OFFICE_MAKES_ANEW = (_AGAIN, _MAKER, _ALARM)
_FUND_WAITS = (
    "まだ配信されていないため、基金の画面には表示されません。事業所には、点検をお願いするメールを送りました。",
)
_FUND_TAKES_BACK = ("「取消」で取り下げ、点検が済んでから作り直してください。", _FUND_MAKER)
_FUND_RECALLS = ("「引き戻し」のあと「取消」で取り下げ、点検が済んでから作り直してください。", _FUND_MAKER)

OFFICE, FUND = "office", "fund"
_STEPS: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    (OFFICE, FILING): {
        "uploaded": _OFFICE_TAKES_BACK,
        "approved": _OFFICE_TAKES_BACK,
        "delivered": (f"「引き戻し」のあと「取消」で取り下げてください。{_AGAIN}", _MAKER, _ALARM),
        "received": _OFFICE_IS_LEFT,
        "completed": _OFFICE_IS_LEFT,
        "rejected": _OFFICE_MAKES_ANEW,
        "returned": _OFFICE_MAKES_ANEW,
        "cancelled": _OFFICE_MAKES_ANEW,
    },
    (FUND, FILING): {
        "uploaded": _FUND_WAITS,
        "approved": _FUND_WAITS,
        "returned": _FUND_WAITS,
        "cancelled": _FUND_WAITS,
        "delivered": (
            "受付番号を添えて、事業所へ電話などで知らせてください。受領の前なら、事業所が引き戻して取り消せます。",
            "事業所が引き戻さないときは、「受領して開く」のあと「不受理」にしてください。受領しても、ファイルは開かれません。",
            "点検は、事業所にお願いしています。",
        ),
        "received": ("「不受理」にして、事業所に出し直しを依頼してください。", _SAVED, _OPENED),
        "completed": (_SAVED, _OPENED),
        "rejected": (_SAVED, _OPENED),
    },
    (FUND, STATEMENT): {
        "uploaded": _FUND_TAKES_BACK,
        "approved": _FUND_TAKES_BACK,
        "delivered": _FUND_RECALLS,
        "requested": _FUND_RECALLS,
        "received": (
            "事業所はすでに受け取っています。開かずに削除し、PCを点検するよう、すぐに電話などで知らせてください。",
            "点検が済んでから、帳票を作り直してください。",
            _FUND_MAKER,
        ),
        "cancelled": ("点検が済んでから、帳票を作り直してください。", _FUND_MAKER),
    },
    (OFFICE, STATEMENT): {
        "delivered": (_SAVED, _NEW_ONE, _OPENED),  # it may have been received before: its window closed since
        "requested": (_SAVED, _NEW_ONE, _OPENED),
        "received": (_SAVED, _OPENED, _NEW_ONE),
    },
}


def side_of(actor: Actor | None) -> str:
    """OFFICE or FUND, whose the sentences are."""
    return FUND if actor is None or actor.office is None else OFFICE


def what_to_do(transfer: Transfer, side: str) -> tuple[str, ...]:
    """Whole sentences for the office or the fund, as the transfer stands now; the first is what can't wait."""
    return _STEPS[side, transfer.direction].get(transfer.state, (_SAVED, _OPENED))


# ── whether it may be used ──


def is_strict() -> bool:
    """Whether the fund lets nothing be used that was not scanned."""
    return bool(settings.get("unscanned") == "refuse")


def why_not(
    transfer: Transfer,
    needs: Needs,
    actor: Actor | None = None,
    inspection: Inspection | None = None,
    strict: bool | None = None,
) -> str:
    """Why nobody can do now what needs that, for whoever acts; "" when it can be done.

    strict: `is_strict`, where it was asked for many already. How old the scan is, is not asked here.
    """
    if needs == Needs.NOTHING:
        return ""
    row = inspection or transfer.inspection
    if row.state == "quarantined":
        return _quarantined(transfer, actor)
    if needs == Needs.INSPECTED and (sentence := _not_inspected(row)):
        return sentence
    return _not_scanned(row, is_strict() if strict is None else strict) if needs >= Needs.SCANNED else ""


def _quarantined(transfer: Transfer, actor: Actor | None) -> str:
    step = what_to_do(transfer, side_of(actor))[0]
    return f"受付番号 {transfer.receipt_number} は、検査でウイルスが見つかったため隔離しています。{step}"


def _not_inspected(row: Inspection) -> str:
    if not row.is_over:
        return NOT_OVER
    return REFUSED if row.state == "failed" else ""


def _not_scanned(row: Inspection, strict: bool) -> str:
    """Why it waits for the scanner; where the fund wants everything scanned, also that it was not, and what to do."""
    if not row.is_over and scanner.is_configured():
        return NOT_OVER
    if not strict or (row.scan and row.scan["verdict"] != "not_scanned"):
        return ""
    if not scanner.is_configured():
        return NO_SCANNER
    if row.scan is None and row.state == "failed":
        return UNREADABLE
    return TOO_BIG if row.scan and row.scan.get("why") == "too_big" else WAITS
