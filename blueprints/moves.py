"""A transfer's moves on the screen: verb → noun of its URL, button, and the words asked before it is done."""

from typing import Any

from exchange import transfers
from exchange.actors import Actor
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
    "deliver": "{to}へ配信します。よろしいですか。",
    "approve_and_deliver": "承認して、{to}へ配信します。よろしいですか。",
    "cancel": "取り消すと元に戻せません。よろしいですか。",
    "recall": "配信を取りやめて、配信待ちに戻します。よろしいですか。",
    "complete": "処理完了にします。よろしいですか。",
}
ORDER = list(NOUNS)
# At most one button of a page is solid: the first of these that is possible.
LOUD = ("approve_and_deliver", "deliver", "approve", "download", "request_pickup", "receive", "complete")


def buttons(actor: Actor, held: frozenset[str], transfer: Transfer, base: str, to: str) -> list[dict[str, Any]]:
    """What this person may do now, in the order of the work. `base`: the transfer's URL; `to`: who would receive it."""
    able = sorted(transfers.possible(actor, transfer, held), key=ORDER.index)
    loudest = next((verb for verb in LOUD if verb in able), None)
    return [
        {
            "verb": NOUNS[verb],
            "label": "承認して配信"
            if verb == "approve_and_deliver"
            else transfers.MOVES[transfer.direction, verb].label,
            "url": f"{base}/{NOUNS[verb]}",
            "kind": "danger" if verb in ("cancel", "reject") else "solid" if verb == loudest else "outline",
            "confirm": CONFIRM.get(verb, "").format(to=to) or None,
            "needs_reason": verb in ("send_back", "reject"),
        }
        for verb in able
    ]
