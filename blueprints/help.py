"""/help: what everybody may read, before the login and inside the VPN."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from exchange import credentials, hours, sessions, settings

bp = Blueprint("help", __name__, url_prefix="/help")

PAGES = ("faq", "flow", "findings", "requirements", "network", "terms", "accessibility")
PORTS = {"https": 443, "http": 80}


@bp.get("/")
def index() -> ResponseReturnValue:
    return _page("index")


@bp.get(f"/<any{PAGES}:name>")
def page(name: str) -> ResponseReturnValue:
    return _page(name)


def _page(name: str) -> str:
    decided = settings.every()
    return render_template(
        f"help/{name}.html",
        fund=decided["fund_name"] or "基金事務局",
        decided=decided,
        service_hours=hours.spoken(),
        minutes=_minutes(sessions.ABSOLUTE),
        idle_minutes=_minutes(sessions.IDLE),
        initial_days=credentials.INITIAL_PASSWORD_LIFE.days,
        **_network(),
    )


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


def _network() -> dict[str, Any]:
    """What an office's own network has to let through, from the configuration."""
    config = current_app.config
    base = urlsplit(config["BASE_URL"])
    return {
        "host": base.hostname,
        "port": base.port or PORTS[base.scheme],
        "is_https": config["IS_HTTPS"],
        "mail_sender": config["MAIL_FROM"],
        "mail_domain": config["MAIL_FROM"].rpartition("@")[2],
        "max_bytes": config["MAX_FILE_BYTES"],
    }
