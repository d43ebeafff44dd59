"""Installers as makensis builds them, and what they do on Windows."""

import fcntl
import re
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask

from app import create_app
from database import db, utc_now
from exchange import certificates, confirmation_code, kits, settings
from exchange.errors import Unusable
from tests import wine
from tests.wine import Windows

CONTRACT = "916237-0000021"
Build = Callable[..., Path]

pytestmark = [pytest.mark.usefixtures("app"), wine.needs_makensis]


@pytest.fixture
def app(instance: Path) -> Iterator[Flask]:
    """The site on a machine that builds installers."""
    app = create_app({"INSTANCE": instance, "TESTING": True, "VPN_BASE_URL": "http://inside.example:5000"})
    with db.connection_context():
        yield app
    db.close()


@pytest.fixture
def built(tmp_path: Path) -> Build:
    """`built(slot=2, age=minutes)`: the path of a new installer's file."""

    def build(made: kits.Kit) -> Path:
        path = tmp_path / f"setup.{CONTRACT}.{made.slot}.{made.uid[:8]}.exe"
        path.write_bytes(kits.build(made))
        return path

    return build


@pytest.fixture
def shop() -> kits.Workshop:
    return kits._shop()


def kit(slot: int = 1, age: int = 0) -> kits.Kit:
    """`age`: minutes since it was built."""
    user, uid = f"{CONTRACT}.{slot:02d}", secrets.token_hex(16)
    facts = (CONTRACT, f"{slot:02d}", uid, secrets.token_bytes(32), user, certificates.client(user))
    return kits.Kit(*facts, built_at=utc_now() - timedelta(minutes=age))


def left(shop: kits.Workshop) -> list[Path]:
    return sorted(shop.folder.rglob("*"))


def program(folder: Path, script: str) -> str:
    path = folder / "makensis"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


# ── what is missing ──


def test_a_server_that_has_everything_builds(shop: kits.Workshop) -> None:
    assert kits.why_not() == []
    assert kits.build(kit()).startswith(b"MZ")
    assert left(shop) == []


@pytest.mark.parametrize(
    ("lacks", "sentence"),
    [
        ({"makensis": "no-such-program"}, kits.NO_MAKENSIS),
        ({"makensis": ""}, kits.NO_MAKENSIS),
        ({"server_certificate": Path("/nowhere/server.pem")}, kits.NO_CERTIFICATE),
        ({"server_certificate": Path(__file__)}, kits.NO_CERTIFICATE),
        ({"client_setup": Path("/nowhere/client.exe")}, kits.NO_CLIENT),
        ({"signing_certificate": Path(__file__)}, kits.NO_SIGNING),
        ({"signing_key": Path(__file__)}, kits.NO_SIGNING),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(shop: kits.Workshop, lacks: dict, sentence: str) -> None:
    kits.configure(replace(shop, **lacks))
    assert kits.why_not() == [sentence]
    assert "依頼してください" in sentence
    with pytest.raises(Unusable, match=re.escape(sentence)):
        kits.build(kit())


def test_without_the_servers_address_there_is_nothing_to_connect_to() -> None:
    settings.put("vpn_host", "")
    assert kits.why_not() == [kits.NO_HOST]


# ── makensis and its folder ──


@pytest.mark.parametrize(
    ("script", "ends"), [("exit 3", "ended with 3"), ("exit 0", "made nothing"), ("kill -9 $$", "ended")]
)
def test_nothing_stays_when_makensis_fails(shop: kits.Workshop, tmp_path: Path, script: str, ends: str) -> None:
    kits.configure(replace(shop, makensis=program(tmp_path, script)))
    with pytest.raises(kits.BuildFailed, match=ends):
        kits.build(kit())
    assert left(shop) == []


def test_a_makensis_that_hangs_is_ended_with_all_it_started(
    shop: kits.Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kits, "PATIENCE", 0.3)
    started = tmp_path / "started"
    kits.configure(replace(shop, makensis=program(tmp_path, f"sleep 300 & echo $! > {started}; wait")))
    with pytest.raises(kits.BuildFailed, match="took too long"):
        kits.build(kit())
    child = int(started.read_text())
    assert Windows.waits_until(lambda: not Path(f"/proc/{child}").exists() or is_zombie(child))
    assert left(shop) == []


def is_zombie(process: int) -> bool:
    return ") Z " in Path(f"/proc/{process}/stat").read_text()


def test_what_makensis_is_given_is_for_nobody_else_to_read(shop: kits.Workshop, tmp_path: Path) -> None:
    modes = tmp_path / "modes"
    script = f"stat -c %a . .. * > {modes}; exit 1"
    kits.configure(replace(shop, makensis=program(tmp_path, script)))
    with pytest.raises(kits.BuildFailed):
        kits.build(kit())
    assert modes.read_text().split() == ["700", "700", "600", "600"]


def test_a_sweep_takes_what_a_killed_process_has_left_and_nothing_else(shop: kits.Workshop) -> None:
    dead = shop.folder / "tmpdead"
    dead.mkdir(parents=True)
    (dead / kits.VPN_FILE).write_text("a key")
    (shop.folder / "loose").write_text("a key")
    with kits._bench(shop.folder) as alive:
        kits.sweep()
        assert left(shop) == [alive]
    assert left(shop) == []


def test_a_sweep_goes_on_where_another_one_was_faster(shop: kits.Workshop) -> None:
    gone, dead = shop.folder / "a", shop.folder / "b"
    dead.mkdir(parents=True)
    gone.symlink_to("/nowhere")  # listed, and not there when it is opened
    kits.sweep()
    assert left(shop) == [gone]


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked"])
def test_a_folder_that_a_sweep_took_for_a_dead_ones_is_made_anew(
    shop: kits.Workshop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    made = []

    def mkdtemp(**where: Path) -> str:
        made.append(tempfile.mkdtemp(**where))
        if len(made) == 1 and moment == "before it is opened":
            kits.sweep()
        return made[-1]

    def flock(descriptor: int, how: int) -> None:
        if len(made) == 1 and how == fcntl.LOCK_EX:
            kits.sweep()
        fcntl.flock(descriptor, how)

    monkeypatch.setattr(kits, "tempfile", SimpleNamespace(mkdtemp=mkdtemp))
    monkeypatch.setattr(kits, "fcntl", SimpleNamespace(flock=flock, LOCK_EX=fcntl.LOCK_EX, LOCK_NB=fcntl.LOCK_NB))
    with kits._bench(shop.folder) as folder:
        assert (str(folder), len(made), left(shop)) == (made[1], 2, [folder])
    assert left(shop) == []


HARD_NAMES = ["サービス$\\", "A`B", 'A" ; x', "A${U+0022}B", "${__FILE__}", "$(^Name)", "A' B", "%PATH%"]


@pytest.mark.parametrize("name", HARD_NAMES)
def test_no_name_of_the_service_stands_in_the_way_of_an_installer(name: str) -> None:
    with db.atomic():
        settings.put("service_name", name)
    assert kits.build(kit()).startswith(b"MZ")


def test_a_value_cannot_leave_its_string() -> None:
    assert kits._quoted('a"$b`\\') == "a＂＄b｀＼"
    with pytest.raises(ValueError, match="one line"):
        kits._quoted("a\nb")


@wine.needs_signer
def test_a_signed_installer_verifies(shop: kits.Workshop, tmp_path: Path) -> None:
    key_pem, certificate_pem = certificates.server(["signer.todoke.example"])
    key, certificate = tmp_path / "sign.key", tmp_path / "sign.pem"
    key.write_text(key_pem)
    certificate.write_text(certificate_pem)
    kits.configure(replace(shop, signing_certificate=certificate, signing_key=key))
    setup = tmp_path / "setup.exe"
    setup.write_bytes(kits.build(kit()))
    told = subprocess.run(
        ["osslsigncode", "verify", "-CAfile", str(certificate), "-in", str(setup)], capture_output=True, text=True
    )
    assert "Number of verified signatures: 1" in told.stdout, told.stdout
    assert left(shop) == []


def test_the_vpn_clients_own_installer_goes_along_where_there_is_one(shop: kits.Workshop, tmp_path: Path) -> None:
    client = tmp_path / "client $setup.exe"
    client.write_bytes(b"MZ" + secrets.token_bytes(400_000))
    alone = len(kits.build(kit()))
    kits.configure(replace(shop, client_setup=client))
    together = kits.build(kit())
    assert len(together) - alone > 390_000


# ── on a PC ──


@wine.needs_wine
def test_a_pc_gets_its_connection_its_menu_and_a_code_signed_by_its_installer(built: Build, pc: Windows) -> None:
    mine = kit()
    assert pc.install(built(mine)) == 0
    assert sorted(one.name for one in pc.folder.iterdir()) == ["renkei.vpn", "uninstall.exe", wine.CONFIRM]
    links = {one.stem: one.read_text().split("URL=")[1].strip() for one in pc.menu.glob("*.url")}
    assert links == {
        "ワンタイムパスワード発行・サイト": "http://127.0.0.1:5000/onetime/",
        "電子連携サービス・認証画面": "http://inside.example:5000/auth/",
    }
    assert (pc.menu / "インストール確認.lnk").exists()
    assert f"string Username {mine.user}\r\n".encode() in (pc.folder / kits.VPN_FILE).read_bytes()
    file = pc.confirm()
    told = confirmation_code.read(file.read_bytes())
    assert (told.contract, told.slot, told.installer) == (CONTRACT, 1, mine.uid)
    assert file.name == f"確認コード({told.code}).txt"
    assert confirmation_code.is_signed(told, mine.key)
    assert not confirmation_code.is_signed(told, kit().key)


@wine.needs_wine
def test_a_new_code_takes_the_older_ones_place_and_no_other_files(built: Build, pc: Windows) -> None:
    assert pc.install(built(kit())) == 0
    other = pc.desktop / "確認コード(メモ).txt"
    other.write_text("見積もりの控え")
    first = pc.confirm()
    second = pc.confirm()
    assert set(pc.codes()) == {second, other}
    one, two = first.name, second.name
    assert one != two


@wine.needs_wine
def test_a_pc_takes_one_slots_installers_only_and_none_older_than_its_own(built: Build, pc: Windows) -> None:
    first, newer = kit(age=10), kit(age=5)
    path = built(first)
    assert pc.install(path) == 0
    assert pc.install(built(kit(slot=2))) == 3
    foreign = built(replace(kit(), contract_number="700000-0000001"))
    assert pc.install(foreign) == 3
    assert pc.registered("Installer") == first.uid
    assert pc.install(path) == 0
    assert pc.install(built(newer)) == 0
    assert pc.install(path) == 3
    assert pc.registered("Installer") == newer.uid
    assert confirmation_code.read(pc.confirm().read_bytes()).installer == newer.uid


@wine.needs_wine
def test_it_is_taken_off_without_a_trace_and_the_pc_is_free_for_another(built: Build, pc: Windows) -> None:
    assert pc.install(built(kit())) == 0
    pc.uninstall()
    assert not pc.menu.exists()
    assert pc.registered("Contract") is None
    other = kit(slot=2)
    assert pc.install(built(other)) == 0
    assert pc.registered("Slot") == "02"


@wine.needs_wine
def test_the_vpn_client_on_the_pc_gets_the_connection_and_the_file_goes(
    built: Build, pc: Windows, tmp_path: Path
) -> None:
    command = pc.drive / "Program Files/SoftEther VPN Client/vpncmd_x64.exe"
    command.parent.mkdir(parents=True)
    command.write_bytes(recorder(tmp_path))
    try:
        assert pc.install(built(kit())) == 0
        told = (pc.drive / "told.txt").read_bytes().decode("utf-16-le").split("\r\n")
        assert [one.removeprefix("localhost /CLIENT /CMD ") for one in told if one] == [
            *("NicCreate VPN ", "AccountDisconnect renkei ", "AccountDelete renkei ", "AccountImport renkei.vpn found"),
        ]
        assert sorted(one.name for one in pc.folder.iterdir()) == ["uninstall.exe", wine.CONFIRM]
    finally:
        pc.clear()
        command.unlink()
        (pc.drive / "told.txt").unlink(missing_ok=True)


def recorder(folder: Path) -> bytes:
    """A program that stands for SoftEther's own command, which isn't to be had here: it writes down how it is called
    and whether the last word of it is a file where it stands.
    """
    (folder / "told.nsi").write_text(
        "Unicode true\nTarget amd64-unicode\nSilentInstall silent\nOutFile told.exe\n!include FileFunc.nsh\n"
        '!include LogicLib.nsh\nSection\n${GetParameters} $0\nStrCpy $2 ""\nStrCpy $4 $0 "" -10\n'
        '${If} $4 == "renkei.vpn"\n${AndIf} ${FileExists} "renkei.vpn"\nStrCpy $2 "found"\n${EndIf}\n'
        'FileOpen $1 "C:\\told.txt" a\nFileSeek $1 0 END\nFileWriteUTF16LE $1 "$0 $2$\\r$\\n"\n'
        "FileClose $1\nSectionEnd\n",
        encoding="utf-8-sig",
    )
    subprocess.run(["makensis", "-V0", "-NOCD", "-INPUTCHARSET", "UTF8", "told.nsi"], cwd=folder, check=True)
    return (folder / "told.exe").read_bytes()
