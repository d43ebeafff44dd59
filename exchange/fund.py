"""The fund of this installation: that there is one, and what it decides."""

from collections.abc import Mapping
from typing import Any

from database import db
from exchange import audit, permissions, settings
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster


def has_fund() -> bool:
    """Whether `flask setup` has been run."""
    return bool(settings.get("fund_name"))


def establish_fund(actor: Actor, fund_name: str, contact: str) -> None:
    """The fund of this installation. Refused when there is one."""
    permissions.require(actor, "staff")
    _require_fit({"fund_name": fund_name, "fund_contact": contact})
    with db.atomic():
        if has_fund():
            raise Refused("基金はすでに登録されています。")
        settings.put("fund_name", fund_name)
        settings.put("fund_contact", contact)
        audit.record(actor, "fund.established", fund_name=fund_name)


def decide(actor: Actor, changes: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Write what the fund decides, all of it or nothing; the keys that were not so already.

    `changes`: key → (the value that the person saw, the value wanted). SomeoneWasFaster when a value is by now neither
    of the two, Refused for one that doesn't fit, KeyError for an undeclared key.
    """
    permissions.require(actor, "settings")
    wanted = {key: settings.tidy(key, after) for key, (_, after) in changes.items()}
    _require_fit(wanted)
    with db.atomic():
        now = settings.every()
        _require_unchanged([key for key, (before, _) in changes.items() if now[key] not in (before, wanted[key])])
        _require_peace(now | wanted)
        changed = {key: [now[key], after] for key, after in wanted.items() if now[key] != after}
        for key, (_, after) in changed.items():
            settings.put(key, after)
        if changed:
            audit.record(actor, "settings.changed", changed=changed)
    return list(changed)


def _require_fit(wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        problem = settings.problem(key, value)
        if problem:
            raise Refused(f"{settings.DECLARED[key].label}：{problem}")


def _require_peace(values: Mapping[str, Any]) -> None:
    clash = settings.clash(values)
    if clash:
        key, problem = clash
        raise Refused(f"{settings.DECLARED[key].label}：{problem}")


def _require_unchanged(overtaken: list[str]) -> None:
    if overtaken:
        labels = "".join(f"「{settings.DECLARED[key].label}」" for key in overtaken)
        raise SomeoneWasFaster(
            f"{labels}は、画面を開いたあとに変更されています。今の内容を確かめてから、もう一度保存してください。"
        )
