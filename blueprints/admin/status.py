"""/admin/status: whether everything the box needs is working, in words a clerk can read out on the phone."""

from datetime import timedelta

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from blueprints import opening
from database import utc_now
from exchange import audit, calendar, clock, hours, jobs, kits, scanner, vpn, vpn_orders, walls, zip_ciphers
from models import Mail

bp = Blueprint("status", __name__, url_prefix="/admin/status")

PATIENCE = timedelta(minutes=5)  # that mails and jobs may wait
CHECKPOINT_PATIENCE = 2 * audit.CHECKPOINT_EVERY
SIGNATURE_PATIENCE = timedelta(days=3)  # new ones come every day
NETWORKS = {"VPN_NETWORKS": "事業所のネットワーク制限（VPN）", "STAFF_NETWORKS": "基金のネットワーク制限"}


@bp.get("/")
def index() -> ResponseReturnValue:
    pcs = [_vpn(), *_orders(), *_kits()]
    zips = [_scanner(), *_ciphers(), *_walls()]
    rows = [*_networks(), _hours(), *pcs, _mail(), _jobs(), *zips, _checkpoints(), _clock()]
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


def _hours() -> dict[str, str]:
    words = hours.spoken() or "限っていません（いつでも開いています）"
    if opening.now().is_open:
        return _row("サービスの時間", words, "ok", "")
    advice = f"事業所の画面は、次は {opening.next_one()} に開きます。"
    return _row("サービスの時間", f"{words}（いまは閉じています）", "ok", advice)


def _vpn() -> dict[str, str]:
    if not vpn.provider().is_automatic:
        advice = "電子連携サービス事務局が「端末の有効化」→「VPN側の作業」で行います。"
        return _row("VPNサーバー", "手作業で反映します", "ok", advice)
    health = vpn.provider().health()
    if not health.is_up:
        advice = f"{health.problem}待っている有効化と停止は失われず、つながると自動で反映されます。"
        return _row("VPNサーバー", "確認できません", "error", advice)
    return _row("VPNサーバー", f"正常（接続中 {health.tunnels}台）", "ok", "")


def _orders() -> list[dict[str, str]]:
    """What the VPN server has still to be told; nothing when there is nothing."""
    waiting = list(vpn_orders.waiting())
    if not waiting:
        return []
    is_late = waiting[0].asked_at < utc_now() - PATIENCE
    value = f"{len(waiting)}件が待っています（{calendar.japan(waiting[0].asked_at):%Y/%m/%d %H:%M} から）"
    if not vpn.provider().is_automatic:
        advice = "電子連携サービス事務局が、VPNサーバーに反映して「端末の有効化」の画面で確認します。"
    else:
        advice = "VPNサーバーにつながるたびに、自動で反映されます。flask worker が動いているかも確認してください。"
    return [_row("VPNへの反映", value, "warn" if is_late else "ok", advice if is_late else "")]


def _kits() -> list[dict[str, str]]:
    """Why no installer can be built here; a line for each reason."""
    reasons = kits.why_not()
    if not reasons:
        return [_row("インストーラーの作成", "できます", "ok", "")]
    return [_row("インストーラーの作成", "できません", "warn", reason) for reason in reasons]


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
    late = jobs.late(utc_now() - PATIENCE)
    if late:
        return _row(
            "検査などの処理",
            f"{late}件が{_minutes(PATIENCE)}分以上待っています",
            "warn",
            "flask worker が動いているか確認してください。",
        )
    return _row("検査などの処理", "正常", "ok", "")


def _scanner() -> dict[str, str]:
    """A demonstration needs no scanner; elsewhere a page must not look as if there were one."""
    label = "ウイルス検査"
    if not scanner.is_configured():
        if current_app.config["IS_DEMO"]():
            advice = "デモではこのままで構いません。サーバーで使うときは、設定 CLAMD に clamd の場所を書きます。"
            return _row(label, "未設定", "warn", advice)
        advice = "ファイルは「未検査」と表示されます。clamav-daemon を入れて、設定 CLAMD に場所を書いてください。"
        return _row(label, "未設定", "error", advice)
    health = scanner.health()
    if not health.is_up:
        advice = f"{health.problem}検査できなかったファイルは、つながると自動で検査し直します。"
        return _row(label, "確認できません", "error", advice)
    if health.signatures_at is None:
        advice = "公式の定義ファイルがありません。freshclam が動いているか確認してください。"
        return _row(label, f"動作中（{health.engine}、定義ファイルの日付は不明）", "warn", advice)
    facts = f"{health.engine}、定義ファイル {calendar.japan(health.signatures_at):%Y/%m/%d}"
    if health.signatures_at < utc_now() - SIGNATURE_PATIENCE:
        advice = "定義ファイルが古いため、新しいウイルスを見つけられません。freshclam が動いているか確認してください。"
        return _row(label, f"定義ファイルが古くなっています（{facts}）", "warn", advice)
    return _row(label, f"正常（{facts}）", "ok", "")


def _ciphers() -> list[dict[str, str]]:
    """Nothing where nothing is missing."""
    if zip_ciphers.is_fast():
        return []
    advice = "古い方式のZIPの検査が遅くなります。libarchive13 を入れてください。"
    return [_row("ZIPの検査", "libarchive がありません", "warn", advice)]


def _walls() -> list[dict[str, str]]:
    """Nothing where an inspection can reach nothing but its own ZIP."""
    label, known = "ZIPの検査の囲い", walls.version()
    if known >= walls.WHOLE and walls.processor():
        return []
    if known >= walls.WHOLE:
        advice = "ほかのファイルには届きません。システムコールの絞り込みは、x86_64 と aarch64 でだけ働きます。"
        return [_row(label, "一部だけ働いています", "ok", advice)]
    if known:
        advice = "検査から、ほかのファイルには届きません。通信なども閉じるには、Linux 6.12 以上で動かしてください。"
        return [_row(label, "一部だけ働いています", "ok", advice)]
    advice = (
        "検査はできますが、検査の弱点を突くZIPが届いたとき、サーバーのほかのファイルを守れません。Landlock の使える "
        "Linux（6.12 以上をすすめます）で動かしてください。"
    )
    return [_row(label, "Landlock が使えません", "warn", advice)]


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
