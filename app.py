"""create_app(): configuration, extensions, blueprints, the open pages, error pages, headers."""

import logging
import os
import secrets
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, render_template, request
from flask_login import LoginManager
from flask_wtf.csrf import CSRFError, CSRFProtect
from htmx_flask import Htmx
from peewee import OperationalError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

import commands
from blueprints import (
    activate,
    admin,
    answers,
    auth,
    confirming,
    demo,
    download,
    files,
    guards,
    help,
    home,
    onetime,
    registration,
    uploads,
    visitor,
    words,
)
from blueprints.admin import (
    account,
    activations,
    audit,
    contracts,
    desk,
    devices,
    documents,
    handovers,
    inbox,
    installers,
    invitations,
    letters,
    office,
    offices,
    progress,
    registrations,
    settings,
    statements,
    status,
    users,
)
from database import db
from exchange import installation, kits, logs, postman, scanner, softether, vpn
from exchange import invitations as invited
from exchange import onetime as codes
from exchange.archives import ArchiveError
from exchange.errors import NotConfigured, Refused

ROOT = Path(__file__).parent

# Every key is described in docs/operations.md. instance/config.py and TODOKE_<KEY> in the environment override them.
DEFAULTS: dict[str, Any] = {
    "BASE_URL": "http://127.0.0.1:5000",  # the only source of links in mails
    "TRUSTED_HOSTS": [],  # besides the host of BASE_URL
    "MAIL_SERVER": "",
    "MAIL_PORT": 25,
    "MAIL_USERNAME": "",
    "MAIL_PASSWORD": "",
    "MAIL_STARTTLS": True,
    "MAIL_FROM": "todoke@todoke.example",
    "VPN_NETWORKS": [],  # empty: /auth and /files answer everywhere
    "STAFF_NETWORKS": [],  # empty: the fund's pages answer everywhere
    "VPN_PROVIDER": "manual",  # or "softether": who tells the VPN server which PC may connect
    "VPN_API": "https://127.0.0.1:5555",
    "VPN_HUB": "NENKIN",
    "VPN_PASSWORD": "",
    "VPN_CERTIFICATE": "",  # PEM file; empty: vpn/server.pem in the instance folder
    "VPN_PORT": 443,
    "VPN_BASE_URL": "",  # the site's address inside the VPN; empty: BASE_URL
    "MAKENSIS": "makensis",
    "VPN_CLIENT_SETUP": "",
    "SIGNING_CERTIFICATE": "",
    "SIGNING_KEY": "",
    "CLAMD": "",  # of the scanner for malware: a socket's path, or host:port; empty: nothing is scanned
    "PROXY_HOPS": 0,  # reverse proxies in front that set X-Forwarded-*
    "MAX_FILE_BYTES": 200 * 2**20,
    "MAX_UNPACKED_BYTES": 500 * 2**20,
    "RUN_JOBS": True,  # `flask run` also does the worker's work
}

# Pages that a stranger may open. Adding one is a decision to be reviewed.
PUBLIC = frozenset(
    (
        "home.index",
        "home.healthz",
        "help.index",
        "help.page",
        "onetime.form",
        "onetime.request_code",
        "onetime.receipt",
        "registration.form",
        "registration.open",
        "registration.confirm",
        "registration.file",
        "registration.receipt",
        "registration.leave",
        "download.form",
        "download.enter",
        "download.list",
        "download.document",
        "download.installer",
        "download.leave",
        "activate.form",
        "activate.enter",
        "activate.upload",
        "activate.request",
        "activate.receipt",
        "activate.leave",
        "auth.identity",
        "auth.identify",
        "auth.code",
        "auth.check_code",
        "auth.password",
        "auth.log_in",
        "auth.ended",
        "admin.login",
        "admin.log_in",
        "demo.mails",
        "demo.mail",
    )
)

LOOPBACK = ("127.0.0.1", "localhost")

CSP = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

ErrorPage = tuple[str, int, dict[str, str]]
log = logging.getLogger("todoke.requests")


def create_app(overrides: dict[str, Any] | None = None, may_be_outdated: bool | None = None) -> Flask:
    """The site on the installation in TODOKE_INSTANCE (or overrides["INSTANCE"], or instance/)."""
    folder = Path((overrides or {}).get("INSTANCE") or os.environ.get("TODOKE_INSTANCE") or ROOT / "instance").resolve()
    app = Flask(__name__, instance_path=str(folder))
    app.config.from_mapping(DEFAULTS)
    app.config.from_pyfile(str(folder / "config.py"), silent=True)
    app.config.from_prefixed_env("TODOKE")
    app.config.from_mapping(overrides or {})
    _configure(app)
    move_to(app, folder, commands.is_migrating() if may_be_outdated is None else may_be_outdated)
    logs.install()
    _add_extensions(app)
    _add_pages(app)
    _add_errors(app)
    words.teach(app)
    commands.register(app)
    return app


def move_to(app: Flask, folder: Path, may_be_outdated: bool = False) -> None:
    """Point the site, and every module below it, at the installation in that folder, as app.config has it."""
    app.instance_path = str(folder)
    keys = installation.open_installation(folder, _post(app, folder), may_be_outdated)
    app.config["SECRET_KEY"] = keys.cookie
    scanner.configure(app.config["CLAMD"])
    kits.configure(_workshop(app, folder))
    vpn.configure(_vpn_provider(app, folder))


def _configure(app: Flask) -> None:
    base = urlsplit(app.config["BASE_URL"])
    is_https = base.scheme == "https"
    if base.scheme not in ("http", "https") or not base.hostname:
        raise NotConfigured("BASE_URL must be the site's address, such as https://todoke.example")
    for key in ("TRUSTED_HOSTS", "VPN_NETWORKS", "STAFF_NETWORKS"):
        app.config[key] = _listed(app.config[key])
    hosts = [*([] if is_https else LOOPBACK), *app.config["TRUSTED_HOSTS"]]
    app.config.update(
        IS_HTTPS=is_https,
        VPN_NETWORKS=_networks(app, "VPN_NETWORKS"),
        STAFF_NETWORKS=_networks(app, "STAFF_NETWORKS"),
        IS_DEMO=lambda: (Path(app.instance_path) / installation.DEMO).exists(),
        TRUSTED_HOSTS=[*{base.hostname, *_vpn_host(app), *hosts}],
        MAX_CONTENT_LENGTH=512 * 1024,  # routes that take files raise it for themselves
        SESSION_COOKIE_NAME="__Host-todoke" if is_https else "todoke",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        WTF_CSRF_HEADERS=["X-CSRFToken"],
        WTF_I18N_ENABLED=False,  # sentences come from the form library, not from one for many languages
    )


def _vpn_host(app: Flask) -> list[str]:
    """The site's name inside the VPN, where it has one of its own."""
    inside, outside = (urlsplit(app.config[key]) for key in ("VPN_BASE_URL", "BASE_URL"))
    if not app.config["VPN_BASE_URL"]:
        return []
    if inside.scheme not in ("http", "https") or not inside.hostname:
        raise NotConfigured("VPN_BASE_URL must be the site's address inside the VPN, such as https://todoke.example")
    if (outside.scheme, inside.scheme) == ("https", "http"):
        raise NotConfigured("VPN_BASE_URL must begin with https like BASE_URL: nobody's cookie would come back without")
    return [inside.hostname]


def _listed(value: Any) -> list[str]:
    """A list as it is; a text from the environment at its commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise NotConfigured(f"a list is needed where the configuration has {value!r}")
    return list(value)


def _networks(app: Flask, key: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(network, strict=False) for network in app.config[key]]
    except ValueError as error:
        raise NotConfigured(f"{key} takes networks such as 10.8.0.0/16: {error}") from error


def _vpn_provider(app: Flask, folder: Path) -> vpn.Provider:
    config = app.config
    if config["VPN_PROVIDER"] == "manual":
        return vpn.Manual()
    if config["VPN_PROVIDER"] != "softether":
        raise NotConfigured('VPN_PROVIDER is "manual" or "softether"')
    certificate = Path(config["VPN_CERTIFICATE"] or folder / kits.SERVER_CERTIFICATE)
    return softether.from_file(config["VPN_API"], config["VPN_HUB"], config["VPN_PASSWORD"], certificate)


def _workshop(app: Flask, folder: Path) -> kits.Workshop:
    config, base_url = app.config, app.config["BASE_URL"].rstrip("/")
    optional = ("VPN_CLIENT_SETUP", "SIGNING_CERTIFICATE", "SIGNING_KEY")
    return kits.Workshop(
        folder=folder / "tmp",
        base_url=base_url,
        auth_base_url=config["VPN_BASE_URL"].rstrip("/") or base_url,
        hub=config["VPN_HUB"],
        port=config["VPN_PORT"],
        server_certificate=Path(config["VPN_CERTIFICATE"] or folder / kits.SERVER_CERTIFICATE),
        makensis=config["MAKENSIS"],
        **{key.lower().removeprefix("vpn_"): Path(config[key]).resolve() if config[key] else None for key in optional},
    )


def _post(app: Flask, folder: Path) -> postman.Post:
    config = app.config
    return postman.Post(
        templates=ROOT / "templates" / "mail",
        base_url=config["BASE_URL"].rstrip("/"),
        sender=config["MAIL_FROM"],
        server=config["MAIL_SERVER"],
        port=config["MAIL_PORT"],
        username=config["MAIL_USERNAME"],
        password=config["MAIL_PASSWORD"],
        starttls=config["MAIL_STARTTLS"],
        eml_folder=folder / "mail",
        writes_eml=config["IS_DEMO"],
        code_of=codes.code_of,
        invitation_code_of=invited.code_of,
    )


def _add_extensions(app: Flask) -> None:
    Htmx(app)
    app.request_class = uploads.Request
    if app.config["PROXY_HOPS"]:
        hops = app.config["PROXY_HOPS"]
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    # The order matters: the door and the sink stand before the CSRF check, which reads the whole body.
    app.before_request(_open_database)
    login = LoginManager(app)
    login.user_loader(visitor.load)
    login.anonymous_user = visitor.Nobody
    login.session_protection = None  # sessions are rows; an address may change behind a proxy
    app.before_request(guards.door(PUBLIC))
    app.before_request(uploads.prepare)
    CSRFProtect(app)
    app.before_request(confirming.ask)
    app.teardown_request(_close_database)
    app.teardown_request(uploads.discard)
    app.after_request(_add_headers)
    app.after_request(_log_request)


def _open_database() -> None:
    g.request_id = secrets.token_hex(6)
    g.started_at = datetime.now(UTC)
    g.opened_db = db.is_closed()
    if request.endpoint != "static":  # a page that says the database is gone still has its style
        db.connect(reuse_if_open=True)


def _close_database(_: BaseException | None) -> None:
    if g.pop("opened_db", False):  # a connection that was open before belongs to somebody else
        db.close()


def _add_pages(app: Flask) -> None:
    counters = (home, help, registration, download, activate, onetime, auth)
    theirs = (office, users, account, offices, audit, settings, inbox, statements, status, desk)
    onboarding = (registrations, invitations, letters, documents, installers, contracts, progress)
    equipment = (devices, activations, handovers)
    for room in (*counters, files, admin, *theirs, *onboarding, *equipment, demo):
        app.register_blueprint(room.bp)


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = CSP
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["X-Frame-Options"] = "DENY"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
    headers.add("Vary", "HX-Request")
    if request.endpoint != "static":
        headers["Cache-Control"] = "no-store"
    if request.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _log_request(response: Response) -> Response:
    """One line a request, without a path's ids' meaning, names, addresses of mail or form values."""
    if request.endpoint != "static":
        took = (datetime.now(UTC) - g.started_at).total_seconds() if "started_at" in g else 0
        facts = {"id": g.get("request_id"), "method": request.method, "endpoint": request.endpoint}
        log.info("request", extra={"facts": {**facts, "status": response.status_code, "ms": round(took * 1000)}})
    return response


def _add_errors(app: Flask) -> None:
    @app.errorhandler(Refused)
    def refused(error: Refused) -> ErrorPage:
        return _error_page(error.status, error.message)

    @app.errorhandler(OperationalError)
    def database_trouble(error: OperationalError) -> ErrorPage | tuple[str, int]:
        return _error_page(507, "") if "full" in str(error) else unknown(error)

    @app.errorhandler(ArchiveError)
    def unusable(error: ArchiveError) -> ErrorPage:
        return _error_page(422, error.finding.message)

    @app.errorhandler(CSRFError)
    def stale(_: CSRFError) -> ErrorPage:
        return _error_page(
            400, "画面を開いてから時間がたったか、別の画面でログインし直したため、送信を確認できませんでした。"
        )

    @app.errorhandler(HTTPException)
    def known(error: HTTPException) -> ErrorPage | HTTPException:
        if error.code is None or error.code < 400:
            return error
        return _error_page(error.code, "")

    @app.errorhandler(SecurityError)
    def untrusted(_: SecurityError) -> tuple[str, int]:
        return _failsafe_page("errors/untrusted.html"), 400

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> tuple[str, int]:
        logging.getLogger("todoke").exception("request %s failed", g.get("request_id"))
        return _failsafe_page("errors/500.html"), 500


def _failsafe_page(template: str) -> str:
    """A page that needs no database, no person and no address of ours: without the context processors."""
    return current_app.jinja_env.get_template(template).render(request_id=g.get("request_id", ""))


def _error_page(status: int, message: str) -> ErrorPage:
    template = f"errors/{status}.html" if status in PAGES else "errors/400.html"
    page = render_template(template, message=message, request_id=g.get("request_id", ""), back_url=guards.came_from())
    return page, status, answers.WHOLE_PAGE if request.htmx else {}


PAGES = frozenset(int(path.stem) for path in (ROOT / "templates" / "errors").glob("[0-9]*.html"))
