"""Installers are ordered and built by a job: one for each slot, once, whatever happens meanwhile."""

import base64
import logging
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import work
from app import create_app
from database import db, utc_now
from equipment import ActivationRequest, Installer, InstallerOrder
from exchange import (
    certificates,
    devices,
    installer_making,
    installers,
    jobs,
    kits,
    letters,
    overview,
    sealing,
    settings,
    vault,
)
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, Unusable
from models import AuditEntry, Device, Job, Office
from tests import wine
from tests.exchange.test_installers import slot, uploads, vacant
from tests.exchange.test_letters import everything_on_disk
from tests.people import Cast, in_vault, run_jobs

pytestmark = wine.needs_makensis


@pytest.fixture
def app(instance: Path) -> Iterator[Flask]:
    """The site on a machine that builds installers."""
    app = create_app({"INSTANCE": instance, "TESTING": True})
    with db.connection_context():
        yield app
    db.close()


@pytest.fixture
def xyz(cast: Cast) -> Office:
    """XYZ工業 with two slots that no PC has been set up in."""
    for number in (1, 2):
        vacant(cast.xyz, number)
    return cast.xyz


def orders(actor: Actor, office: Office, *numbers: int) -> None:
    installer_making.order(actor, office, [slot(office, number) for number in numbers])


def builds(actor: Actor, office: Office, number: int = 2) -> None:
    here = installers.current(office).get(number)
    installers.build(actor, slot(office, number), here.uid if here else "")


def states(office: Office) -> list[tuple[int, str]]:
    return [(one.device.slot, one.state) for one in InstallerOrder.of(office)]


def told(action: str = "installer.") -> list[tuple[str, Any, str]]:
    entries = AuditEntry.select().where(AuditEntry.action.startswith(action)).order_by(AuditEntry.number)
    return [(entry.action, entry.details["slot"], entry.who) for entry in entries]


def breaks() -> None:
    """From now on makensis fails."""
    kits.configure(replace(kits._shop(), makensis="false"))


def mends() -> None:
    kits.configure(replace(kits._shop(), makensis="makensis"))


def fails_for_good(app: Flask) -> None:
    """The job fails again and again until nobody repeats it."""
    job, at = {"installers": work.handlers(app)["installers"]}, utc_now()
    for _ in range(len(jobs.BACK_OFF) + 1):
        at += timedelta(hours=2)
        jobs.run_one(job, at, work.give_ups())
    assert Job.get(Job.kind == "installers").state == "failed"


def test_each_slot_gets_an_installer_of_its_own(app: Flask, cast: Cast, xyz: Office) -> None:
    orders(cast.kiku, xyz, 1, 2)
    run_jobs(app)
    found = installers.current(xyz)
    assert [installers.file_name(xyz, number) for number in found] == [
        f"setup.{xyz.contract_number}.{number:02d}.exe" for number in (1, 2)
    ]
    one, other = found.values()
    keys = {sealing.unseal(each.key_sealed, f"installer/{each.uid}") for each in (one, other)}
    assert {len(key) for key in keys} == {installer_making.KEY_BYTES}
    assert len(keys) == len({one.certificate, other.certificate}) == len({one.uid, other.uid}) == 2
    assert one.is_built
    assert [slot(xyz, number).state for number in (1, 2)] == ["issued", "issued"]
    assert told() == [("installer.built", number, cast.kiku.who) for number in (1, 2)]
    assert len(in_vault(app)) == 2


def test_what_stands_in_it_is_what_the_row_says(app: Flask, cast: Cast, xyz: Office, tmp_path: Path) -> None:
    connection = opened(app, cast, xyz, tmp_path)
    installer = installers.current(xyz)[2]
    assert field(connection, "ClientCert") == certificates.der_of(installer.certificate)
    assert f"string Username {xyz.contract_number}.02\r\n" in connection
    server = (Path(app.instance_path) / kits.SERVER_CERTIFICATE).read_text()
    assert field(connection, "ServerCert") == certificates.der_of(server)


def opened(app: Flask, cast: Cast, office: Office, folder: Path) -> str:
    """The connection file out of a new installer of slot 2."""
    orders(cast.kiku, office, 2)
    run_jobs(app)
    setup = folder / "setup.exe"
    setup.write_bytes(b"".join(vault.pieces(installers.current(office)[2].stored)))
    subprocess.run(["7zz", "x", f"-o{folder}", str(setup), kits.VPN_FILE], check=True, capture_output=True)
    return (folder / kits.VPN_FILE).read_bytes().decode("utf-8-sig")


def field(connection: str, name: str) -> bytes:
    (found,) = re.findall(rf"byte {name} (\S+)\r\n", connection)
    return base64.b64decode(found)


def test_neither_the_disk_nor_the_log_holds_a_key_in_clear(
    app: Flask, cast: Cast, xyz: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        private = field(opened(app, cast, xyz, tmp_path), "ClientKey")
    installer = installers.current(xyz)[2]
    key = sealing.unseal(installer.key_sealed, f"installer/{installer.uid}")
    kept = everything_on_disk(Path(app.instance_path)) + caplog.text.encode()
    for secret in (key, private, private[100:300]):
        assert secret not in kept
        assert base64.b64encode(secret) not in kept
        assert secret.hex().encode() not in kept.lower()
    assert not list((Path(app.instance_path) / "tmp").iterdir())


def test_an_order_twice_is_one_installer(app: Flask, cast: Cast, xyz: Office) -> None:
    orders(cast.kiku, xyz, 2)
    orders(cast.kiku, xyz, 2)
    run_jobs(app)
    orders(cast.kiku, xyz, 2)
    run_jobs(app)
    assert states(xyz) == [(2, "built")]
    assert Installer.select().count() == 1


def test_a_job_that_was_killed_goes_on_where_it_was(cast: Cast, xyz: Office) -> None:
    orders(cast.kiku, xyz, 1, 2)
    seen: list[tuple[int, int]] = []

    def killed(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        installer_making.make(xyz.id, killed)
    first = installers.current(xyz)[1]
    assert (installer_making.progress(xyz).done, installer_making.progress(xyz).total) == (1, 2)
    installer_making.make(xyz.id, lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (1, 2)]
    assert installers.current(xyz)[1] == first
    assert states(xyz) == [(1, "built"), (2, "built")]
    assert not installer_making.progress(xyz).is_under_way


def test_an_installer_that_came_meanwhile_is_not_replaced(app: Flask, cast: Cast, xyz: Office) -> None:
    orders(cast.kiku, xyz, 2)
    uploaded = uploads(cast.dai, slot(xyz))
    run_jobs(app)
    assert installers.current(xyz) == {2: uploaded}
    assert states(xyz) == [(2, "void")]


def test_one_that_came_while_it_was_built_stays_and_the_built_one_is_erased(
    app: Flask, cast: Cast, xyz: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(cast.kiku, xyz, 2)
    build = kits.build

    def slow(kit: kits.Kit) -> bytes:
        uploads(cast.dai, slot(xyz))
        return build(kit)

    monkeypatch.setattr(kits, "build", slow)
    run_jobs(app)
    uploaded = installers.current(xyz)[2]
    assert not uploaded.is_built
    assert in_vault(app) == [uploaded.stored.uid]


@pytest.mark.parametrize("end", ["contract", "stop", "limit"])
def test_nothing_is_built_for_a_slot_that_is_out_of_use(app: Flask, cast: Cast, xyz: Office, end: str) -> None:
    orders(cast.kiku, xyz, 2)
    if end == "contract":
        Office.update(closed_at=utc_now()).where(Office.id == xyz.id).execute()
    elif end == "stop":
        Device.update(state="stopped", stopped_at=utc_now()).where(Device.office == xyz, Device.slot == 2).execute()
    else:
        Office.update(device_limit=1).where(Office.id == xyz.id).execute()
    run_jobs(app)
    assert states(xyz) == [(2, "void")]
    assert in_vault(app) == []


def test_a_pc_at_work_stays_at_work_while_the_next_ones_installer_is_built(app: Flask, cast: Cast) -> None:
    device = slot(cast.abc)
    with db.atomic():
        installers.renew(cast.dai, device)
    run_jobs(app)
    assert slot(cast.abc).state == "active"
    assert installers.current(cast.abc)[2].is_built


def test_a_renewed_installer_is_another_and_the_old_one_is_void(app: Flask, cast: Cast, xyz: Office) -> None:
    builds(cast.dai, xyz)
    run_jobs(app)
    before = installers.current(xyz)[2]
    builds(cast.dai, xyz)
    assert (installers.current(xyz), slot(xyz).state) == ({}, "vacant")
    run_jobs(app)
    after = installers.current(xyz)[2]
    assert after.uid != before.uid
    assert after.key_sealed != before.key_sealed
    assert Installer.get_by_id(before.id).withdrawn_at is not None
    assert in_vault(app) == [after.stored.uid]
    assert [action for action, *_ in told()] == ["installer.built", "installer.withdrawn", "installer.built"]


# ── when it fails ──


def test_an_installer_that_cannot_be_built_keeps_no_other_waiting_and_is_tried_again(
    app: Flask, cast: Cast, xyz: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(cast.kiku, xyz, 1, 2)
    build = kits.build

    def one_fails(kit: kits.Kit) -> bytes:
        if kit.slot == "01":
            raise kits.BuildFailed("makensis ended with 1")
        return build(kit)

    monkeypatch.setattr(kits, "build", one_fails)
    run_jobs(app)
    progress = installer_making.progress(xyz)
    assert (progress.done, progress.total, progress.again_at is not None) == (1, 2, True)
    assert list(installers.current(xyz)) == [2]
    monkeypatch.undo()
    assert jobs.run_one(work.handlers(app), utc_now() + timedelta(minutes=1), work.give_ups())
    assert list(installers.current(xyz)) == [1, 2]


def test_one_that_fails_for_good_is_said_and_can_be_asked_for_again(app: Flask, cast: Cast, xyz: Office) -> None:
    orders(cast.kiku, xyz, 2)
    breaks()
    fails_for_good(app)
    progress = installer_making.progress(xyz)
    assert (progress.failed, progress.is_under_way) == (frozenset([slot(xyz).id]), False)
    assert told() == [("installer.failed", 2, "システム")]
    assert not list((Path(app.instance_path) / "tmp").iterdir())
    mends()
    builds(cast.dai, xyz)
    run_jobs(app)
    assert installer_making.progress(xyz).failed == frozenset()
    assert installers.current(xyz)[2].is_built


def test_an_old_job_that_is_given_up_leaves_what_a_newer_one_is_to_build(app: Flask, cast: Cast, xyz: Office) -> None:
    orders(cast.kiku, xyz, 2)
    Job.update(state="failed").execute()
    orders(cast.kiku, xyz, 2)
    installer_making.give_up(command_line(), xyz.id)
    assert states(xyz) == [(2, "waiting")]


def test_asked_again_it_is_tried_at_once(app: Flask, cast: Cast, xyz: Office) -> None:
    builds(cast.dai, xyz)
    breaks()
    run_jobs(app)
    mends()
    builds(cast.dai, xyz)
    run_jobs(app)
    assert installers.current(xyz)[2].is_built


# ── who and when ──


def test_a_server_that_can_build_none_orders_none_and_says_why(cast: Cast, xyz: Office) -> None:
    settings.put("vpn_host", "")
    orders(cast.kiku, xyz, 2)
    assert states(xyz) == []
    with pytest.raises(Unusable, match="VPNサーバーのアドレス"):
        builds(cast.dai, xyz)


def test_letters_bring_installers_for_the_pcs_that_are_not_set_up(app: Flask, cast: Cast) -> None:
    vacant(cast.xyz)
    letters.order(cast.kiku, [cast.xyz], {cast.xyz.id: "紛失"})
    assert states(cast.xyz) == [(2, "waiting")]
    assert slot(cast.xyz, 1).state == "active"


@pytest.mark.parametrize("name", ["kiku", "ume", "taro", "hanako"])
def test_only_the_desk_has_one_built(cast: Cast, xyz: Office, name: str) -> None:
    with pytest.raises(Forbidden):
        builds(getattr(cast, name), xyz)
    assert states(xyz) == []


def test_a_replacement_asked_for_while_nothing_could_be_built_is_built_later(app: Flask, cast: Cast) -> None:
    settings.put("vpn_host", "")
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    assert installer_making.lacking_at([cast.abc]) == {slot(cast.abc).id}
    settings.put("vpn_host", "vpn.kikin.example")
    builds(cast.dai, cast.abc)
    assert installer_making.lacking_at([cast.abc]) == set()
    run_jobs(app)
    assert installers.current(cast.abc)[2].is_built
    assert slot(cast.abc).state == "active"


def test_the_desk_has_everything_built_that_is_missing(app: Flask, cast: Cast, xyz: Office) -> None:
    settings.put("vpn_host", "")
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    settings.put("vpn_host", "vpn.kikin.example")
    uploaded = uploads(cast.dai, slot(xyz, 1))
    assert installers.build_missing(cast.dai, [cast.abc, xyz]) == 2
    assert installers.build_missing(cast.dai, [cast.abc, xyz]) == 0
    assert (states(cast.abc), states(xyz)) == ([(2, "waiting")], [(2, "waiting")])
    assert list(overview.without_installer()) == []
    run_jobs(app)
    assert installers.current(xyz)[1] == uploaded
    assert installers.current(xyz)[2].is_built
    assert installers.current(cast.abc)[2].is_built


def test_only_the_offices_that_were_asked_for_get_theirs(cast: Cast, xyz: Office) -> None:
    assert installers.build_missing(cast.dai, [cast.abc]) == 0
    assert states(xyz) == []


@pytest.mark.parametrize("name", ["kiku", "ume", "taro", "hanako"])
def test_only_the_desk_has_what_is_missing_built(cast: Cast, xyz: Office, name: str) -> None:
    with pytest.raises(Forbidden):
        installers.build_missing(getattr(cast, name), [xyz])
    assert states(xyz) == []


def test_a_server_that_can_build_none_builds_nothing_that_is_missing(cast: Cast, xyz: Office) -> None:
    settings.put("vpn_host", "")
    with pytest.raises(Unusable, match="VPNサーバーのアドレス"):
        installers.build_missing(cast.dai, [xyz])
    assert states(xyz) == []


@pytest.mark.parametrize("state", ["active", "stopped", "requested"])
def test_a_slot_in_use_gets_none_here(cast: Cast, xyz: Office, state: str) -> None:
    Device.update(state=state).where(Device.office == xyz, Device.slot == 2).execute()
    with pytest.raises(Refused, match="入れ替え"):
        builds(cast.dai, xyz)


def test_a_slot_whose_confirmation_code_waits_gets_none(app: Flask, cast: Cast, xyz: Office) -> None:
    builds(cast.dai, xyz)
    run_jobs(app)
    facts = {"code": "02A3F9", "machine_id": "m", "receipt_number": "1", "address": "192.0.2.1"}
    ActivationRequest.create(device=slot(xyz), installer=installers.current(xyz)[2], **facts)
    with pytest.raises(Refused, match="確認コードを受け付けています"):
        builds(cast.dai, xyz)


def test_a_page_that_is_behind_builds_nothing(app: Flask, cast: Cast, xyz: Office) -> None:
    uploads(cast.dai, slot(xyz))
    with pytest.raises(SomeoneWasFaster):
        installers.build(cast.dai, slot(xyz), "")
    assert states(xyz) == []
