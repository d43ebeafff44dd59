"""Every `flask …` command: what it prints, what it leaves behind, and with which status it ends."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from database import db
from exchange import credentials, fund, permissions, registration_file, settings, vault
from exchange.actors import command_line
from models import AuditEntry, Membership, Office, StoredObject, Transfer, User
from tests.people import Browser, Cast, aes_zip, filing, received, statement

ROOT = Path(__file__).resolve().parent.parent


def run(app: Flask, *arguments: str | Path, given: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=[str(argument) for argument in arguments], input=given)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Flask]:
    """A new installation without anybody."""
    app = create_app({"INSTANCE": tmp_path / "new"})
    with db.connection_context():
        yield app
    db.close()


# ── setup and demo ──

SETUP = ("--fund", "試験企業年金基金", "--contact", "業務課", "--name", "基金　花子", "--login-id", "kikinHana")


def initial_password(output: str) -> str:
    """What `setup` and `reset-staff` print once."""
    return re.search(r"初期パスワード  (\S+)", output)[1]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_setup_makes_the_fund_and_prints_the_first_clerks_initial_password_once(empty: Flask, tmp_path: Path) -> None:
    made = run(empty, "setup", *SETUP, "--mail", "hana@fund.example")
    assert made.exit_code == 0
    password, member = initial_password(made.output), Membership.staff_at_door("kikinHana")
    assert credentials.is_right(member.user.password_hash, password)
    assert made.output.count(password) == 1
    assert (member.user.is_initial_password, member.user.has_totp) == (True, False)
    assert "/admin/login" in made.output
    assert member.words() == set(permissions.FUND_WORDS)
    assert fund.has_fund()
    assert password.encode() not in everything_in(tmp_path)


def test_the_first_clerk_comes_in_with_it_and_finds_only_the_first_page(empty: Flask) -> None:
    password = initial_password(run(empty, "setup", *SETUP, "--mail", "hana@fund.example").output)
    hana = Browser(empty)
    form = {"login_id": "kikinHana", "password": password, "code": ""}
    assert hana.post("/admin/login", form).location == "/"
    first_page = hana.get("/").location
    assert first_page in ("/admin/account/totp", "/admin/user/registration")
    assert hana.get("/admin/inbox/").location == first_page


def test_setup_asks_for_what_is_not_told(empty: Flask) -> None:
    made = run(empty, "setup", given="試験企業年金基金\n業務課\n基金　花子\nkikinHana\nhana@fund.example\n")
    assert made.exit_code == 0
    assert Membership.staff_at_door("kikinHana") is not None


def test_setup_begins_with_limited_hours_and_says_so(empty: Flask) -> None:
    made = run(empty, "setup", *SETUP, "--mail", "hana@fund.example")
    assert settings.get("hours_limited") is True
    assert "平日 8:00～20:00に開きます" in made.output


def test_setup_is_done_once(empty: Flask) -> None:
    run(empty, "setup", *SETUP, "--mail", "hana@fund.example")
    again = run(empty, "setup", *SETUP, "--mail", "hana@fund.example")
    assert again.exit_code == 1
    assert "すでに登録されています" in again.output
    assert Membership.select().count() == 1


@pytest.mark.parametrize("wrong", [("--mail", "hana"), ("--login-id", "short"), ("--fund", " ")])
def test_setup_refuses_what_does_not_fit_and_makes_nothing(empty: Flask, wrong: tuple[str, ...]) -> None:
    made = run(empty, "setup", *SETUP, "--mail", "hana@fund.example", *wrong)
    assert made.exit_code == 1
    assert not fund.has_fund()
    assert Membership.select().count() == 0


def test_demo_prints_the_pinned_shape_and_the_same_each_time(empty: Flask, tmp_path: Path) -> None:
    first, second = run(empty, "demo", "--json"), run(empty, "demo", "--json")
    assert (first.exit_code, first.output) == (0, second.output)
    made = json.loads(first.output)
    assert set(made) == {"base_url", "offices", "staff"}
    for office in made["offices"]:
        assert {"office_name", "contract_number", "download_key", "archive_password", "users"} <= set(office)
        for user in office["users"]:
            assert {"name", "login_id", "password", "kind", "permissions", "mail"} <= set(user)
            assert user["kind"] in ("office_admin", "staff", "consultant")
    assert all({"login_id", "password", "totp_secret", "permissions"} <= set(one) for one in made["staff"])
    assert (tmp_path / "new" / "demo.json").stat().st_mode & 0o777 == 0o600


def test_demo_has_the_guides_three_users_with_their_permissions(empty: Flask) -> None:
    abc, xyz = json.loads(run(empty, "demo", "--json").output)["offices"]
    words = {user["login_id"]: set(user["permissions"]) for user in abc["users"]}
    everything = {"upload", "cancel", "approve", "deliver", "request_pickup", "download", "mail_notice"}
    assert words == {
        "abcTaro01": everything,
        "abcJun001": everything,
        "srHanako1": everything - {"approve", "deliver"},
    }
    assert xyz["archive_password"] is None
    assert [user["login_id"] for user in xyz["users"]] == ["xyzJiro01", "srHanako2"]


def test_demo_in_words_names_everybody(empty: Flask) -> None:
    text = run(empty, "demo").output
    assert all(name in text for name in ("abcTaro01", "srHanako1", "kikinKiku", "deskDai01", "/demo/mail"))


def test_demo_is_refused_where_there_are_other_offices(empty: Flask, tmp_path: Path) -> None:
    run(empty, "setup", *SETUP, "--mail", "hana@fund.example")
    refused = run(empty, "demo", "--json")
    assert refused.exit_code == 1
    assert "空の環境でだけ" in refused.output
    assert not (tmp_path / "new" / "demo.json").exists()


# ── one of the fund's people whom nobody else can help ──


def test_reset_staff_prints_a_new_initial_password_and_shuts_the_old_doors(app: Flask, cast: Cast) -> None:
    kiku, old = Browser(app, cast.member("kiku")), cast.secrets("kiku")["password"]
    assert kiku.get("/admin/inbox/").status_code == 200
    done = run(app, "reset-staff", "kikinKiku")
    assert done.exit_code == 0
    password, user = initial_password(done.output), User.get_by_id(cast.member("kiku").user_id)
    assert credentials.is_right(user.password_hash, password)
    assert not credentials.is_right(user.password_hash, old)
    assert (user.is_initial_password, user.has_totp, user.recovery_codes_left) == (True, False, 0)
    assert kiku.get("/admin/inbox/").location == "/auth/ended?why=password"
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.action, entry.who) == ("password.reset", command_line().who)
    assert entry.details["login_id"] == "kikinKiku"
    assert password.encode() not in everything_in(Path(app.instance_path))


def test_reset_staff_helps_even_the_last_one_who_manages_the_others(app: Flask, cast: Cast) -> None:
    assert permissions.is_last_keeper(cast.member("kiku"))
    assert run(app, "reset-staff", "kikinKiku").exit_code == 0


@pytest.mark.parametrize("login_id", ["nobody001", "abcTaro01", "KIKINKIKU", "xyzJiro01", ""])
def test_reset_staff_knows_only_the_funds_people(app: Flask, login_id: str) -> None:
    before = list(User.select().order_by(User.id).tuples())
    refused = run(app, "reset-staff", login_id)
    assert (refused.exit_code, "そのユーザーIDの職員はいません" in refused.output) == (1, True)
    assert list(User.select().order_by(User.id).tuples()) == before


# ── archives ──


@pytest.fixture
def archives(tmp_path: Path, cast: Cast) -> dict[str, Path]:
    made = {"good": tmp_path / "良い届書.zip", "bad": tmp_path / "bad.zip"}
    made["good"].write_bytes(aes_zip(cast.archive_password, {"か\u3099.csv": b"1,2\r\n"}))
    made["bad"].write_bytes(b"not a zip")
    return made


def test_inspect_archive_prints_one_json_line_a_file(app: Flask, cast: Cast, archives: dict[str, Path]) -> None:
    done = run(app, "inspect-archive", archives["good"], archives["bad"], "--password", cast.archive_password, "--json")
    assert done.exit_code == 1
    good, bad = (json.loads(line) for line in done.output.splitlines())
    assert set(good) == {"file", "verdict", "findings", "entries"}
    assert (good["file"], good["verdict"], good["findings"]) == ("良い届書.zip", "accept", [])
    (entry,) = good["entries"]
    assert set(entry) == {"name", "size", "method", "sha256"}
    assert (entry["name"], entry["size"], entry["method"]) == ("が.csv", 5, "AES-256")
    assert (bad["verdict"], [finding["code"] for finding in bad["findings"]]) == ("reject", ["NOT_ZIP"])
    assert set(bad["findings"][0]) == {"code", "message", "entry"}


def test_inspect_archive_ends_with_0_when_all_are_taken(app: Flask, cast: Cast, archives: dict[str, Path]) -> None:
    done = run(app, "inspect-archive", archives["good"], "--password", cast.archive_password)
    assert done.exit_code == 0
    assert "良い届書.zip: accept" in done.output
    wrong = run(app, "inspect-archive", archives["good"], "--password", "Another-One-12", "--json")
    assert (wrong.exit_code, json.loads(wrong.output)["findings"][0]["code"]) == (1, "WRONG_PASSWORD")


def test_inspect_archive_of_no_file_is_a_wrong_call(app: Flask) -> None:
    assert run(app, "inspect-archive", "--password", "x").exit_code == 2
    assert run(app, "inspect-archive", "/nowhere.zip", "--password", "x").exit_code == 2


# ── registrations ──


def registration(path: Path, *rows: tuple[str, ...]) -> Path:
    cells = "".join(",".join(row) + "\r\n" for row in rows)
    path.write_bytes(registration_file.blank_form() + cells.encode())
    return path


def row(number: str, **other: str) -> tuple[str, ...]:
    cells = {
        "on": "2026/10/01",
        "number": number,
        "name": "庚田　四郎",
        "kana": "カノエダ　シロウ",
        "mail": "shiro@rst-unyu.example",
        "id": "rstShiro1",
        "office": "RST運輸株式会社",
        "devices": "2",
    }
    return tuple({**cells, **other}.values())


def imports(app: Flask, *arguments: str | Path) -> tuple[int, list[dict]]:
    done = run(app, "import-registrations", *arguments, "--today", "2026-11-23", "--json")
    return done.exit_code, [json.loads(line) for line in done.output.splitlines()]


def test_a_registration_becomes_an_office(app: Flask, tmp_path: Path) -> None:
    status, (line,) = imports(app, registration(tmp_path / "届.csv", row("00201")))
    assert (status, line["file"], line["verdict"]) == (0, "届.csv", "accept")
    (told,) = line["rows"]
    assert set(told) == {"line", "verdict", "values", "errors", "warnings"}
    assert set(told["values"]) == {
        *("entered_on", "office_number", "name", "kana", "mail", "login_id", "office_name", "device_limit")
    }
    office = Office.get(Office.office_number == "00201")
    assert re.fullmatch(r"\d{7}-\d{8}", office.contract_number)
    assert office.members().get().user.password_hash is None, "secrets are made by the letter"


def test_a_dry_run_registers_nothing(app: Flask, tmp_path: Path) -> None:
    before = Office.select().count()
    status, (line,) = imports(app, registration(tmp_path / "a.csv", row("00201")), "--dry-run")
    assert (status, line["verdict"], Office.select().count()) == (0, "accept", before)


def test_one_wrong_cell_in_one_file_registers_none_of_them(app: Flask, tmp_path: Path) -> None:
    before = Office.select().count()
    good = registration(tmp_path / "good.csv", row("00201"))
    bad = registration(tmp_path / "bad.csv", row("00202", mail="nobody"))
    status, lines = imports(app, good, bad)
    assert (status, [line["verdict"] for line in lines]) == (1, ["accept", "reject"])
    (error,) = lines[1]["rows"][0]["errors"]
    assert set(error) == {"column", "code", "message"}
    assert error["column"] == "E"
    assert Office.select().count() == before


def test_an_office_is_not_registered_twice(app: Flask, tmp_path: Path) -> None:
    first, second = (registration(tmp_path / name, row("00201")) for name in ("a.csv", "b.csv"))
    assert imports(app, first, second)[0] == 1
    assert imports(app, first)[0] == 0
    status, (line,) = imports(app, first)
    assert (status, line["rows"][0]["errors"][0]["code"]) == (1, "REGISTERED")


def test_a_registration_in_a_password_zip(app: Flask, tmp_path: Path) -> None:
    content = registration(tmp_path / "a.csv", row("00201")).read_bytes()
    packed = tmp_path / "a.zip"
    packed.write_bytes(aes_zip("Registration-2026", {"a.csv": content}))
    assert imports(app, packed, "--password", "Another-One-12")[0] == 1
    assert imports(app, packed, "--password", "Registration-2026")[0] == 0


def test_in_words_each_error_names_line_and_column(app: Flask, tmp_path: Path) -> None:
    file = registration(tmp_path / "a.csv", row("00201", mail="nobody"))
    done = run(app, "import-registrations", file, "--today", "2026-11-23")
    assert done.exit_code == 1
    assert "2行目 E列 誤り" in done.output


# ── the letter ──


def test_a_letter_tells_its_secrets_once_and_the_old_ones_are_void(app: Flask, cast: Cast) -> None:
    old = cast.secrets("jiro")["password"]
    done = run(app, "letter", cast.xyz.contract_number)
    assert done.exit_code == 0
    key = re.search(r"ダウンロードキー +(\S+)", done.output)[1]
    password = re.search(r"初期パスワード +(\S+)", done.output)[1]
    user = User.get_by_id(cast.member("jiro").user_id)
    assert credentials.is_right(user.password_hash, password)
    assert not credentials.is_right(user.password_hash, old)
    assert credentials.is_right(cast.xyz.download_key_hash, key)
    again = run(app, "letter", cast.xyz.contract_number).output
    assert password not in again
    assert key not in again
    assert AuditEntry.select().order_by(AuditEntry.number.desc()).get().action == "letter.issued"


def test_a_letter_is_for_offices_that_wait_for_their_first_login(app: Flask, cast: Cast) -> None:
    refused = run(app, "letter", cast.abc.contract_number)
    assert (refused.exit_code, "すでにログインパスワードを登録しています" in refused.output) == (1, True)
    unknown = run(app, "letter", "9999999-99999999")
    assert (unknown.exit_code, "その契約番号の事業所はありません" in unknown.output) == (1, True)


# ── audit and vault ──


def test_audit_verify_finds_what_was_changed(app: Flask, cast: Cast) -> None:
    filing(cast, "delivered")
    assert run(app, "audit", "verify").exit_code == 0
    entry = AuditEntry.get(AuditEntry.action == "filing.approved")
    AuditEntry.update(who="だれか").where(AuditEntry.number == entry.number).execute()
    verdict = run(app, "audit", "verify")
    assert verdict.exit_code == 1
    assert f"entry {entry.number} was changed" in verdict.output


def test_vault_check_tells_missing_damaged_and_orphans(app: Flask, cast: Cast, instance: Path) -> None:
    lost, hurt = filing(cast), statement(cast)
    sound = run(app, "vault", "check", "--json")
    assert (sound.exit_code, json.loads(sound.output)["objects"]) == (0, 2)
    objects = instance / "vault" / "objects"
    uid = {name: StoredObject.get_by_id(row.stored_id).uid for name, row in (("lost", lost), ("hurt", hurt))}
    (objects / uid["lost"]).unlink()
    data = bytearray((objects / uid["hurt"]).read_bytes())
    data[-1] ^= 1
    (objects / uid["hurt"]).write_bytes(data)
    orphan = received(b"nobody names it").finish()
    report = run(app, "vault", "check", "--json")
    assert report.exit_code == 1
    assert json.loads(report.output) == {
        "objects": 2,
        "missing": [uid["lost"]],
        "damaged": [uid["hurt"]],
        "orphans": [orphan.uid],
        "unfinished": 0,
    }
    assert uid["lost"] in run(app, "vault", "check").output


def test_vault_sweep_removes_old_orphans_only(app: Flask, cast: Cast, instance: Path) -> None:
    kept, (old, young) = filing(cast), (received(data).finish() for data in (b"old", b"young"))
    os.utime(instance / "vault" / "objects" / old.uid, (time.time() - 4000,) * 2)
    done = run(app, "vault", "sweep")
    assert (done.exit_code, done.output.strip()) == (0, "1 files put aside or removed")
    assert list(vault.check().orphans) == [young.uid]
    assert vault.check().is_sound
    assert Transfer.get_by_id(kept.id)


# ── migrations ──


def test_migrate_has_nothing_to_do_on_a_new_installation(empty: Flask) -> None:
    done = run(empty, "migrate")
    assert (done.exit_code, done.output.strip()) == (0, "nothing to do")
