"""/admin/status: whether everything the box needs is working, in words a clerk can read out on the phone."""

from datetime import timedelta

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from database import utc_now
from exchange import audit, calendar, clock
from models import Job, Mail

bp = Blueprint("status", __name__, url_prefix="/admin/status")

PATIENCE = timedelta(minutes=5)  # that mails and jobs may wait
CHECKPOINT_PATIENCE = 2 * audit.CHECKPOINT_EVERY
NETWORKS = {"VPN_NETWORKS": "事業所のネットワーク制限（VPN）", "STAFF_NETWORKS": "基金のネットワーク制限"}


@bp.get("/")
def index() -> ResponseReturnValue:
    rows = [*_networks(), _mail(), _jobs(), _checkpoints(), _clock()]
    return render_template("admin/status.html", rows=rows)


def _networks() -> list[dict[str, str]]:
    return [_network(key, label) for key, label in NETWORKS.items()]


def _network(key: str, label: str) -> dict[str, str]:
    if current_app.config[key]:
        return _row(label, "制限中", "ok", "")
    if current_app.config["IS_DEMO"]():
        advice = f"デモではこのままで構いません。サーバーで使うときは、設定 {key} に許可するネットワークを書きます。"
    else:
        advice = f"どこからでもログイン画面に届きます。設定 {key} に許可するネットワークを書いてください。"
    return _row(label, "制限なし", "error", advice)


def _mail() -> dict[str, str]:
    waiting = Mail.backlog(utc_now() - PATIENCE)
    if not current_app.config["MAIL_SERVER"] and not current_app.config["IS_DEMO"]():
        return _row(
            "メール", "送信サーバー未設定", "error", "設定 MAIL_SERVER を書くと、待っているメールから順に送られます。"
        )
    if waiting:
        advice = "メールサーバーの状態を確認してください。待っているメールは失われません。"
        return _row("メール", f"{waiting}件が{_minutes(PATIENCE)}分以上待っています", "warn", advice)
    return _row("メール", "正常", "ok", "")


def _jobs() -> dict[str, str]:
    late = Job.late(utc_now() - PATIENCE)
    if late:
        return _row(
            "検査などの処理",
            f"{late}件が{_minutes(PATIENCE)}分以上待っています",
            "warn",
            "flask worker が動いているか確認してください。",
        )
    return _row("検査などの処理", "正常", "ok", "")


def _checkpoints() -> dict[str, str]:
    if audit.is_checkpoint_due(utc_now() - CHECKPOINT_PATIENCE + audit.CHECKPOINT_EVERY):
        value = f"{_minutes(CHECKPOINT_PATIENCE) // 60}時間以上作られていません"
        return _row("操作記録の封印", value, "warn", "flask worker が動いているか確認してください。")
    return _row("操作記録の封印", "正常", "ok", "")


def _clock() -> dict[str, str]:
    now = f"{calendar.japan(utc_now()):%Y/%m/%d %H:%M}"
    if clock.is_kept():
        return _row("サーバーの時計", f"{now}（時刻合わせ 動作中）", "ok", "")
    advice = (
        "時計が違うと、ダウンロードパスワードの年月や認証アプリの番号が合わなくなります。この時刻が正しいか確かめ、"
        "サーバーの時刻合わせを動かしてください。"
    )
    return _row("サーバーの時計", f"{now}（時刻合わせ 未確認）", "warn", advice)


def _minutes(patience: timedelta) -> int:
    return int(patience.total_seconds() // 60)


def _row(label: str, value: str, kind: str, advice: str) -> dict[str, str]:
    return {"label": label, "value": value, "kind": kind, "advice": advice}
