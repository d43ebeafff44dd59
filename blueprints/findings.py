"""What an inspection has found, as a person reads it: lines for its page, and how many of them a list tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from exchange import inspections, zip_findings
from models import Inspection

UNREAD = frozenset({"OTHER_OFFICE"})  # which other offices there are is not for an office to read
MOST_NAMES = 10  # in one line
# Why nothing was scanned (Inspection.scan, under "why"), to stand in a sentence about files.
BECAUSE = {
    "unreachable": "（検査プログラムにつながらないため）",
    "too_big": "（大きすぎるため）",
    "broken": "（検査プログラムが終わりまで答えなかったため）",
}
BE_CAREFUL = "開くときは、PCのウイルス対策ソフトでも確かめてください。"


@dataclass(frozen=True)
class Line:
    """`word`: how much it weighs, 不備, 注意 or ウイルス. `entry`: the file, where the text doesn't name it."""

    code: str
    word: str
    text: str
    entry: str = ""


def lines(inspection: Inspection, is_office: bool) -> list[Line]:
    """One for each finding that this side may read; files that were not scanned share one."""
    seen = [found for found in inspection.findings if not (is_office and found["code"] in UNREAD)]
    unscanned = [found for found in seen if _is_unscanned(found)]
    made = [_line(found) for found in seen if not _is_unscanned(found)]
    return [*made, _unscanned(unscanned, inspection.scan)] if unscanned else made


def counted(inspection: Inspection, is_office: bool) -> str:
    """不備1件・注意2件; nothing of an inspection that has found nothing, isn't over or found a virus."""
    if inspection.state not in ("failed", "warned"):
        return ""
    words = [line.word for line in lines(inspection, is_office)]
    return "・".join(f"{word}{words.count(word)}件" for word in ("不備", "注意") if word in words)


def weight(found: dict[str, Any]) -> str:
    """How much one finding, as a row keeps it, weighs."""
    if found["code"] == "MALWARE":
        return "ウイルス"
    severity = found.get("severity") or zip_findings.CODES.get(found["code"])  # older rows tell none
    return "注意" if severity == "warn" else "不備"


def _is_unscanned(found: dict[str, Any]) -> bool:
    return found["code"] == "NOT_SCANNED" and not inspections.is_could_not(found)


def _line(found: dict[str, Any]) -> Line:
    entry = found["entry"] or ""
    return Line(found["code"], weight(found), found["message"], "" if entry in found["message"] else entry)


def _unscanned(group: list[dict[str, Any]], scan: Any) -> Line:
    why = BECAUSE.get((scan or {}).get("why", ""), "")
    names = [zip_findings.shown(found["entry"]) for found in group if found["entry"]]
    number = len(names) + sum(zip_findings.more_of(found["message"]) for found in group)
    if number < 2:
        text = f"{f'「{names[0]}」' if names else 'このZIP'}は、ウイルス検査ができませんでした{why}。"
    else:
        rest = number - len(names[:MOST_NAMES])
        more = f"、ほか{rest:,}件" if rest else ""
        text = f"{number:,}件のファイルは、ウイルス検査ができませんでした{why}：{_listed(names[:MOST_NAMES])}{more}。"
    return Line("NOT_SCANNED", "注意", text + BE_CAREFUL)


def _listed(names: Iterable[str]) -> str:
    return "、".join(f"「{name}」" for name in names)
