"""The list of screens of devices: 確認コード at its counter, the desk's queue, an office's PCs, 引継ぎ, hours.

`{abc}` stands for its id.
"""

from tests.browser import steps_devices as rooms
from tests.browser.gallery import press
from tests.browser.screens_people import Screen
from tests.exchange.handing_over import REASON

STOP, SWAP = "端末 {} を停止する", "端末 {} のPCを入れ替える"
ACTIVATE: dict[str, Screen] = {
    "activate": ("busy", "", "/activate/"),
    "activate-error": ("busy", "", press("/activate/", "送信")),
    "activate-wrong-key": (
        *("busy", ""),
        press("/activate/", "送信", 契約番号="123456-0000001", ダウンロードパスワード="202611ABCDabcd"),
    ),
    "activate-closed": ("busy", "", "/activate/request"),
    "activate-upload": ("busy", "sender", "/activate/request"),
    "activate-no-file": ("busy", "sender", press("/activate/request", "リクエスト送信")),
    **{
        f"activate-refused-{name.replace(' ', '-')}": ("busy", "sender", rooms.sent(name))
        for name in ("other", "foreign", "old", "changed", "used", "same PC", "under way")
    },
    **{
        f"activate-receipt-{name}": ("busy", name, "/activate/receipt")
        for name in ("waiting", "activated", "returned", "void")
    },
}
QUEUE: dict[str, Screen] = {
    "activations-empty": ("fresh", "dai", "/admin/activations/"),
    "activations-history-empty": ("fresh", "dai", "/admin/activations/?state=history"),
    "activations-orders-empty": ("fresh", "dai", "/admin/activations/?state=orders"),
    "activations-many": ("busy", "dai", "/admin/activations/"),
    "activations-last-page": ("busy", "dai", "/admin/activations/?page=2"),
    "activations-row-error": ("busy", "dai", rooms.row_error),
    "activations-settling": ("driven", "dai", "/admin/activations/"),
    "activations-history": ("busy", "dai", "/admin/activations/?state=history"),
    "activations-history-one": ("busy", "dai", "/admin/activations/?state=history&q=JIDOU"),
    "activations-history-none": ("busy", "dai", "/admin/activations/?state=history&q=無い名前"),
    "activations-orders": ("busy", "dai", "/admin/activations/?state=orders"),
    "activations-orders-driven": ("driven", "dai", "/admin/activations/?state=orders"),
    **{
        f"activation-{name.replace(' ', '-')}": ("busy", "dai", f"/admin/activations/{{{name}}}")
        for name in ("waiting", "another PC", "late", "due", "uploaded", "activated", "automatic", "returned", "void")
    },
    **{
        f"activation-{name.replace(' ', '-')}": ("driven", "dai", f"/admin/activations/{{driven {name}}}")
        for name in ("reflecting", "silent", "to look at")
    },
    "activation-return": ("busy", "dai", "/admin/activations/{waiting}#reject"),
    "activation-return-error": ("busy", "dai", press("/admin/activations/{waiting}#reject", "差戻し")),
}
DEVICES: dict[str, Screen] = {
    "devices-none": ("busy", "kiku", "/admin/devices/{no PC}"),
    "devices-one": ("busy", "dai", "/admin/devices/{one PC}"),
    "devices-many": ("busy", "taro", "/admin/devices/"),
    "devices-at-work": ("busy", "taro at work", "/admin/devices/"),
    "devices-replacing": ("driven", "taro", "/admin/devices/"),
    "devices-new-office": ("fresh", "taro", "/admin/devices/"),
    "devices-desk": ("busy", "dai", "/admin/devices/{abc}"),
    "devices-fund": ("busy", "kiku", "/admin/devices/{abc}"),
    "devices-stop": ("busy", "taro", rooms.unfolded("/admin/devices/", STOP.format("01"))),
    "devices-stop-own": ("busy", "taro at work", rooms.unfolded("/admin/devices/", STOP.format("01"))),
    "devices-stop-last": ("busy", "jiro", rooms.unfolded("/admin/devices/", STOP.format("01"))),
    "devices-stop-error": ("busy", "taro", rooms.pressed("/admin/devices/", STOP.format("01"), "端末 01 を停止")),
    "devices-stop-error-desk": (
        *("busy", "dai"),
        rooms.pressed("/admin/devices/{abc}", STOP.format("01"), "端末 01 を停止"),
    ),
    "devices-swap": ("busy", "taro", rooms.unfolded("/admin/devices/", SWAP.format("01"))),
    "devices-swap-stopped": (
        *("busy", "taro"),
        rooms.unfolded("/admin/devices/", "端末 03 をもう一度使う（PCの入れ替え）"),
    ),
    "devices-swap-error": (
        *("busy", "taro"),
        rooms.pressed("/admin/devices/", SWAP.format("01"), "端末 01 のPCを入れ替える", くわしい理由="あ" * 400),
    ),
    "devices-asked-again": (
        *("busy", "late dai"),
        rooms.pressed("/admin/devices/{abc}", STOP.format("01"), "端末 01 を停止", 理由="紛失の連絡（電話）"),
    ),
    "desk-with-devices": ("busy", "dai", "/admin/desk/"),
    "start-desk-waiting": ("busy", "dai", "/"),
    "start-fund-waiting": ("busy", "ume", "/"),
    "status-silent": ("driven", "kiku", "/admin/status/"),
}
NEWCOMER = {"ユーザーID": "abcMidori", "メールアドレス": "midori@abc-shoji.example"}
NAMES = {"ユーザ名(カナ)": "カノエカワ　ミドリ", "ユーザ名(漢字)": "庚川　緑"}
URGENT = "/admin/handovers/office/{abc}"
HANDOVERS: dict[str, Screen] = {
    "handover": ("busy", "taro", "/admin/handovers/"),
    "handover-error": ("busy", "taro", press("/admin/handovers/", "内容を確かめる")),
    "handover-newcomer-error": (
        *("busy", "taro"),
        rooms.successor("/admin/handovers/", "新しい方を登録する", ユーザーID="短い"),
    ),
    "handover-question": ("busy", "taro", rooms.successor("/admin/handovers/", "乙川")),
    "handover-question-newcomer": (
        *("busy", "taro"),
        rooms.successor("/admin/handovers/", "新しい方を登録する", **NEWCOMER, **NAMES),
    ),
    "handover-planned": ("driven", "taro", "/admin/handovers/"),
    "handover-planned-detail": ("driven", "taro", "/admin/handovers/{planned}"),
    "handover-planned-fund": ("driven", "kiku", "/admin/handovers/{planned}"),
    "handover-by-the-fund": ("busy", "jiro", "/admin/handovers/"),
    "handover-by-the-fund-detail": ("busy", "jiro", "/admin/handovers/{emergency}"),
    "handovers-empty": ("fresh", "kiku", "/admin/handovers/"),
    "handovers": ("busy", "kiku", "/admin/handovers/"),
    "handover-emergency": ("busy", "kiku", URGENT),
    "handover-emergency-error": ("busy", "kiku", press(URGENT, "内容を確かめる")),
    "handover-emergency-open": ("busy", "kiku", "/admin/handovers/office/{xyz}"),
    "handover-emergency-no-address": ("busy", "kiku", "/admin/handovers/office/{quiet office}"),
    "handover-emergency-question": (
        *("busy", "kiku"),
        rooms.successor(URGENT, "乙川", 理由=REASON),
    ),
    "handover-waiting": ("busy", "kiku", "/admin/handovers/{emergency}"),
    "handover-may-approve": ("busy", "ume", "/admin/handovers/{emergency}"),
    "handover-approval": ("busy", "ume", "/admin/handovers/{emergency}#approval"),
    "handover-withdrawal": ("busy", "kiku", "/admin/handovers/{emergency}#withdrawal"),
    "handover-done": ("busy", "kiku", "/admin/handovers/{done}"),
    "handover-withdrawn": ("busy", "kiku", "/admin/handovers/{withdrawn}"),
    "handover-unfit": ("busy", "ume", "/admin/handovers/{unfit}"),
}
KEY: dict[str, Screen] = {
    "key-section": ("fresh", "taro", "/admin/office/#download-key"),
    "key-sheet": ("fresh", "taro", press("/admin/office/", "ダウンロードキーを作り直す")),
    "handover-newcomer-sheet": ("fresh", "taro", rooms.newcomers_sheet),
}
HOURS: dict[str, Screen] = {
    "closed": ("busy", "", rooms.out_of_hours("/onetime/")),
    "closed-visitor": ("busy", "taro", rooms.out_of_hours("/files/")),
    "closed-sent": ("busy", "", rooms.out_of_hours("/onetime/", "送信")),
    "home-closed": ("busy", "", rooms.out_of_hours("/")),
}
INSTALLERS: dict[str, Screen] = {
    **{
        f"installers-{name}": ("driven", "dai", f"/admin/installers/{{{name}}}")
        for name in ("building", "again", "failed", "driven abc")
    },
    "installers-why-not": ("busy", "dai", "/admin/installers/{one PC}"),
    "installers-of-many": ("busy", "dai", "/admin/installers/{abc}"),
}
SCREENS: dict[str, Screen] = {**ACTIVATE, **QUEUE, **DEVICES, **HANDOVERS, **KEY, **INSTALLERS, **HOURS}
