"""Whether the bytes of a transfer may be used as its inspection stands now, and the sentences for when they may not;
what each side does about a virus.
"""

from enum import IntEnum

from exchange import scanner, settings
from exchange.actors import Actor
from models import ARRIVED_AT_FUND, FILING, STATEMENT, Inspection, Transfer


class Needs(IntEnum):
    """What must be known of a transfer's inspection before something is done with it; each asks for what stands before
    it as well.
    """

    NOTHING = 0
    UNHARMED = 1  # that no virus is known of
    SCANNED = 2  # that the scanner, where there is one, has had its turn, whatever was said of the ZIP itself
    INSPECTED = 3  # an inspection that is over, and without defects


NOT_OVER = "検査が終わっていないため、まだできません。検査が終わってから、もう一度操作してください。"
REFUSED = (
    "検査で不備が見つかったため、承認も配信もできません。"
    "検査の結果を確かめ、「取消」で取り下げてから、直したものを登録してください。"
)

# ── what to do about a virus: the most urgent first, and that it may be a false alarm before what can't be undone ──

_SAVED = "保存したファイルがあれば、開かずに削除してください。"
_OPENED = "開いた方がいるときは、そのPCの通信を切り、システム担当者に知らせて、ウイルス対策ソフトで点検してください。"
_AGAIN = "取り下げたあとは、PCの点検が済んでから、直したものを新しくアップロードしてください。"
_MAKER = "点検では、送ったファイルを作ったPCと元のファイルを、ウイルス対策ソフトで確かめてください。"
_FALSE = "まちがい（誤検知）だと思われるときは、"
_OTHERWISE = "そうでないときは、"
_CALLS = "受付番号を添えて基金事務局へご連絡ください。"
_CLEARED = "新しい定義ファイルでの検査で異常がなければ、隔離は解かれます。"
# The fund doesn't see what is not delivered yet, so that the office itself has it looked at again.
_OFFICE_LOOKS = "翌日など、定義ファイルが新しくなってから、画面の「ウイルス検査をやり直す」を押してください。"
_OFFICE_CLEARED = (
    "やり直した検査で異常がなければ、隔離は解かれます。"
    "変わらないときは、受付番号とウイルスの名前を添えて基金事務局へご連絡ください。"
)
_FUND_LOOKS = "画面の「ウイルス検査をやり直す」で確かめてください。"
_FUND_CLEARED = (
    "「ウイルス検査をやり直す」は、定義ファイルが新しくなってから押してください。異常がなければ、隔離は解かれます。"
)
_FUND_MAKER = "添付した元のファイルと、作成に使ったPCを、ウイルス対策ソフトで点検してください。"
_NEW_ONE = "帳票は、基金が作り直してお届けします。お急ぎのときは、受付番号を添えて基金事務局へご連絡ください。"


def _office_takes_back(how: str) -> tuple[str, ...]:
    return (
        f"{_FALSE}取り消さずに、{_OFFICE_LOOKS}{_OTHERWISE}{how}で取り下げてください。",
        _AGAIN,
        _MAKER,
        _OFFICE_CLEARED,
    )


def _fund_takes_back(how: str) -> tuple[str, ...]:
    anew = f"{how}で取り下げ、点検が済んでから作り直してください。"
    return (f"{_FALSE}取り消す前に、{_FUND_LOOKS}{_OTHERWISE}{anew}", _FUND_MAKER, _FUND_CLEARED)


_CANCEL, _RECALL = "「取消」", "「引き戻し」のあと「取消」"
_OFFICE_IS_LEFT = (
    f"{_SAVED}受付番号を添えて、基金事務局へご連絡ください。",
    _MAKER,
    _OPENED,
    f"{_FALSE}そのこともお伝えください。{_CLEARED}",
)
_OFFICE_MAKES_ANEW = (
    "PCの点検が済んでから、直したものを新しくアップロードしてください。",
    _MAKER,
    f"{_FALSE}{_CALLS}{_CLEARED}",
)
_FUND_KEEPS = (_SAVED, _OPENED, f"{_FALSE}{_FUND_LOOKS}{_CLEARED}")

OFFICE, FUND = "office", "fund"
_STEPS: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    (OFFICE, FILING): {
        "uploaded": _office_takes_back(_CANCEL),
        "approved": _office_takes_back(_CANCEL),
        "delivered": _office_takes_back(_RECALL),
        "received": _OFFICE_IS_LEFT,
        "completed": _OFFICE_IS_LEFT,
        "rejected": _OFFICE_MAKES_ANEW,
        "returned": _OFFICE_MAKES_ANEW,
        "cancelled": _OFFICE_MAKES_ANEW,
    },
    (FUND, FILING): {
        "delivered": (
            "受付番号を添えて、事業所へ電話などで知らせてください。受領の前なら、事業所が引き戻して取り消せます。",
            f"{_FALSE}不受理にする前に、{_FUND_LOOKS}",
            "事業所が引き戻さないときは、「受領して開く」のあと「不受理」にしてください。受領しても、ファイルは開かれません。",
            "点検は、事業所にお願いしています。",
            _FUND_CLEARED,
        ),
        "received": (
            f"{_FALSE}不受理にする前に、{_FUND_LOOKS}{_OTHERWISE}「不受理」にして、事業所に出し直しを依頼してください。",
            _SAVED,
            _OPENED,
            _FUND_CLEARED,
        ),
        "completed": _FUND_KEEPS,
        "rejected": _FUND_KEEPS,
    },
    (FUND, STATEMENT): {
        "uploaded": _fund_takes_back(_CANCEL),
        "approved": _fund_takes_back(_CANCEL),
        "delivered": _fund_takes_back(_RECALL),
        "requested": _fund_takes_back(_RECALL),
        "received": (
            "事業所はすでに受け取っています。開かずに削除し、PCを点検するよう、すぐに電話などで知らせてください。",
            f"{_FALSE}{_FUND_LOOKS}{_CLEARED}",
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


# ── what is possible again once it was a false alarm ──

_BACK_AT_FUND = "事業所が引き戻したため、いまは基金の画面に表示されません。"
_BACK_AT_OFFICE = "基金が引き戻したため、いまは事業所の画面に表示されません。"
_FUND_OPENS, _OFFICE_GETS = "基金が、またファイルを開けます。", "事業所が、また受け取れます。"
_DOWNLOADS, _OPENS = "またダウンロードできます。", "またファイルを開けます。"
_POSSIBLE: dict[tuple[str, str], dict[str, str]] = {
    (OFFICE, FILING): {
        "uploaded": "また承認できます。",
        "approved": "また配信できます。",
        "delivered": "基金が、また受領して開けます。",
        **dict.fromkeys(("received", "completed", "rejected"), _FUND_OPENS),
        **dict.fromkeys(("returned", "cancelled"), _DOWNLOADS),
    },
    (FUND, FILING): {
        "delivered": "また受領して開けます。",
        **dict.fromkeys(("received", "completed", "rejected"), _OPENS),
    },
    (FUND, STATEMENT): {
        "uploaded": "また承認できます。",
        "approved": "また配信できます。",
        **dict.fromkeys(("delivered", "requested", "received"), _OFFICE_GETS),
        "cancelled": _DOWNLOADS,
    },
    (OFFICE, STATEMENT): {
        "delivered": "また受取要求ができます。",
        "requested": _DOWNLOADS,
        "received": "また受取要求ができます。",
    },
}
_OTHER_DEFECTS = "ただし、ウイルスのほかに不備が見つかっています。検査の結果を確かめてください。"


def possible_again(transfer: Transfer, side: str) -> str:
    """What the office or the fund can do again, as transfer and inspection stand now."""
    if transfer.inspection.state == "failed":
        return _OTHER_DEFECTS
    return _POSSIBLE[side, transfer.direction].get(transfer.state, _BACK_AT_FUND if side == FUND else _BACK_AT_OFFICE)


# ── what to do where nobody has scanned it, and the fund lets nothing be used that was not scanned ──

_SPLIT_IT = "ファイルをいくつかのZIPに分けて、登録し直してください。"
_SENT_SPLIT = "「不受理」にして、いくつかのZIPに分けて出し直すよう、事業所に依頼してください。"
_ONLY_RECEIVED = "受領しても、ファイルは開かれません。"
_SERVER = "サーバーの担当者へご連絡ください。"
_FUND = "受付番号を添えて、基金事務局へご連絡ください。"
_TOO_BIG: dict[tuple[str, str], dict[str, str]] = {
    (OFFICE, FILING): {
        **dict.fromkeys(("uploaded", "approved"), f"{_CANCEL}で取り下げ、{_SPLIT_IT}"),
        "delivered": f"{_RECALL}で取り下げ、{_SPLIT_IT}",
    },
    (FUND, FILING): {
        "delivered": f"「受領して開く」のあと{_SENT_SPLIT}{_ONLY_RECEIVED}",
        "received": _SENT_SPLIT,
    },
    (FUND, STATEMENT): {
        **dict.fromkeys(("uploaded", "approved"), f"{_CANCEL}で取り下げ、{_SPLIT_IT}"),
        **dict.fromkeys(("delivered", "requested"), f"{_RECALL}で取り下げ、{_SPLIT_IT}"),
    },
    (OFFICE, STATEMENT): {},
}
_TRIED = "検査は自動でやり直しています。しばらくしてから、もう一度操作してください。"
_RECEIVABLE = f"受領だけは、いまでもできます。{_ONLY_RECEIVED}"


def _held(transfer: Transfer, row: Inspection, side: str) -> str:
    """Why nothing can be done, what that is for this side, and what to do."""
    can_receive = _RECEIVABLE if side == FUND and transfer.is_filing and transfer.state == "delivered" else ""
    if not scanner.is_configured():
        because = "ウイルス検査の仕組みが設定されていないため"
        step = f"基金は、未検査のファイルを認めない設定にしています。{can_receive}{_SERVER if side == FUND else _FUND}"
    elif row.scan is None and row.state == "failed":
        because, step = "ZIPを開けず、ウイルス検査ができないため", "直したものを登録してください。"
    elif row.scan and row.scan.get("why") == "too_big":
        because = "大きすぎてウイルス検査ができないため"
        step = _TOO_BIG[side, transfer.direction].get(transfer.state, _SERVER if side == FUND else _FUND)
    else:
        because, step = "ウイルス検査がまだ済んでいないため", _TRIED + can_receive
    return f"{because}、{_cannot(transfer, side)}。{step}"


def _cannot(transfer: Transfer, side: str) -> str:
    if transfer.state in ("uploaded", "approved"):
        return "承認・配信・ダウンロードはできません"
    if transfer.is_filing and side == FUND:
        return "ZIPも、その中のファイルも開けません"
    if side == FUND and transfer.state in ("delivered", "requested"):
        return "事業所はダウンロードできません"
    return "ダウンロードはできません"


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
    if needs < Needs.SCANNED:
        return ""
    return _not_scanned(transfer, row, _reader(transfer, actor), is_strict() if strict is None else strict)


def _reader(transfer: Transfer, actor: Actor | None) -> str:
    """Whose the sentence is: of what hasn't come to the fund yet only the office can read one."""
    return OFFICE if transfer.is_filing and transfer.state not in ARRIVED_AT_FUND else side_of(actor)


def _quarantined(transfer: Transfer, actor: Actor | None) -> str:
    step = what_to_do(transfer, _reader(transfer, actor))[0]
    return f"受付番号 {transfer.receipt_number} は、検査でウイルスが見つかったため隔離しています。{step}"


def _not_inspected(row: Inspection) -> str:
    if not row.is_over:
        return NOT_OVER
    return REFUSED if row.state == "failed" else ""


def _not_scanned(transfer: Transfer, row: Inspection, side: str, strict: bool) -> str:
    """Why it waits for the scanner; where the fund wants everything scanned, also that it was not, and what to do."""
    if not row.is_over and scanner.is_configured():
        return NOT_OVER
    if not strict or (row.scan and row.scan["verdict"] != "not_scanned"):
        return ""
    return _held(transfer, row, side)
