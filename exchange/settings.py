"""What the fund decides: every setting with its type, default and label; the rows hold only what differs."""

from dataclasses import dataclass
from typing import Any

from models import Setting


@dataclass(frozen=True)
class Declared:
    kind: type[Any]
    default: Any
    label: str
    bounds: tuple[int, int] | None = None  # lowest and highest
    choices: tuple[str, ...] = ()  # the only values, if there are any


DECLARED: dict[str, Declared] = {
    "service_name": Declared(str, "企業年金電子連携サービス", "サービス名"),
    "fund_name": Declared(str, "", "基金名"),
    "fund_contact": Declared(str, "", "問い合わせ先"),
    "credential_line": Declared(str, "", "フッターに表示する指定・認定の記載"),
    "code_minutes": Declared(int, 10, "ワンタイムパスワードの有効時間（分）", (5, 30)),
    "password_length": Declared(int, 12, "ログインパスワードの最小文字数", (12, 64)),
    "pickup_days": Declared(int, 7, "受取要求からダウンロードできる日数", (1, 31)),
    "statement_second_clerk": Declared(bool, False, "帳票は作成者以外の職員が承認する"),
    "zipcrypto": Declared(
        str,
        "warn",
        "ZipCrypto で暗号化されたZIP（warn 警告して受付 / refuse 受け付けない）",
        choices=("warn", "refuse"),
    ),
}


def get(key: str) -> Any:
    """The fund's decision or the declared default; an undeclared key is a KeyError."""
    declared = DECLARED[key]
    row = Setting.get_or_none(Setting.key == key)
    return declared.default if row is None else row.value


def every() -> dict[str, Any]:
    """All settings by key, in one query."""
    rows = {row.key: row.value for row in Setting.select()}
    return {key: rows.get(key, declared.default) for key, declared in DECLARED.items()}


def put(key: str, value: Any) -> None:
    """Write one decision; called by verbs, inside their transaction.

    TypeError or ValueError for a value it can't take.
    """
    declared = DECLARED[key]
    if not isinstance(value, declared.kind) or (declared.kind is int and isinstance(value, bool)):
        raise TypeError(f"{key} takes {declared.kind.__name__}")
    if declared.bounds and not declared.bounds[0] <= value <= declared.bounds[1]:
        raise ValueError(f"{key} takes {declared.bounds[0]} to {declared.bounds[1]}")
    if declared.choices and value not in declared.choices:
        raise ValueError(f"{key} takes {' or '.join(declared.choices)}")
    Setting.insert(key=key, value=value).on_conflict_replace().execute()
