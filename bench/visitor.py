"""A person at a browser without the browser: follows forms and links over HTTP, keeps cookies, reads its own mail."""

import http.client
import re
import secrets
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

MAIL_SECONDS = 20  # how long a mail may take from the press of a button to the mailbox
UNTOUCHED = ("file", "submit", "checkbox", "radio")  # inputs that send nothing unless somebody acts
CODE = re.compile(r"(?<![\d/-])\d{4}[ -]?\d{4}(?![\d/-])")  # eight digits, perhaps in two groups


class Page(NamedTuple):
    """An answer: its status, the address it came from after redirects, its text."""

    status: int
    url: str
    text: str

    def form(self, path: str) -> dict[str, str]:
        """The names and values that a form posting to `path` would send untouched. LookupError without such a form."""
        reader = _FormReader()
        reader.feed(self.text)
        here = urlsplit(self.url).path
        for action, fields in reader.forms:
            if (urlsplit(action).path or here) == path:
                return fields
        raise LookupError(f"{self.url} has no form for {path} (answer {self.status})")


class Visitor:
    """One browser. `base` is http://host:port."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Page:
        return self._ask("GET", path)

    def post(self, path: str, fields: dict[str, str]) -> Page:
        body = urlencode(fields).encode()
        return self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def fills_in(self, page: Page, path: str, **typed: str) -> Page:
        """Sends the form of `page` that posts to `path`, with what was typed in it."""
        return self.post(path, page.form(path) | typed)

    def headers(self) -> dict[str, str]:
        """What a browser sends with a form: the cookies, and where it comes from."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Referer": self.base + "/", "Origin": self.base} | ({"Cookie": cookie} if cookie else {})

    def logs_in(self, contract_number: str, person: dict[str, Any], mailbox: Path) -> Page:
        """The way of guide §5 and §6: code by mail, then code and password. `person`: a user of `flask demo --json`."""
        who = {"contract_number": contract_number, "login_id": person["login_id"]}
        seen = set(mailbox.glob("*.eml")) if mailbox.exists() else set()
        self.fills_in(self.get("/onetime/"), "/onetime/", **who)
        code = read_code(mailbox, person["mail"], seen)
        at_code = self.fills_in(self.get("/auth/"), "/auth/", **who)
        at_password = self.fills_in(at_code, "/auth/code", code=code)
        inside = self.fills_in(at_password, "/auth/password", login_id=person["login_id"], password=person["password"])
        if inside.status != 200 or urlsplit(inside.url).path.startswith("/auth/"):
            raise RuntimeError(f"{person['login_id']} was not let in: {inside.status} at {inside.url}")
        return inside

    def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Page:
        for _ in range(5):
            parts = urlsplit(urljoin(self.base, path))
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
            try:
                target = parts.path + (f"?{parts.query}" if parts.query else "")
                connection.request(method, target, body or None, self.headers() | (headers or {}))
                answer = connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
            finally:
                connection.close()
            self._keep_cookies(answer)
            if answer.status not in (301, 302, 303, 307, 308):
                return Page(answer.status, parts.geturl(), text)
            method, path, body, headers = "GET", urljoin(parts.geturl(), answer.headers["Location"]), b"", None
        raise RuntimeError(f"too many redirects at {path}")

    def _keep_cookies(self, answer: http.client.HTTPResponse) -> None:
        for line in answer.headers.get_all("Set-Cookie", []):
            pair, _, rest = line.partition(";")
            name, _, value = pair.partition("=")
            self.cookies.pop(name, None)
            if value and "max-age=0" not in rest.lower():
                self.cookies[name] = value


def read_code(mailbox: Path, address: str, seen: set[Path]) -> str:
    """The one-time password in the newest mail to `address` that is not in `seen`; waits for it to arrive."""
    until = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < until:
        for file in sorted(set(mailbox.glob("*.eml")) - seen):
            mail = message_from_bytes(file.read_bytes(), policy=policy.default)
            part = mail.get_body(("plain",))
            found = CODE.search(part.get_content() if part else "")
            if found and address in str(mail["To"]):
                return re.sub(r"\D", "", found[0])
        time.sleep(0.05)
    raise TimeoutError(f"no one-time password for {address} in {mailbox} after {MAIL_SECONDS} s")


class Multipart(NamedTuple):
    """A form with a file as a browser sends it: what comes before and after the bytes of the file."""

    content_type: str
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, fields: dict[str, str], file_field: str, file_name: str) -> "Multipart":
        """Text fields first, the file last, as our forms are laid out."""
        boundary = "----todoke" + secrets.token_hex(12)
        return cls(
            f"multipart/form-data; boundary={boundary}",
            "".join(cls._parts(boundary, fields, file_field, file_name)).encode(),
            f"\r\n--{boundary}--\r\n".encode(),
        )

    @staticmethod
    def _parts(boundary: str, fields: dict[str, str], file_field: str, file_name: str) -> Iterator[str]:
        for name, value in fields.items():
            yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{file_field}"; filename="{file_name}"\r\n'
        yield "Content-Type: application/zip\r\n\r\n"


class _FormReader(HTMLParser):
    """Collects (action, {name: value}) of each form; of a select the chosen option, or the first one with a value."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.inside = False
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
            self.inside = True
        elif self.inside and tag == "select":
            self.select = given.get("name", "")
        elif self.inside and tag == "option" and self.select:
            fields = self.forms[-1][1]
            if "selected" in given or not fields.get(self.select):
                fields[self.select] = given.get("value", "")
        elif self.inside and tag in ("input", "textarea") and given.get("type") not in UNTOUCHED:
            self.forms[-1][1].setdefault(given.get("name", ""), given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "select":
            self.select = ""
