"""An installation on the disk: what a first start makes, what a later one refuses, settings and devices in it."""

import stat
from pathlib import Path

import pytest

from database import db
from exchange import audit, devices, installation, postman, settings, vault
from exchange.actors import command_line
from exchange.errors import Forbidden, NotConfigured, SomeoneWasFaster
from models import AuditEntry, Office, Setting
from tests.people import Cast
from tests.processes import post


def test_a_first_start_makes_everything_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "instance"
    installation.open_installation(folder, post())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert {modes[name] for name in ("instance", "keys", "vault")} == {0o700}
    assert modes["exchange.sqlite"] == 0o600
    with db.connection_context():
        assert vault.check().is_sound
        assert audit.verify() == audit.Verdict(0, 0, 0, ())
    db.close()


def test_a_second_start_finds_what_the_first_made(instance: Path) -> None:
    keys = installation.open_installation(instance, post())
    assert keys == installation.open_installation(instance, post())
    with db.connection_context():
        assert [office.name for office in Office.select()] == ["ABC商事株式会社", "XYZ工業株式会社"]
    db.close()


def test_without_an_installation_nothing_is_guessed(cast: Cast) -> None:
    kept, postman._post = postman._post, None
    try:
        with pytest.raises(NotConfigured):
            postman.send_due(command_line().at)
    finally:
        postman._post = kept


def test_a_vault_that_others_may_read_stops_the_start(instance: Path) -> None:
    (instance / "vault").chmod(0o755)
    with pytest.raises(NotConfigured, match="chmod 700"):
        installation.open_installation(instance, post())


def test_documents_without_their_database_stop_the_start(instance: Path) -> None:
    """A new empty database beside old documents would call all of them orphans."""
    (instance / "vault" / "objects" / "0123456789abcdef").write_bytes(b"a document")
    (instance / "exchange.sqlite").unlink()
    with pytest.raises(NotConfigured, match="backup"):
        installation.open_installation(instance, post())


# ── settings ──


def test_a_setting_has_its_default_until_the_fund_decides(cast: Cast) -> None:
    assert settings.get("pickup_days") == 7
    with db.atomic():
        settings.put("pickup_days", 14)
        settings.put("pickup_days", 10)
    assert (settings.get("pickup_days"), settings.every()["pickup_days"]) == (10, 10)
    assert Setting.select().where(Setting.key == "pickup_days").count() == 1


def test_every_setting_is_declared_with_a_default_it_may_have(cast: Cast) -> None:
    for key, declared in settings.DECLARED.items():
        assert isinstance(declared.default, declared.kind), key
        assert declared.label, key
    assert settings.every().keys() == settings.DECLARED.keys()


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("pickup_days", 0, ValueError),
        ("pickup_days", 32, ValueError),
        ("pickup_days", "7", TypeError),
        ("pickup_days", True, TypeError),
        ("statement_second_clerk", 1, TypeError),
        ("password_length", 11, ValueError),
        ("zipcrypto", "accept", ValueError),
        ("zipcrypto", "", ValueError),
        ("no_such_setting", 1, KeyError),
    ],
)
def test_a_value_that_a_setting_cannot_take_is_refused(
    cast: Cast, key: str, value: object, error: type[Exception]
) -> None:
    before = settings.every()
    with pytest.raises(error):
        settings.put(key, value)
    assert settings.every() == before


# ── devices ──


def test_a_device_is_activated_once_and_it_is_logged(cast: Cast) -> None:
    device = cast.xyz.devices.where(devices.Device.slot == 2).get()
    devices.activate(command_line(), device)
    assert (device.state, cast.xyz.has_active_device()) == ("active", True)
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).first()
    assert (entry.action, entry.subject, entry.details, entry.who) == (
        *("device.activated", device.uid, {"slot": 2}, "サーバーの管理者"),
    )
    with pytest.raises(SomeoneWasFaster, match="すでに有効化"):
        devices.activate(command_line(), device)


@pytest.mark.parametrize("name", ["jiro", "kiku", "ume"])
def test_only_the_desk_activates_devices(cast: Cast, name: str) -> None:
    device = cast.xyz.devices.where(devices.Device.slot == 2).get()
    with pytest.raises(Forbidden):
        devices.activate(getattr(cast, name), device)
    assert devices.Device.get_by_id(device.id).state == "vacant"
    devices.activate(cast.dai, device)
    assert devices.Device.get_by_id(device.id).state == "active"


def test_a_stopped_device_can_be_activated_again(cast: Cast) -> None:
    device = cast.abc.devices.get()
    devices.Device.update(state="stopped").where(devices.Device.id == device.id).execute()
    devices.activate(command_line(), device)
    assert devices.Device.get_by_id(device.id).stopped_at is None
