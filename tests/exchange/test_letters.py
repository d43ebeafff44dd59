"""管理者情報登録完了のお知らせ: secrets that only the letter tells."""

from pathlib import Path

import pytest

from database import db
from exchange import credentials, letters
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused
from models import AuditEntry
from tests.people import Cast


def everything_on_disk(instance: Path) -> bytes:
    db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    files = [path for path in instance.rglob("*") if path.is_file() and path.name != "demo.json"]
    return b"".join(path.read_bytes() for path in files)


def test_the_secrets_are_kept_only_as_hashes(cast: Cast, instance: Path) -> None:
    secrets = letters.issue_secrets(command_line(), cast.xyz)
    kept = everything_on_disk(instance)
    assert secrets.download_key.encode() not in kept
    assert secrets.initial_password.encode() not in kept
    assert credentials.is_right(cast.xyz.download_key_hash, secrets.download_key)
    assert credentials.is_right(cast.member("jiro").user.password_hash, secrets.initial_password)


def test_the_secrets_have_their_length_and_no_letters_that_look_alike(cast: Cast) -> None:
    secrets = letters.issue_secrets(command_line(), cast.xyz)
    assert (len(secrets.download_key), len(secrets.initial_password)) == (8, 12)
    assert set("OoIl01").isdisjoint(secrets.download_key + secrets.initial_password)


def test_a_new_letter_makes_the_old_one_void(cast: Cast) -> None:
    old, new = (letters.issue_secrets(command_line(), cast.xyz) for _ in range(2))
    assert old != new
    assert not credentials.is_right(cast.xyz.download_key_hash, old.download_key)
    assert not credentials.is_right(cast.member("jiro").user.password_hash, old.initial_password)


def test_the_thirty_days_start_anew_with_the_letter(cast: Cast) -> None:
    actor = command_line()
    letters.issue_secrets(actor, cast.xyz)
    assert (cast.xyz.secrets_issued_at, cast.member("jiro").user.password_set_at) == (actor.at, actor.at)


def test_no_letter_for_an_admin_with_a_password_of_his_own(cast: Cast) -> None:
    before = cast.abc.download_key_hash
    with pytest.raises(Refused, match="すでに"):
        letters.issue_secrets(command_line(), cast.abc)
    assert cast.abc.download_key_hash == before


@pytest.mark.parametrize("name", ["jiro", "taro", "ume", "dai"])
def test_only_clerks_with_the_word_issue_letters(cast: Cast, name: str) -> None:
    before = cast.xyz.download_key_hash
    with pytest.raises(Forbidden):
        letters.issue_secrets(getattr(cast, name), cast.xyz)
    assert cast.xyz.download_key_hash == before
    assert letters.issue_secrets(cast.kiku, cast.xyz)


def test_the_audit_tells_that_a_letter_was_issued_and_no_secret(cast: Cast) -> None:
    secrets = letters.issue_secrets(command_line(), cast.xyz)
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).first()
    assert (entry.action, entry.details) == ("letter.issued", {"contract_number": cast.xyz.contract_number})
    assert secrets.download_key not in entry.facts


def test_the_letter_tells_what_the_admin_needs(cast: Cast) -> None:
    secrets = letters.issue_secrets(command_line(), cast.xyz)
    text = letters.as_text(cast.xyz, secrets, "https://todoke.example", "令和8年11月24日")
    wanted = [cast.xyz.contract_number, secrets.download_key, secrets.initial_password, "xyzJiro01", "戊田　次郎"]
    wanted += ["令和8年11月24日", "XYZ工業株式会社 御中", "2台", "https://todoke.example/download/", "30日"]
    assert [word for word in wanted if word not in text] == []
