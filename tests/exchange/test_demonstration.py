"""The demonstration: made once, the same ever after, and only in an empty installation."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from database import db
from exchange import archive_passwords, audit, credentials, demonstration, fund, installation, people
from exchange.actors import command_line
from exchange.errors import Refused
from exchange.permissions import ALL_WORDS, CONSULTANT_WORDS
from models import Office, User
from tests.people import Cast
from tests.processes import post


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """A new installation, open."""
    folder = tmp_path / "empty"
    installation.open_installation(folder, post())
    with db.connection_context():
        yield folder
    db.close()


def test_a_second_call_tells_the_same_and_makes_nothing(cast: Cast, demo_file: Path) -> None:
    before = (User.select().count(), Office.select().count(), demo_file.read_bytes())
    again = demonstration.seed(command_line(), demo_file, "http://127.0.0.1:5000")
    assert again == cast.made
    assert (User.select().count(), Office.select().count(), demo_file.read_bytes()) == before


def test_the_secrets_lie_in_a_file_of_the_owner(demo_file: Path) -> None:
    assert demo_file.stat().st_mode & 0o777 == 0o600


def test_it_is_refused_where_there_is_a_fund_or_an_office(empty: Path) -> None:
    fund.establish_fund(command_line(), "本物の基金", "")
    with pytest.raises(Refused, match="空の環境"):
        demonstration.seed(command_line(), empty / "demo.json", "http://127.0.0.1:5000")
    assert (Office.select().count(), (empty / "demo.json").exists()) == (0, False)


def test_a_file_left_by_a_crash_before_the_commit_does_not_stand_for_a_demonstration(empty: Path) -> None:
    (empty / "demo.json").write_text(json.dumps({"offices": [], "staff": []}))
    made = demonstration.seed(command_line(), empty / "demo.json", "http://127.0.0.1:5000")
    assert len(made["offices"]) == Office.select().count() == 2
    assert json.loads((empty / "demo.json").read_text())["offices"] == made["offices"]


def test_two_demonstrations_share_no_secret(staged: tuple[Path, dict], empty: Path) -> None:
    other = demonstration.seed(command_line(), empty / "demo.json", "http://127.0.0.1:5000")
    assert len(secrets_of(other)) == len(secrets_of(staged[1])) > 10
    assert secrets_of(staged[1]).isdisjoint(secrets_of(other))


def secrets_of(made: dict) -> set[str]:
    users = [user for office in made["offices"] for user in office["users"]]
    found = {user["password"] for user in [*users, *made["staff"]]} | {one["totp_secret"] for one in made["staff"]}
    found |= {office["download_key"] for office in made["offices"]} | {made["offices"][0]["archive_password"]}
    return found


def test_the_people_are_the_guides(cast: Cast) -> None:
    words = {name: cast.member(name).words() for name in ("taro", "jun", "hanako", "hanako_at_xyz")}
    assert words == {
        "taro": set(ALL_WORDS),
        "jun": set(ALL_WORDS),
        "hanako": set(CONSULTANT_WORDS),
        "hanako_at_xyz": set(CONSULTANT_WORDS),
    }
    assert cast.member("hanako").user == cast.member("hanako_at_xyz").user
    assert [device.state for device in cast.abc.devices] == ["active"] * 3
    assert people.needs_registration(cast.member("jiro"))
    assert not any(people.needs_registration(cast.member(name)) for name in ("taro", "jun", "hanako"))


def test_what_it_prints_works(cast: Cast) -> None:
    for name in ("taro", "jun", "hanako", "jiro", "kiku", "ume", "dai"):
        assert credentials.is_right(cast.member(name).user.password_hash, cast.secrets(name)["password"]), name
    assert archive_passwords.reveal(cast.abc.current_archive_password()) == cast.archive_password
    for made, office in zip(cast.made["offices"], (cast.abc, cast.xyz), strict=True):
        assert credentials.is_right(office.download_key_hash, made["download_key"])
        assert made["contract_number"] == office.contract_number


def test_its_trail_is_sound(cast: Cast) -> None:
    verdict = audit.verify()
    assert verdict.is_sound
    assert verdict.entries > 15
