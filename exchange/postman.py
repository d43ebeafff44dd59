"""The sender of mails: carries what the outbox holds to the SMTP server, and writes a demonstration's as files."""

import logging
import os
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from database import utc_now
from exchange import calendar, settings
from exchange.errors import NotConfigured
from models import Mail, OneTimePassword

LEASE = timedelta(minutes=2)
BACK_OFF = (10, 60, 300, 900, 3600)  # seconds; the last one repeats
GIVE_UP = timedelta(hours=24)
TIMEOUT = 30  # seconds an SMTP server may stay silent

log = logging.getLogger("todoke.postman")


@dataclass(frozen=True)
class Post:
    """How mail leaves the box: to `server` (empty: none), and as .eml files in `eml_folder` where `writes_eml()` (a
    demonstration).
    """

    templates: Path
    base_url: str
    sender: str
    server: str = ""
    port: int = 25
    username: str = ""
    password: str = ""
    starttls: bool = True
    eml_folder: Path | None = None
    writes_eml: Callable[[], bool] = lambda: True
    code_of: Callable[[OneTimePassword], str] | None = None
    invitation_code_of: Callable[[str], str] | None = None  # of that uid; "" once it opens nothing any more


_post: Post | None = None


def configure(post: Post) -> None:
    global _post
    _post = post


def send_due(at: datetime) -> bool:
    """Send the mail that is due longest; False when none was. Unsent, it comes up again for a day, then it is dead."""
    post = _configured()
    if not post.server and not _writes_eml(post):
        return False
    mail = _take(at)
    if mail is None:
        return False
    if _is_too_late(post, mail, at):
        _end(mail, state="dropped", error="expired")
        return True
    try:
        _deliver(post, _compose(post, mail))
    except Exception as error:
        # Whatever went wrong, the row must say so and come up again; an address that fits no header ends as dead.
        log.warning("mail %s not sent: %s", mail.uid, type(error).__name__)
        _put_back(mail, type(error).__name__, at)
    else:
        _end(mail, state="sent", sent_at=utc_now(), error="")
    return True


def _is_too_late(post: Post, mail: Mail, at: datetime) -> bool:
    """Whether its code is over, spent, or replaced by a newer one."""
    if "invitation" in mail.facts and not _code(post, mail):
        return True
    return (mail.expires_at is not None and mail.expires_at <= at) or (mail.code is not None and mail.code.counter > 0)


def _code(post: Post, mail: Mail) -> str:
    """The code that the mail carries, made for this moment: no row holds it in clear."""
    if "invitation" in mail.facts:
        return post.invitation_code_of(mail.facts["invitation"]) if post.invitation_code_of else ""
    return post.code_of(mail.code) if mail.code and post.code_of else ""


def _take(at: datetime) -> Mail | None:
    is_free = Mail.leased_until.is_null() | (Mail.leased_until < at)
    due = (
        Mail.select(Mail.id)
        .where(Mail.state == "waiting", Mail.due_at <= at, is_free)
        .order_by(Mail.due_at, Mail.id)
        .limit(1)
    )
    if not due.exists():
        return None
    taken = list(
        Mail.update(leased_until=at + LEASE, tries=Mail.tries + 1)
        .where(Mail.id << due, Mail.state == "waiting", is_free)
        .returning(Mail)
        .execute()
    )
    return taken[0] if taken else None


def _put_back(mail: Mail, error: str, at: datetime) -> None:
    if at - mail.created_at > GIVE_UP:
        _end(mail, state="dead", error=error)
    else:
        wait = BACK_OFF[min(mail.tries, len(BACK_OFF)) - 1]
        _end(mail, due_at=at + timedelta(seconds=wait), error=error)


def _end(mail: Mail, **columns: object) -> None:
    """Write only while the lease is still ours: a slow server may have let another sender take the mail."""
    Mail.update(leased_until=None, **columns).where(
        Mail.id == mail.id, Mail.state == "waiting", Mail.leased_until == mail.leased_until
    ).execute()


def _compose(post: Post, mail: Mail) -> EmailMessage:
    facts = settings.every()
    names = ("service_name", "fund_name", "fund_contact")
    text = (
        _templates(post)
        .get_template(f"{mail.kind}.txt")
        .render(
            **{name: facts[name] for name in names},
            base_url=post.base_url,
            person=mail.to_user,
            transfer=mail.transfer,
            code=_code(post, mail),
            number=mail.code.number if mail.code else "",
            minutes=facts["code_minutes"],
            facts=mail.facts,
            when=f"{calendar.japan(mail.created_at):%Y/%m/%d %H:%M}",
        )
    )
    first, _, body = text.partition("\n")
    message = EmailMessage()
    message["From"] = formataddr((facts["service_name"], post.sender))
    message["To"] = mail.to_address or mail.to_user.mail
    message["Subject"] = first.removeprefix("件名:").strip()
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.uid}@{post.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body.strip() + "\n", charset="utf-8")
    return message


def _templates(post: Post) -> Environment:
    # Plain text: there is no markup to escape into.
    return Environment(
        loader=FileSystemLoader(post.templates),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
    )


def _deliver(post: Post, message: EmailMessage) -> None:
    if post.eml_folder is not None and _writes_eml(post):
        _write_eml(post.eml_folder, message)
    if post.server:
        with smtplib.SMTP(post.server, post.port, timeout=TIMEOUT) as smtp:
            if post.starttls:
                smtp.starttls(context=ssl.create_default_context())
            if post.username:
                smtp.login(post.username, post.password)
            smtp.send_message(message)


def _writes_eml(post: Post) -> bool:
    return post.eml_folder is not None and post.writes_eml()


def _write_eml(folder: Path, message: EmailMessage) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{utc_now().strftime('%Y%m%d-%H%M%S-%f')}-{message['Message-ID'][1:9]}.eml"
    part = folder / f".{name}.part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes())
    part.rename(folder / name)


def sweep(at: datetime) -> None:
    """Forget mails a quarter of a year after they were sent or dropped."""
    over = Mail.state << ("sent", "dropped")
    Mail.delete().where(over, Mail.created_at < at - timedelta(days=90)).execute()


def eml_names(folder: Path) -> list[str]:
    """The mails a demonstration has written, newest first."""
    return sorted((path.name for path in folder.glob("*.eml")), reverse=True)


def read_eml(path: Path) -> dict[str, Any]:
    """One of them: name, to, subject, at (aware datetime), body."""
    message = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    return {
        "name": path.name,
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
        "at": message["Date"].datetime,
        "body": message.get_content(),
    }


def _configured() -> Post:
    if _post is None:
        raise NotConfigured("no mail is configured")
    return _post
