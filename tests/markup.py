"""What every page of the site has to keep to, read by a parser of its own."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

VOID = {"input", "link", "meta", "br", "img", "hr", "path", "rect"}
FIELDS = {"input", "select", "textarea", "progress"}
POINTERS = ("for", "aria-describedby", "aria-labelledby", "aria-controls", "form", "hx-target")
SILENT = {"script", "style", "title", "code", "pre", "template"}

# Latin letters that a Japanese office reads every day; single letters are names of devices and users.
KNOWN_WORDS = {
    *("PC", "VPN", "ZIP", "Zip", "zip", "PDF", "pdf", "CSV", "csv", "xlsx", "ID", "KB", "MB", "GB", "AES", "SHA"),
    *("CapsLock", "Ctrl", "Windows", "Deflate", "ZipCrypto", "ABC", "XYZ", "QRS", "UVW", "todoke", "kikinKiku"),
    *("VPN_NETWORKS", "STAFF_NETWORKS", "CLAMD", "clamd", "QR", "Google", "Microsoft", "Authenticator"),
    *("Chrome", "Edge", "SmartScreen", "SoftEther", "HTTPS", "TLS", "TCP", "DNS", "IP", "URL", "JIS", "WCAG", "AA"),
    *("Cookie", "JavaScript", "Excel", "Word", "Mac", "OS", "Defender", "Chromium", "ClamAV"),
    *("XXXXXX", "txt", "USB"),  # 確認コード(XXXXXX).txt, and how it gets to another PC
    *("exe", "setup", "AB", "XY"),  # setup.….exe; what the download counter shows of ABC商事 and XYZ工業
}


class Page(HTMLParser):
    """One page; `faults(adapter)` names everything that is wrong with it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.pointers: list[tuple[str, str]] = []
        self.labels: set[str] = set()
        self.fields: list[tuple[dict[str, str | None], bool]] = []  # attributes, inside a label
        self.forms: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.heading = self.title = self.text = ""
        self.headings = 0
        self.lang: str | None = None
        self.feed(html.replace("<wbr>", ""))  # where a word may break, not where it ends
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in facts:
            self.ids.append(facts["id"] or "")
        self.pointers += [(name, id) for name in POINTERS for id in (facts.get(name) or "").split()]
        self.inline += [f"{tag} {name}" for name in facts if name == "style" or re.match(r"on|hx-on", name)]
        if tag == "html":
            self.lang = facts.get("lang")
        elif tag == "h1":
            self.headings += 1
        elif tag == "style" or (tag == "script" and "src" not in facts):
            self.inline.append(tag)
        elif tag == "label":
            self.labels.add(facts.get("for") or "")
        elif tag in FIELDS and facts.get("type") != "hidden":
            self.fields.append((facts, "label" in self.open))
        elif tag == "form":
            self.forms.append({**facts, "has_token": None})
        if tag == "input" and facts.get("name") == "csrf_token" and self.forms and facts.get("value"):
            self.forms[-1]["has_token"] = "yes"
        named = (facts.get(name) for name in ("href", "src", "action", "formaction", "hx-get", "hx-post"))
        self.links += [link for link in named if link is not None]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "h1" in self.open:
            self.heading += data
        if "title" in self.open:
            self.title += data
        if not SILENT.intersection(self.open):
            self.text += f" {data}"

    def faults(self, adapter: MapAdapter) -> list[str]:
        return [
            *([] if self.headings == 1 else [f"{self.headings} h1"]),
            *([] if self.heading.strip() and self.title.startswith(self.heading.strip()) else [f"title {self.title}"]),
            *([] if self.lang == "ja" else [f"lang {self.lang}"]),
            *self.fragment_faults(adapter),
        ]

    def fragment_faults(self, adapter: MapAdapter, known: tuple[str, ...] = ()) -> list[str]:
        """What a piece of a page has to keep to as well; `known`: ids of the page that it becomes a part of."""
        doubled = {id for id in self.ids if self.ids.count(id) > 1}
        ids = {*self.ids, *known}
        return [
            *(f"id {id} twice" for id in doubled),
            *(f"{name} names {id}" for name, id in self.pointers if id.removeprefix("#") not in ids),
            *(f"no label: {facts}" for facts, inside in self.fields if not inside and not self._has_name(facts)),
            *(f"form {form}" for form in self.forms if not self._is_whole(form)),
            *self.inline,
            *(f"link {link}" for link in self.links if not leads_somewhere(link, adapter)),
            *(f"English: {word}" for word in self.foreign_words()),
            *(f"<{tag}> stays open" for tag in self.open),
        ]

    def _has_name(self, facts: dict[str, str | None]) -> bool:
        return facts.get("id") in self.labels or bool(facts.get("aria-label"))

    def _is_whole(self, form: dict[str, str | None]) -> bool:
        if not form.get("action") or form.get("method") not in ("get", "post"):
            return False
        return form["method"] == "get" or form["has_token"] == "yes"

    def foreign_words(self) -> set[str]:
        text = re.sub(r"[\w.+-]+@[\w.-]+|[\w-]*\d[\w-]*", " ", self.text)  # addresses, numbers, IDs
        return set(re.findall(r"[A-Za-z][A-Za-z_]+", text)) - KNOWN_WORDS


def leads_somewhere(link: str, adapter: MapAdapter) -> bool:
    """Whether a link is one of ours and there is a route for it."""
    if not link or link.startswith("#"):
        return True
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not link.startswith("/"):
        return False
    for method in ("GET", "POST"):
        try:
            adapter.match(parts.path, method)
        except HTTPException:
            continue
        return True
    return False
