"""The Japanese of what people did: a word for every action of the audit, and its facts in one line."""

from collections.abc import Callable, Iterable
from typing import Any

from exchange import permissions, settings, trail
from models import FILING, STATEMENT

Facts = dict[str, Any]

GROUP_LABELS = {
    "login": "ログイン",
    "people": "利用者と権限",
    FILING: "届書",
    STATEMENT: "帳票",
    "device": "端末",
    "onboarding": "導入と書面",
    "setup": "設定と登録",
    "audit": "操作の記録",
}
KINDS = {
    "office_admin": "管理者",
    "staff": "担当者",
    "consultant": "社労士・税理士",
    "fund": "基金事務局",
    "desk": "電子連携サービス事務局",
}
WORDS = {word: label for table in permissions.WORDS.values() for word, (label, _) in table.items()}
REFUSED = {  # what was refused: a word, or an act on another person
    **WORDS,
    "staff": "利用者・職員の管理",
    "edit": "利用者情報の修正",
    "assign": "権限の変更",
    "suspend": "利用停止",
    "end": "利用の終了",
    "reset": "初期パスワードの再発行",
    "drop_totp": "認証アプリの解除",
    "unlock": "ログイン停止の解除",
    "answer": "依頼への回答",
}
VERDICTS = {
    "accept": "問題なし",
    "warn": "注意あり",
    "reject": "不備あり",
    "quarantined": "隔離",
    "withheld": "お渡しを停止",
    "clean": "異常なし",
    "not_scanned": "未検査",
}
COLUMNS = {
    "name": "氏名",
    "kana": "カナ",
    "mail": "メールアドレス",
    "short_name": "事業所略称",
    "forbids_self_approval": "本人承認を禁止",
    "device_limit": "利用台数",
    "office_number": "事業所番号",
    "postal_code": "郵便番号",
    "address": "住所",
    "office_name": "事業所名",
}
WHYS = {
    "password": "ログインパスワードの誤り",
    "staff": "ユーザーID・ログインパスワード・ワンタイムパスワードのいずれかの誤り",
    "initial password lapsed": "初期パスワードの有効期間切れ",
    "no active device": "有効な端末がない",
    "wrong": "ワンタイムパスワードの誤りまたは有効時間切れ",
    "unknown": "契約番号とユーザーIDに当てはまる利用者がいない",
    "logout": "本人の操作",
    "other device": "ほかの事業所の端末、またはVPN接続ではない端末",
    "vpn unreachable": "VPNサーバーに確認できない",
    "form": "確認コードの形ではない",
    "contract": "ほかの事業所の確認コード",
    "installer": "古いか、知られていないインストーラー",
    "signature": "内容の書き換え",
    "used": "使用済みのインストーラー",
    "machine": "ほかの端末として有効なPC",
    "key": "契約番号またはダウンロードパスワードの誤り",
    "month": "ダウンロードパスワードの年月の誤り",
    "locked": "誤りが続いたため、受け付けを一時停止",
    "confirmed": "印刷の確認",
    "expired": "保管期間の終了",
    "given up": "印刷せずに破棄",
    "failed": "作成の失敗",
    "none": "発行できる事業所がない",
    "withdrawn": "管理者か基金事務局の取り下げ",
    "ended": "後任の方の利用の終了",
    "closed": "契約の終了",
}
FILTERS = {"q": "名前・ユーザーID", "member": "利用者", "office": "事業所", "action": "種類"}


def label(action: str) -> str:
    """What was done, within its group: 承認, 配信 …"""
    return DEEDS[action][0]


def group(action: str) -> str:
    """To what it belongs: 届書, ログイン … An action of two groups names both."""
    return "・".join(GROUP_LABELS[key] for key, actions in trail.GROUPS.items() if action in actions)


def text(action: str, facts: Facts) -> str:
    """Its facts in one short line, or nothing. A fact that was kept from the reader is left out."""
    return DEEDS[action][1](facts)


def _nothing(_: Facts) -> str:
    return ""


def _of(template: str) -> Callable[[Facts], str]:
    """The facts filled into a sentence."""
    return lambda facts: template.format(**facts)


def _whom(facts: Facts) -> str:
    return f"ユーザーID {facts['login_id']}" if facts.get("login_id") else ""


def _words(words: Iterable[str]) -> str:
    """In the order of the boxes."""
    wanted = set(words)
    return "、".join(label for word, label in WORDS.items() if word in wanted)


def _newcomer(facts: Facts) -> str:
    kind = f"（{KINDS[facts['kind']]}）" if facts.get("kind") else ""
    words = _words(facts["words"])
    return f"{_whom(facts)}{kind}　権限：{words or 'なし'}"


def _permissions(facts: Facts) -> str:
    before, after = set(facts["before"]), set(facts["after"])
    given, taken = _words(after - before), _words(before - after)
    changes = [f"{given} を付与" if given else "", f"{taken} を外す" if taken else ""]
    return f"{_whom(facts)}　{'／'.join(filter(None, changes)) or '変更なし'}"


def _limit(facts: Facts) -> str:
    """Last days as they are written; empty is without end."""
    before, after = (facts[name] or "期限なし" for name in ("before", "after"))
    return f"{_whom(facts)}　{before} → {after}"


def _changed(facts: Facts) -> str:
    """`changed` is a list of columns, or column → [before, after]."""
    changed = facts["changed"]
    if isinstance(changed, dict):
        said = [_change(name, before, after) for name, (before, after) in changed.items()]
    else:
        said = [f"{COLUMNS.get(name, name)}を変更" for name in changed]
    return "　".join(filter(None, [_whom(facts), "、".join(said)]))


def _change(name: str, before: Any, after: Any) -> str:
    if name in settings.DECLARED:
        label, values = settings.DECLARED[name].label, [settings.spoken(name, value) for value in (before, after)]
    else:
        label, values = COLUMNS.get(name, name), [_value(value) for value in (before, after)]
    return f"{label}：{values[0]} → {values[1]}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "はい" if value else "いいえ"
    return str(value or "空欄")


def _why(facts: Facts) -> str:
    return f"理由：{WHYS.get(facts['why'], 'その他')}"


def _connection(facts: Facts) -> str:
    """The VPN account that a refused login came through; it is kept from the offices, and old entries have none."""
    return f"接続 {facts['device']}" if facts.get("device") else ""


def _refused(facts: Facts) -> str:
    return f"「{REFUSED.get(facts['word'], 'この操作')}」の権限がない操作"


def _code(facts: Facts) -> str:
    return f"受付番号 {facts['number']}" + ("" if facts["is_sent"] else "　当てはまる利用者がなく送信なし")


def _reason(facts: Facts) -> str:
    return f"理由：{facts['reason']}" if facts.get("reason") else ""


def _upload(facts: Facts) -> str:
    again = f"差し戻された {facts['replaces']} の出し直し" if facts.get("replaces") else ""
    return "　".join(filter(None, [f"{facts['size']:,} バイト", again]))


def _verdict(facts: Facts) -> str:
    scan = facts.get("scan")  # older entries have none
    return f"{VERDICTS[facts['verdict']]}（{scan}）" if scan else VERDICTS[facts["verdict"]]


def _entry(facts: Facts) -> str:
    return f"ZIPの中の{facts['entry_number'] + 1}番目のファイル"


def _sent(facts: Facts) -> str:
    return f"{facts['bytes']:,} バイト"


def _device(facts: Facts) -> str:
    return f"端末 {facts['slot']:02d}"


def _receipt(facts: Facts) -> str:
    return f"{_device(facts)}　受付番号 {facts['receipt_number']}"


def _handover(facts: Facts) -> str:
    kind = "（緊急）" if facts["kind"] == "emergency" else ""
    return f"{facts['predecessor']} → {facts['successor']}{kind}"


def _export(facts: Facts) -> str:
    asked = dict(facts["filters"])
    since, until = (asked.pop(name, "").replace("-", "/") for name in ("since", "until"))
    if "action" in asked:
        asked["action"] = FILTER_LABELS.get(asked["action"], asked["action"])
    said = [f"{FILTERS[name]}「{value}」" for name, value in asked.items() if name in FILTERS]
    said += [f"期間 {since}～{until}"] if since or until else []
    return f"{facts['entries']:,}件（{'、'.join(said) or '絞り込みなし'}）"


def _withdrawn(facts: Facts) -> str:
    return _whom(facts) + ("　先方の事業所で登録が変更されたため" if facts["cause"] == "account" else "")


def _reset(facts: Facts) -> str:
    return _whom(facts) + ("　確認待ちのメールアドレスに切り替え" if facts["changed"] else "")


def _joined(*parts: str) -> str:
    return "　".join(filter(None, parts))


def _file(facts: Facts) -> str:
    return f"{facts['file_name']}（{facts['rows']}件）"


def _letters(facts: Facts) -> str:
    return f"{facts['letters']}通"


def _edition(facts: Facts) -> str:
    return f"{facts['label']}（{facts['edition_on'].replace('-', '/')}）"


# action → its word and how its facts are told.
DEEDS: dict[str, tuple[str, Callable[[Facts], str]]] = {
    "fund.established": ("基金の登録", _of("{fund_name}")),
    "settings.changed": ("設定の変更", _changed),
    "audit.exported": ("CSVの保存", _export),
    "staff.added": ("職員の追加", _newcomer),
    "office.registered": (
        "事業所の登録",
        _of("契約番号 {contract_number}　事業所番号 {office_number}　利用台数 {device_limit}台"),
    ),
    "office.corrected": ("事業所情報の修正", lambda facts: _joined(_changed(facts), _reason(facts))),
    "office.devices_changed": (
        "利用台数の変更",
        lambda facts: _joined(f"{facts['before']}台 → {facts['after']}台", _reason(facts)),
    ),
    "office.closed": ("契約の終了", _reason),
    "registrations.received": ("登録届の読み込み", _file),
    "registrations.corrected": ("登録届の訂正", lambda facts: f"{facts['line']}行目　{'・'.join(facts['columns'])}列"),
    "registrations.left_out": ("登録届の行の取り除き", _of("{line}行目")),
    "registrations.discarded": ("登録届の破棄", _file),
    "registrations.registered": ("登録届の一括登録", _file),
    "registration.invited": ("オンライン登録届の案内", _of("{office_name}")),
    "registration.withdrawn": ("オンライン登録届の案内の取り下げ", _of("{office_name}")),
    "registration.opened": ("オンライン登録届の開始", _of("{office_name}")),
    "registration.filed": ("オンライン登録届の提出", _of("受付番号 {receipt_number}")),
    "registration.accepted": ("オンライン登録届の受理", _of("受付番号 {receipt_number}")),
    "registration.returned": (
        "オンライン登録届の差戻し",
        lambda facts: _joined(f"受付番号 {facts['receipt_number']}", _reason(facts)),
    ),
    "letters.ordered": ("お知らせの一括作成", _of("{letters}通（うち再発行{reissues}通）")),
    "letters.downloaded": ("お知らせのPDFの保存", _letters),
    "letters.printed": ("お知らせの印刷の確認", _of("{letters}通　発送日 {dispatched_on}")),
    "letters.erased": ("お知らせのPDFの消去", lambda facts: _joined(_letters(facts), _why(facts))),
    "letters.listed": ("発送簿の保存", _letters),
    "letters.addresses_listed": ("住所の様式の保存", _of("{entries}件")),
    "letter.issued": ("お知らせの発行", _of("契約番号 {contract_number}")),
    "letter.failed": ("お知らせの作成の失敗", _of("契約番号 {contract_number}")),
    "letter.reissued": ("管理者の再登録", lambda facts: _joined(_whom(facts), _reason(facts))),
    "letter.dispatched": ("お知らせの発送", _of("発送日 {dispatched_on}")),
    "download.opened": ("ダウンロードの窓口を開いた", _nothing),
    "download.refused": ("ダウンロードの窓口で拒否", _why),
    "activate.opened": ("確認コードの窓口を開いた", _nothing),
    "activate.refused": ("確認コードの窓口で拒否", _why),
    "download_key.renewed": ("ダウンロードキーの作り直し", _nothing),
    "document.published": ("手順書の掲載", _edition),
    "document.withdrawn": ("手順書の掲載の終了", _edition),
    "document.fetched": ("手順書のダウンロード", _edition),
    "document.scanned": ("手順書のウイルス検査", lambda facts: f"{facts['label']}　{_verdict(facts)}"),
    "document.listed": ("手順書の取得状況の保存", lambda facts: f"{_edition(facts)}　{facts['entries']}件"),
    "installer.uploaded": ("インストーラーの登録", _device),
    "installer.built": ("インストーラーの作成", _device),
    "installer.failed": ("インストーラーの作成の失敗", _device),
    "installer.scanned": ("インストーラーのウイルス検査", lambda facts: f"{_device(facts)}　{_verdict(facts)}"),
    "installer.withdrawn": ("インストーラーの取り下げ", _device),
    "installer.fetched": ("インストーラーのダウンロード", _device),
    "device.requested": ("確認コードの受付", lambda facts: f"{_receipt(facts)}　確認コード({facts['code']})"),
    "device.refused": ("確認コードの拒否", _why),
    "device.accepted": (
        "有効化の承認",
        lambda facts: f"{_receipt(facts)}　{'自動' if facts['is_automatic'] else '電子連携サービス事務局'}",
    ),
    "device.returned": ("確認コードの差戻し", lambda facts: _joined(_receipt(facts), _reason(facts))),
    "device.voided": ("確認コードの取り消し", _receipt),
    "device.activated": ("有効化", _device),
    "device.replaced": ("PCの入れ替え", lambda facts: _joined(_device(facts), _reason(facts))),
    "device.kept": ("PCの入れ替えの取りやめ", _device),
    "device.stopped": ("停止", lambda facts: _joined(_device(facts), _reason(facts))),
    "vpn.settled": (
        "VPNサーバーへの反映",
        lambda facts: f"{_device(facts)}　{'接続を許可' if facts['is_on'] else '接続を停止'}",
    ),
    "handover.asked": ("引継ぎの申し出", lambda facts: _joined(_handover(facts), _reason(facts))),
    "handover.approved": ("引継ぎの承認", _of("後任 {successor}")),
    "handover.withdrawn": ("引継ぎの取り下げ", lambda facts: _joined(f"後任 {facts['successor']}", _why(facts))),
    "handover.done": ("管理者の引継ぎ", lambda facts: _handover(facts)),
    "permission.refused": ("権限のない操作", _refused),
    "permissions.changed": ("権限の変更", _permissions),
    "member.added": ("利用者の追加", _newcomer),
    "member.invited": ("社労士・税理士への依頼", _newcomer),
    "member.accepted": ("依頼の承諾", _whom),
    "member.declined": ("依頼の辞退", _whom),
    "member.withdrawn": ("依頼の取り下げ", _withdrawn),
    "member.disabled": ("利用停止", _whom),
    "member.resumed": ("利用の再開", _whom),
    "member.ended": ("利用の終了", _newcomer),
    "member.limited": ("利用期限の変更", _limit),
    "member.unlocked": ("ログイン停止の解除", _whom),
    "code.requested": ("ワンタイムパスワードの発行", _code),
    "code.accepted": ("ワンタイムパスワードの確認", _nothing),
    "code.refused": ("ワンタイムパスワードの誤り", _why),
    "login.succeeded": ("ログイン", lambda facts: KINDS[facts["kind"]]),
    "login.refused": ("ログインの失敗", lambda facts: _joined(_why(facts), _connection(facts))),
    "login.locked": ("ログインの停止", _of("{minutes}分間")),
    "login.recovered": ("回復コードの使用", _of("残り{left}個")),
    "logout.done": ("ログアウト", _nothing),
    "office.switched": ("事業所の切替", _whom),
    "office.set_up": ("事業所の初回登録", _of("事業所略称「{short_name}」　圧縮パスワードを登録")),
    "office.changed": ("事業所情報の修正", _changed),
    "user.registered": ("利用者の初回登録", _changed),
    "user.changed": ("利用者情報の修正", _changed),
    "mail.confirmed": ("メールアドレスの確認", _nothing),
    "password.confirmed": ("ログインパスワードの再確認", _nothing),
    "password.changed": ("ログインパスワードの変更", _nothing),
    "password.reset": ("初期パスワードの再発行", _reset),
    "totp.enrolled": ("認証アプリの登録", _nothing),
    "totp.dropped": ("認証アプリの解除", _whom),
    "recovery_codes.renewed": ("回復コードの再発行", _nothing),
    "filing.uploaded": ("登録", _upload),
    "filing.inspected": ("検査", _verdict),
    "filing.rescan_asked": ("ウイルス検査のやり直しを依頼", _nothing),
    "filing.rescanned": ("ウイルス検査のやり直し", _verdict),
    "filing.approved": ("承認", _nothing),
    "filing.delivered": ("配信", _nothing),
    "filing.returned": ("差戻し", _reason),
    "filing.cancelled": ("取消", _nothing),
    "filing.recalled": ("引き戻し", _nothing),
    "filing.received": ("受領", _nothing),
    "filing.completed": ("処理完了", _nothing),
    "filing.rejected": ("不受理", _reason),
    "filing.downloaded": ("ZIPのダウンロード", _nothing),
    "filing.entry_opened": ("ファイルを開いた", _entry),
    "statement.uploaded": ("登録", _upload),
    "statement.inspected": ("検査", _verdict),
    "statement.rescan_asked": ("ウイルス検査のやり直しを依頼", _nothing),
    "statement.rescanned": ("ウイルス検査のやり直し", _verdict),
    "statement.approved": ("承認", _nothing),
    "statement.delivered": ("配信", _nothing),
    "statement.cancelled": ("取消", _nothing),
    "statement.recalled": ("引き戻し", _nothing),
    "statement.requested": ("受取要求", _nothing),
    "statement.received": ("ダウンロード", _nothing),
    "statement.window_closed": ("受取期間の終了", _nothing),
    "statement.downloaded": ("ZIPのダウンロード", _nothing),
    "transfer.sent_whole": ("ダウンロードの完了", _sent),
}

# What a list can be narrowed to: (heading, value, words) of each group as a whole, and of each of its actions.
ACTION_CHOICES = [
    (group, value, words)
    for key, group in GROUP_LABELS.items()
    for value, words in [(key, f"{group}のすべて"), *((name, DEEDS[name][0]) for name in trail.GROUPS[key])]
]
FILTER_LABELS = {value: words for _, value, words in ACTION_CHOICES} | GROUP_LABELS
