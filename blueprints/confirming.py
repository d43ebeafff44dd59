"""The login password again, before a sensitive act: nobody else at the PC shall do it."""

from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import HiddenField

from blueprints import answers, fields, guards
from database import utc_now
from exchange import contracts, devices, permissions, sessions
from exchange.errors import Refused

# Acts that ask for the login password again when it was typed more than ten minutes ago → what the question calls them.
SENSITIVE = {
    "account.change_profile": "ご自身の氏名・メールアドレスの変更",
    "account.open_totp": "認証アプリの登録の画面を開く",
    "account.enrol": "認証アプリの登録",
    "account.drop_totp": "認証アプリをやめる",
    "account.renew_codes": "回復コードの作り直し",
    "users.add": "追加",
    "users.link": "ほかの事業所の社労士・税理士への依頼",
    "users.change_profile": "氏名・メールアドレスの変更",
    "users.permit": "権限の変更",
    "users.preset": "権限の変更",
    "users.move": "",
    "users.limit": "利用期限の変更",
    "users.reset": "初期パスワードの再発行",
    "users.drop_totp": "認証アプリの解除",
    "office.change": "事業所の登録の変更",
    "settings.change": "基金の設定の変更",
    "contracts.correct": "事業所の登録の訂正",
    "contracts.change_devices": "利用台数の変更",
    "contracts.reissue": "お知らせの再発行",
    "contracts.close": "契約の終了",
    "letters.order": "お知らせの発行",
    "letters.pdf": "お知らせのPDFの保存",
    "letters.give_up": "お知らせの破棄",
    "documents.open": "手順書の掲載の画面を開く",
    "installers.open": "インストーラーの登録の画面を開く",
    "office.renew_key": "ダウンロードキーの作り直し",
    "handovers.nominate": "管理者の後任の指名",
    "handovers.withdraw": "管理者の引継ぎの取り下げ",
    "handovers.open_emergency": "緊急の管理者の交代",
    "handovers.approve": "緊急の管理者の交代の承認",
    "activations.by_hand": "確認コードなしの有効化",
    "devices.stop": "端末の停止",
    "devices.replace": "PCの入れ替え",
    "devices.call_off": "PCの入れ替えの取りやめ",
    "desk.build_missing": "インストーラーの一括作成",
}
UID_LENGTH = 32  # of a person's place, in a form that may say something else there
NOUNS = {"suspension": "利用停止", "resumption": "利用再開", "ending": "利用の終了", "unlocking": "ログイン停止の解除"}
# Of what the form carries, what the question shows.
SHOWN = {"name": "氏名", "mail": "メールアドレス", "login_id": "ユーザーID", "ends_on": "利用期限"}
SHOWN_OF_OFFICE = {**contracts.LABELS, "device_limit": "利用台数", "reason": "理由", "detail": "くわしい理由"}

TOO_OLD = (
    "ログインパスワードを確かめてから10分がたったため、ファイルを受け取りませんでした。"
    "前の画面を開き直し、ログインパスワードを入力してから、ファイルをもう一度選んでください。"
)


class ConfirmForm(fields.Form):
    confirm_password = fields.password("ログインパスワード", "ログインパスワードを入力してください。")
    back = HiddenField()  # outlives a wrong password


def is_fresh() -> bool:
    """Whether the password was typed in the last ten minutes."""
    return sessions.is_fresh(current_user.session, utc_now())


def require_fresh() -> None:
    """Refused when `ask` would ask. For the sinks of sensitive forms with files: the question can't carry a file, so
    their pages ask before they show the form.
    """
    if not is_fresh():
        raise Refused(TOO_OLD)


def ask() -> ResponseReturnValue | None:
    """Asks when the password was typed more than ten minutes ago. What the form carried goes with the question, so that
    the answer does it.
    """
    if request.method != "POST" or request.endpoint not in SENSITIVE or not current_user.is_authenticated:
        return None
    if is_fresh():
        return None
    form = ConfirmForm()
    if not form.confirm_password.raw_data:
        form.back.data = guards.came_from()
        return _page(form, 200)
    try:
        sessions.confirm(current_user.actor, current_user.session, form.confirm_password.data or "")
    except Refused as refused:
        form.confirm_password.errors = [refused.message, *fields.width_hints(form.confirm_password.data or "")]
        return _page(form, refused.status)
    return None


def _page(form: ConfirmForm, status: int) -> ResponseReturnValue:
    own = {"csrf_token", "username", form.confirm_password.name, form.back.name}
    carried = [(name, value) for name, value in request.form.items(multi=True) if name not in own]
    back = form.back.data or ""
    back_url = back if guards.is_path_of_ours(back) else url_for("home.index")
    page = render_template(
        "auth/confirm.html", form=form, action=request.path, carried=carried, back=back_url, facts=_facts(carried)
    )
    return page, status, answers.WHOLE_PAGE if request.htmx else {}


def _facts(carried: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What is going to be done, to whom, and with which words: whoever types his password must know."""
    values = request.view_args or {}
    facts = [("操作", SENSITIVE[request.endpoint or ""] or NOUNS[values["noun"]])]
    if request.blueprint == "letters":
        facts.append(("通数", f"{_letters(values, carried)}通"))
    elif request.blueprint == "handovers":
        facts += _handover(values, carried)
    elif "uid" in values:
        member = guards.member_or_404(values["uid"])
        who = member.login_id if member.invited_at else f"{member.user.name}（{member.login_id}）"
        facts.append(("対象の方", who))
    if "word" in values:
        label = permissions.WORDS[member.kind][guards.word_or_404(member, values["word"])][0]
        facts.append(("権限", f"「{label}」を{'付与する' if ('granted', 'y') in carried else '外す'}"))
    shown = SHOWN
    if "office_uid" in values:
        find = guards.device_office_or_404 if request.blueprint == "devices" else guards.office_or_404
        office = find(values["office_uid"])
        facts.append(("対象の事業所", office.name))
        if "slot" in values:
            facts.append(("対象の端末", devices.spoken(guards.slot_or_404(office, values["slot"]))))
        shown = SHOWN_OF_OFFICE
    return facts + [(shown[name], value) for name, value in carried if name in shown and value]


def _handover(values: dict[str, Any], carried: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Who goes and who comes; a new person stands in the form."""
    if "uid" in values:
        found = guards.handover_or_404(values["uid"])
        sides = (found.predecessor, found.successor)
    else:
        office = guards.office_or_404(values["office_uid"]) if "office_uid" in values else current_user.member.office
        chosen = dict(carried).get("successor", "")
        sides = (office.admin, guards.member_or_404(chosen) if len(chosen) == UID_LENGTH else None)
    named = zip(("いまの管理者", "後任"), sides, strict=True)
    return [(label, f"{member.user.name}（{member.login_id}）") for label, member in named if member is not None]


def _letters(values: dict[str, Any], carried: list[tuple[str, str]]) -> int:
    """How many are to be ordered, or lie in the batch."""
    if "uid" in values:
        return guards.batch_or_404(values["uid"]).letters.count()
    return sum(name == "office" for name, _ in carried)
