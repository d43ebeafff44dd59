"""A transfer's moves on the screen: verb → noun of its URL, button, the words asked before it is done, and the
sentence that says what comes next.
"""

from collections.abc import Sequence
from typing import Any

from blueprints import findings
from exchange import quarantine, transfers
from exchange.actors import Actor
from exchange.quarantine import Needs
from models import Transfer

NOUNS = {
    "approve": "approval",
    "deliver": "delivery",
    "approve_and_deliver": "approved-delivery",
    "send_back": "return",
    "cancel": "cancellation",
    "recall": "recall",
    "request_pickup": "pickup",
    "download": "download",
    "receive": "opening",
    "complete": "completion",
    "reject": "rejection",
}
VERBS = {noun: verb for verb, noun in NOUNS.items()}
# Of checked rows: the row's state → what is left of the verb for it.
LEFT_OF = {("approve_and_deliver", "approved"): "deliver"}
SIMPLE = {
    "approve": transfers.approve,
    "deliver": transfers.deliver,
    "approve_and_deliver": transfers.approve_and_deliver,
    "cancel": transfers.cancel,
    "recall": transfers.recall,
    "receive": transfers.receive,
    "complete": transfers.complete,
}
DONE = {
    "approve": "承認しました。",
    "deliver": "配信しました。",
    "approve_and_deliver": "承認して配信しました。",
    "send_back": "差し戻しました。登録した人に通知されます。",
    "cancel": "取り消しました。",
    "recall": "引き戻しました。配信待ちに戻っています。",
    "request_pickup": "受取要求をしました。ダウンロードできます。",
    "receive": "受領しました。事業所に通知されます。",
    "complete": "処理完了にしました。",
    "reject": "不受理にしました。理由が事業所の画面に表示されます。",
}
CONFIRM = {
    "deliver": "{what}を、{to}へ配信します。よろしいですか。",
    "approve_and_deliver": "{what}を承認して、{to}へ配信します。よろしいですか。",
    "cancel": "{what}を取り消します。元に戻せません。よろしいですか。",
    "recall": "{what}の配信を取りやめて、配信待ちに戻します。よろしいですか。",
    "complete": "{what}を処理完了にします。よろしいですか。",
    "reject": "{to}の{what}を不受理にします。元に戻せません。よろしいですか。",
}
# Moves for checked rows; there even the harmless ones are asked for.
MANY = ("approve", "deliver", "approve_and_deliver", "send_back", "cancel")
CONFIRM_MANY = {
    **CONFIRM,
    "approve": "{what}を承認します。よろしいですか。",
    "send_back": "{what}を差し戻します。よろしいですか。",
}
DECIDING = ("approve", "deliver", "approve_and_deliver")
WARNED = "検査で注意が{}件あります。検査の結果を読みましたか。\n"
WARNED_MANY = "「注意あり」のものは、検査の結果を読んでから選んでください。\n"
ORDER = list(NOUNS)
# At most one button of a page is solid: the first of these that is possible.
LOUD = ("approve_and_deliver", "deliver", "approve", "download", "request_pickup", "receive", "complete")


def buttons(
    actor: Actor, held: frozenset[str], transfer: Transfer, base: str, to: str, strict: bool | None = None
) -> list[dict[str, Any]]:
    """What this person may do now, in the order of the work. `base`: the transfer's URL; `to`: who would receive it.

    strict: quarantine.is_strict, where it was asked for a whole list.
    """
    able = sorted(transfers.possible(actor, transfer, held, strict), key=ORDER.index)
    loud = LOUD if transfer.inspection.state != "quarantined" else ()  # nothing there is done lightly
    loudest = next((verb for verb in loud if verb in able), None)
    return [
        {
            "verb": NOUNS[verb],
            "label": _label(transfer.direction, verb),
            "url": f"{base}/{NOUNS[verb]}",
            "kind": "danger" if verb in ("cancel", "reject") else "solid" if verb == loudest else "outline",
            "confirm": question(verb, transfer, to) or None,
            "needs_reason": _needs_reason(transfer.direction, verb),
            "delivers": "deliver" in _steps(verb),
            "is_for_many": transfer.is_filing and verb in MANY,
            "gives_file": verb == "download",
        }
        for verb in able
    ]


def question(verb: str, transfer: Transfer, to: str) -> str:
    """What is asked before the verb is done to this transfer; empty for a harmless one."""
    what = f"「{transfer.kind.name}」（受付番号 {transfer.receipt_number}）"
    if verb in DECIDING and transfer.inspection.state == "warned":
        return WARNED.format(_warnings(transfer)) + CONFIRM_MANY[verb].format(what=what, to=to)
    return CONFIRM.get(verb, "").format(what=what, to=to)


def for_many(held: frozenset[str], direction: str, to: str) -> list[dict[str, Any]]:
    """The buttons above a list for its checked rows; `{}` in `confirm` stands for how many there are."""
    return [
        {
            "verb": NOUNS[verb],
            "label": _label(direction, verb),
            "kind": "danger" if verb in ("cancel", "send_back") else "outline",
            "confirm": (WARNED_MANY if verb in DECIDING else "") + CONFIRM_MANY[verb].format(what="{}件", to=to),
            "needs_reason": _needs_reason(direction, verb),
        }
        for verb in MANY
        if held.issuperset(word for step in _steps(verb) for word in transfers.MOVES[direction, step].words)
    ]


def told_of_many(verb: str, outcomes: Sequence[tuple[Transfer, bool, str]]) -> tuple[list[str], str]:
    """(lines of a notice, its kind) about checked rows, each with whether it was done and a sentence: a line about all
    of them, and one for each, those first that could not be done.
    """
    rows = sorted(outcomes, key=lambda outcome: outcome[1])
    done = sum(is_done for _, is_done, _ in rows)
    head = f"{done}件を{DONE[verb]}" if done else ""
    if done < len(rows):
        head = f"選んだ{len(rows)}件のうち、{head}{len(rows) - done}件はできませんでした。"
    kind = "success" if done == len(rows) else "warning" if done else "error"
    return [head, *(_told(transfer, sentence) for transfer, _, sentence in rows)], kind


def _told(transfer: Transfer, sentence: str) -> str:
    number = transfer.receipt_number
    return f"{number}：{sentence.removeprefix(f'受付番号 {number} は、')}"


def is_settled(direction: str, state: str) -> bool:
    """Whether an office can do nothing more with what is in this state."""
    rules = [rule for (way, _), rule in transfers.MOVES.items() if way == direction and rule.side == "office"]
    return all(state not in rule.before for rule in rules)


def what_next(transfer: Transfer, buttons: list[dict[str, Any]], held: frozenset[str]) -> str:
    """What an office's person reads about the next step of a filing: whose it is, and whether it is the reader's."""
    able = {VERBS[button["verb"]] for button in buttons}
    rest = "取り下げるときだけ「取消」を押してください。" if "cancel" in able else ""
    is_usable = not quarantine.why_not(transfer, Needs.INSPECTED)
    if transfer.state == "uploaded":
        says_so = not is_usable or transfer.inspection.state == "warned"
        return _after_upload(transfer, able, held) + ("" if says_so else rest)
    if transfer.state == "approved":
        if not is_usable:
            return _unusable(transfer, able)
        if "deliver" in able:
            return "承認されました。「配信」を押すと、基金に届きます。"
        return f"承認されました。次は、配信の権限がある方が配信します。{NOTHING_HERE}{rest}"
    if transfer.state == "delivered" and transfer.inspection.state == "quarantined":
        return SAID_ABOVE
    if transfer.state == "delivered":
        until = "それまでは、引き戻すことができます。" if "recall" in able else NOTHING_HERE
        return f"配信しました。基金が開くと、受領済になります。{until}"
    return ""


NOTHING_HERE = "このままお待ちください。"
SAID_ABOVE = "していただくことは、この画面の上に表示しています。"
OTHERS_NEXT = "次は、事業所の承認者が承認・配信します。"


def _after_upload(transfer: Transfer, able: set[str], held: frozenset[str]) -> str:
    if not transfer.inspection.is_over:
        after = "検査が終わると、承認できるようになります。" if "approve" in held else OTHERS_NEXT + NOTHING_HERE
        return f"アップロードできました。いま検査しています。{after}"
    if quarantine.why_not(transfer, Needs.INSPECTED):
        return _unusable(transfer, able)
    if "approve_and_deliver" in able:
        return "内容を確かめて「承認して配信」を押すと、基金に届きます。"
    if "approve" in able:
        return "内容を確かめて、承認してください。そのあと配信すると、基金に届きます。"
    if "approve" in held:
        return f"アップロードできました。本人は承認できない設定です。次は、ほかの承認者が承認します。{NOTHING_HERE}"
    if transfer.inspection.state == "warned":
        return (
            f"アップロードできましたが、検査で注意が{_warnings(transfer)}件あります。検査の結果を確かめてください。{OTHERS_NEXT}"
            "このままでよければ、お待ちください。直すときは「取消」で取り下げて、もう一度アップロードしてください。"
        )
    return f"アップロードできました。{OTHERS_NEXT}{NOTHING_HERE}"


def _unusable(transfer: Transfer, able: set[str]) -> str:
    """Before its delivery: what its inspection, or the lack of a scan, leaves to be done."""
    if transfer.inspection.state == "quarantined":
        return SAID_ABOVE
    if transfer.inspection.state != "failed":
        return quarantine.why_not(transfer, Needs.SCANNED)
    again = (
        "「取消」で取り下げてから、直したものを新しくアップロードしてください。"
        if "cancel" in able
        else "登録した方が取り下げて、直したものを新しくアップロードします。"
    )
    return f"検査で不備が見つかったため、承認できません。{again}"


def _warnings(transfer: Transfer) -> int:
    """As many as the page shows to the side that decides."""
    return len(findings.lines(transfer.inspection, is_office=transfer.is_filing))


def _steps(verb: str) -> tuple[str, ...]:
    return ("approve", "deliver") if verb == "approve_and_deliver" else (verb,)


def _label(direction: str, verb: str) -> str:
    return "して".join(transfers.MOVES[direction, step].label for step in _steps(verb))


def _needs_reason(direction: str, verb: str) -> bool:
    return any(transfers.MOVES[direction, step].needs_reason for step in _steps(verb))
