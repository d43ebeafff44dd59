"""What the fund decides: every setting with its type, default and words; the rows hold only what differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exchange import normalise
from models import Setting

SHOWN, NOTICE, LOGIN, DOCUMENTS = "基金の表示", "お知らせ", "ログイン", "届書と帳票"
LETTERS = "お知らせの書面"
HELP, COUNTER, ONBOARDING = "ヘルプの画面", "ダウンロードの窓口", "導入"
HOURS = "サービスの時間"
INSPECTION = "ファイルの検査"
DECISIONS = {"refuse": "受け付けない", "warn": "警告して受け付ける", "ignore": "調べない"}


@dataclass(frozen=True)
class Declared:
    """`explanation`: what it does and for whom, one sentence or two. `unit` follows the number."""

    kind: type[Any]
    default: Any
    group: str
    label: str
    explanation: str
    bounds: tuple[int, int] | None = None  # lowest and highest
    unit: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)  # value → label: the only values, if there are any
    longest: int = 0  # characters of a text
    is_long: bool = False  # a text of several lines
    is_needed: bool = False  # a text that can't be empty


DECLARED: dict[str, Declared] = {
    "service_name": Declared(
        *(str, "企業年金電子連携サービス", SHOWN, "サービス名"),
        "全員の画面の左上と、メールの差出人に表示します。",
        longest=50,
        is_needed=True,
    ),
    "fund_name": Declared(
        *(str, "", SHOWN, "基金名"),
        "全員の画面と、事業所へのメール・書面に表示します。",
        longest=100,
        is_needed=True,
    ),
    "fund_contact": Declared(
        *(str, "", SHOWN, "問い合わせ先"),
        "全員の画面の下と、事業所へのメール・書面に表示します。担当課・電話番号・受付時間などを書きます。",
        longest=200,
    ),
    "credential_line": Declared(
        *(str, "", SHOWN, "フッターに表示する指定・認定の記載"),
        "全員の画面の下に表示します。空欄のあいだは表示しません。",
        longest=200,
    ),
    "notice": Declared(
        *(str, "", NOTICE, "お知らせの文面"),
        "休業日やシステムの停止予定などを、全員の画面の上に表示します。ログイン前の方にも見えるため、"
        "個人の名前や番号は書かないでください。空欄のあいだは表示しません。改行できます。",
        longest=400,
        is_long=True,
    ),
    "notice_kind": Declared(
        *(str, "info", NOTICE, "お知らせの種類"),
        "「注意」は、停止予定など、全員に必ず読んでほしいときに選びます。",
        choices={"info": "お知らせ", "warning": "注意"},
    ),
    "code_minutes": Declared(
        *(int, 10, LOGIN, "ワンタイムパスワードの有効時間"),
        "事業所の利用者にメールで送るワンタイムパスワードを、発行してから使える時間です。",
        (5, 30),
        "分",
    ),
    "password_length": Declared(
        *(int, 12, LOGIN, "ログインパスワードの最小文字数"),
        "事業所の利用者と職員が、次にログインパスワードを決めるときから当てはまります。",
        (12, 64),
        "文字",
    ),
    "pickup_days": Declared(
        *(int, 7, DOCUMENTS, "受取要求からダウンロードできる日数"),
        "事業所は、この日数を過ぎると、帳票の受取要求をやり直します。すでに受取要求された帳票にも当てはまります。",
        (1, 31),
        "日",
    ),
    "statement_second_clerk": Declared(
        *(bool, False, DOCUMENTS, "帳票は作成者以外の職員が承認する"),
        "チェックを入れると、職員は自分で作成した帳票を承認できなくなります。",
    ),
    "zipcrypto": Declared(
        *(str, "warn", INSPECTION, "ZipCrypto で暗号化されたZIP"),
        "事業所が、古くて弱い暗号方式のZIPで届書を登録したときの扱いです。",
        choices={key: DECISIONS[key] for key in ("refuse", "warn")},
    ),
    "weak_aes": Declared(
        *(str, "warn", INSPECTION, "AES-128・AES-192 で暗号化されたZIP"),
        "AES-256 より鍵の短い方式です。",
        choices={key: DECISIONS[key] for key in ("refuse", "warn")},
    ),
    **{
        check: Declared(str, default, INSPECTION, label, explanation, choices=DECISIONS)
        for check, default, label, explanation in (
            (
                "program",
                "refuse",
                "実行ファイル・スクリプト・ショートカット",
                "ZIPの中に、開くと動き出すファイルがあるときの扱いです。",
            ),
            ("wrong_type", "refuse", "種類を偽ったファイル", "拡張子と中身の種類が違うファイルがあるときの扱いです。"),
            ("nested", "refuse", "ZIPの中の圧縮ファイル", "ZIPの中に、ZIPや7zなどの圧縮ファイルがあるときの扱いです。"),
            ("macro", "warn", "マクロを含むファイル", "ExcelやWordのファイルにマクロが含まれているときの扱いです。"),
            (
                "encrypted_inside",
                "warn",
                "さらにパスワードのかかったファイル",
                "PDFやExcelに別のパスワードがかかり、中を検査できないときの扱いです。",
            ),
            ("empty_file", "warn", "空のファイル", "0バイトのファイルがあるときの扱いです。"),
            (
                "my_number",
                "warn",
                "個人番号（マイナンバー）と思われる数字",
                "CSVや文書、ファイル名に、個人番号の形をした12桁の数字があるときの扱いです。",
            ),
            (
                "other_office",
                "warn",
                "ほかの事業所の番号が付いた帳票",
                "帳票に入れたファイルの名前に、送り先でない事業所の番号があるときの扱いです。",
            ),
        )
    },
    "unscanned": Declared(
        *(str, "warn", INSPECTION, "ウイルス検査ができなかったファイル"),
        "検査のプログラムが動いていないか、大きすぎて検査できなかったときの扱いです。認めないあいだは、ダウンロードもできません。",
        choices={"refuse": "検査が済むまで、承認も配信も認めない", "warn": "未検査と表示し、承認と配信を認める"},
    ),
    "rescan_days": Declared(
        *(int, 7, INSPECTION, "ウイルス検査をやり直すまでの日数"),
        "検査からこの日数を過ぎたファイルは、配信とダウンロードの前に、新しい定義ファイルで検査し直します。",
        (1, 90),
        "日",
    ),
    "stuck_days": Declared(
        *(int, 14, ONBOARDING, "停滞と表示するまでの日数"),
        "「導入の進み具合」で、次の段階へこの日数を超えて進んでいない事業所に、停滞の印を付けます。"
        "事業所の画面には表示しません。",
        (1, 365),
        "日",
    ),
    "auto_activate": Declared(
        *(bool, False, ONBOARDING, "確認コードの検査に問題がないときは、自動で有効化する"),
        "VPNサーバーと接続している場合だけ働きます。チェックを外しているあいだは、電子連携サービス事務局が1件ずつ有効化します。",
    ),
    "hours_limited": Declared(
        *(bool, False, HOURS, "サービスの時間を限る"),
        "チェックを入れると、事業所の画面を、平日の決めた時間だけ開きます。土日・祝日・年末年始は閉じます。"
        "基金と電子連携サービス事務局の画面は、いつでも開きます。",
    ),
    "hours_from": Declared(*(int, 8, HOURS, "開く時刻"), "この時刻から、事業所の方がログインできます。", (0, 23), "時"),
    "hours_to": Declared(
        *(int, 20, HOURS, "閉じる時刻"),
        "この時刻に、事業所の画面を閉じます。開く時刻より後の時刻にしてください。",
        (1, 24),
        "時",
    ),
    "download_tip": Declared(
        *(str, "2台目以降の端末用のインストーラーは、事業所で決められた方法でその端末へ移してください。"),
        *(COUNTER, "ダウンロードリストに添える案内"),
        "事業所がダウンロードの窓口で開く一覧の下に表示します。記録媒体の扱いなど、ファイルの移し方を書きます。"
        "空欄のあいだは表示しません。",
        longest=200,
    ),
    "vpn_host": Declared(
        *(str, "", HELP, "VPNサーバーのアドレス"),
        "インストーラーに入れる接続先です。事業所のシステム担当者への案内にも表示します。ホスト名かIPアドレスを書きます。"
        "空欄のあいだは、インストーラーを作れません。",
        longest=100,
    ),
    "vpn_ports": Declared(
        *(str, "TCP 443", HELP, "VPN接続に使う通信"),
        "事業所のシステム担当者への案内に表示します。「TCP 443」のように、方式と番号を書きます。",
        longest=100,
        is_needed=True,
    ),
    "terms_text": Declared(
        *(str, "", HELP, "利用の決まり"),
        "ヘルプの「利用の決まり」に表示します。ログイン前の方にも見えます。空欄のあいだは、はじめから用意された文面を"
        "表示します。改行できます。",
        longest=3000,
        is_long=True,
    ),
    "envelope_left": Declared(
        *(int, 20, LETTERS, "封筒の窓の左端"),
        "「管理者情報登録完了のお知らせ」の宛名を、窓付き封筒の窓に合わせます。三つ折りにして封筒へ入れたときに窓から見える所を、"
        "用紙の左上の角から測ります。初めの値は、長形3号の一般的な窓付き封筒（窓90×45mm、左から20mm、上から12mm）のものです。",
        (5, 50),
        "mm",
    ),
    "envelope_top": Declared(
        *(int, 12, LETTERS, "封筒の窓の上端"),
        "用紙の上の端から測ります。",
        (5, 40),
        "mm",
    ),
    "envelope_width": Declared(
        *(int, 90, LETTERS, "封筒の窓の幅"),
        "封筒の中で用紙が左右に動く分だけ、実際の窓より狭くしておくと、宛名が隠れません。",
        (60, 110),
        "mm",
    ),
    "envelope_height": Declared(
        *(int, 45, LETTERS, "封筒の窓の高さ"),
        "封筒の中で用紙が上下に動く分だけ、実際の窓より低くしておくと、宛名が隠れません。",
        (25, 55),
        "mm",
    ),
}


def get(key: str) -> Any:
    """The fund's decision or the declared default; an undeclared key is a KeyError."""
    declared = DECLARED[key]
    row = Setting.get_or_none(Setting.key == key)
    return declared.default if row is None else row.value


def every() -> dict[str, Any]:
    """All settings by key, in one query."""
    rows = {row.key: row.value for row in Setting.select()}
    return {key: rows.get(key, declared.default) for key, declared in DECLARED.items()}


def put(key: str, value: Any) -> None:
    """Write one decision; called by verbs, inside their transaction.

    TypeError or ValueError for a value it can't take.
    """
    declared = DECLARED[key]
    if not _is_of(declared.kind, value):
        raise TypeError(f"{key} takes {declared.kind.__name__}")
    sentence = problem(key, value)
    if sentence:
        raise ValueError(f"{key}: {sentence}")
    Setting.insert(key=key, value=value).on_conflict_replace().execute()


def problem(key: str, value: Any) -> str | None:
    """Why a setting can't take this value, as a sentence for whoever typed it; None if it can."""
    declared = DECLARED[key]
    is_of_kind = _is_of(declared.kind, value)
    if declared.bounds:
        low, high = declared.bounds
        is_within = is_of_kind and low <= value <= high
        return None if is_within else f"{low}～{high}{declared.unit}の範囲で、数字だけで入力してください。"
    if not is_of_kind or (declared.choices and value not in declared.choices):
        return "表示されているものの中から選んでください。"
    if declared.is_needed and not value:
        return "空欄にはできません。入力してください。"
    if declared.longest and len(value) > declared.longest:
        return f"{declared.longest}文字までで入力してください。今は{len(value)}文字あります。"
    return None


def clash(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which setting does not go together with another, and why, as a sentence; None if all of them do.

    `values`: every setting, each with a value that it can take.
    """
    if values["hours_from"] >= values["hours_to"]:
        return "hours_to", f"開く時刻（{values['hours_from']}時）より後の時刻を入力してください。"
    return None


def tidy(key: str, value: Any) -> Any:
    """A text without hidden characters, in one line or, where several may be, in lines; anything else as it is."""
    if not isinstance(value, str):
        return value
    if not DECLARED[key].is_long:
        return normalise.text(value)
    lines = value[: normalise.LONGEST].splitlines()
    return "\n".join(normalise.text(line) for line in lines).strip("\n")


def spoken(key: str, value: Any) -> str:
    """How a person reads the value: 10分, 警告して受け付ける, チェックあり."""
    declared = DECLARED[key]
    if declared.kind is bool:
        return "チェックあり" if value else "チェックなし"
    return declared.choices.get(value, f"{value}{declared.unit}") or "空欄"


def _is_of(kind: type[Any], value: Any) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
