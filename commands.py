"""Every `flask …` command."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

import work
from database import db, utc_now
from exchange import (
    accounts,
    activations,
    archives,
    audit,
    calendar,
    demonstration,
    fund,
    hours,
    installation,
    jobs,
    letters,
    normalise,
    people,
    permissions,
    registration_file,
    registrations,
    scanner,
    vault,
    vpn_orders,
)
from exchange.actors import command_line
from exchange.errors import Refused
from models import Device, Membership, Office


def register(app: Flask) -> None:
    for command in (
        setup,
        reset_staff,
        demo,
        worker,
        migrate,
        letter,
        activate_device,
        import_registrations,
        inspect_archive,
        audit_group,
        vault_group,
        vpn_group,
    ):
        app.cli.add_command(command)
    if is_running("run") and app.config["RUN_JOBS"]:
        threading.Thread(target=work.run, args=(app, threading.Event()), daemon=True, name="jobs").start()


def is_migrating() -> bool:
    """Whether this process was started as `flask migrate`. Flask asks for the site while it looks the command up: only
    the command line tells.
    """
    return "migrate" in sys.argv[1:]


def is_running(command: str) -> bool:
    """Whether this process was started as `flask <command>`."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == command


# ── running ──


@click.command()
@with_appcontext
def worker() -> None:
    """Run jobs and send mail until stopped (a deployed site; `flask run` does it by itself)."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: (stop.set(), jobs.wake()))
    work.run(current_app._get_current_object(), stop)


# ── setting up ──


@click.command()
@click.option("--fund", "fund_name", prompt="基金名")
@click.option("--contact", prompt="問い合わせ先（電話・メールなど）")
@click.option("--name", prompt="最初の職員の氏名")
@click.option("--login-id", prompt="最初の職員のユーザーID（8～15文字の半角英数字）")
@click.option("--mail", prompt="最初の職員のメールアドレス")
@with_appcontext
def setup(fund_name: str, contact: str, name: str, login_id: str, mail: str) -> None:
    """Make the fund and its first clerk; prints the clerk's initial password once."""
    login_id, mail = normalise.login_id(login_id), normalise.mail(mail)
    if not fund_name.strip() or not normalise.is_login_id(login_id) or not normalise.is_mail(mail):
        _stop("基金名、8～15文字の半角英数字のユーザーID、メールアドレスを正しく入力してください。")
    with db.atomic():
        _refusing(fund.establish_fund, command_line(), normalise.text(fund_name), normalise.text(contact))
        fund.decide(command_line(), {"hours_limited": (False, True)})
        newcomer = people.add_staff(
            command_line(), "fund", login_id, normalise.person_name(name), mail, tuple(permissions.FUND_WORDS)
        )
    click.echo("基金と最初の職員を登録しました。")
    click.echo(
        f"事業所の画面は{hours.spoken()}に開きます（土日・祝日・年末年始を除く）。「基金の設定」で変えられます。"
    )
    _tell_initial_password(newcomer.password)


def _tell_initial_password(password: str) -> None:
    click.echo("次の初期パスワードは二度と表示されません。安全な場所に控えてください。30日で使えなくなります。")
    click.echo(f"  初期パスワード  {password}")
    click.echo("最初のログインで認証アプリを登録し、ご自身のログインパスワードを決めます。")
    click.echo(f"ログイン画面: {current_app.config['BASE_URL']}/admin/login")


@click.command("reset-staff")
@click.argument("login_id")
@with_appcontext
def reset_staff(login_id: str) -> None:
    """A new initial password for one of the fund's people whom nobody else can help: the phone or password is lost."""
    member = Membership.staff_at_door(login_id)
    if member is None:
        _stop("そのユーザーIDの職員はいません。大文字と小文字は区別します。")
    _tell_initial_password(_refusing(accounts.reset_password, command_line(), member, accounts.seen(member)))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print what acceptance tests and scripts read")
@with_appcontext
def demo(as_json: bool) -> None:
    """Make the demonstration's offices and people in an empty installation, and print them."""
    file = Path(current_app.instance_path) / installation.DEMO
    made = _refusing(demonstration.seed, command_line(), file, current_app.config["BASE_URL"].rstrip("/"))
    click.echo(json.dumps(made, ensure_ascii=False) if as_json else _demo_text(made))


def _demo_text(made: dict[str, Any]) -> str:
    lines = ["", "デモ環境の利用者（パスワードは instance/demo.json にもあります）"]
    for office in made["offices"]:
        lines += ["", f"■ {office['office_name']}　契約番号 {office['contract_number']}"]
        lines += [f"  圧縮パスワード {office['archive_password'] or '（管理者が初回ログインで決めます）'}"]
        lines += [f"  {user['login_id']:<12}{user['password']:<20}{user['name']}" for user in office["users"]]
    lines += ["", f"■ 基金の職員　{made['base_url']}/admin/login"]
    for one in made["staff"]:
        lines += [f"  {one['login_id']:<12}{one['password']:<20}{one['name']}　認証アプリのキー {one['totp_secret']}"]
    lines += ["", f"届いたメール       {made['base_url']}/demo/mail", f"はじめる           {made['base_url']}/", ""]
    return "\n".join(lines)


@click.command()
@with_appcontext
def migrate() -> None:
    """Bring the database to this version of the program. Take a copy of instance/ first."""
    applied = installation.migrate()
    click.echo("\n".join(applied) if applied else "nothing to do")


# ── offices ──


@click.command("import-registrations")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--password", help="of password ZIPs")
@click.option("--dry-run", is_flag=True, help="judge only")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="the day to judge dates by")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def import_registrations(
    files: tuple[Path, ...], password: str | None, dry_run: bool, today: datetime | None, as_json: bool
) -> None:
    """Register the offices of 電子連携管理者登録届 files: all of them or none."""
    day = today.date() if today else calendar.day(utc_now())
    read = [registration_file.read(path.read_bytes(), password, day) for path in files]
    judged = registrations.judge(read)
    for path, file in zip(files, judged, strict=True):
        click.echo(
            json.dumps(file.as_json(path.name), ensure_ascii=False) if as_json else _judged_text(path.name, file)
        )
    if any(file.verdict == "reject" for file in judged):
        sys.exit(1)
    if not dry_run:
        offices = _refusing(registrations.register, command_line(), read)
        if not as_json:
            click.echo("\n".join(f"登録しました: {office.contract_number} {office.name}" for office in offices))


def _judged_text(name: str, file: registration_file.RegistrationFile) -> str:
    lines = [f"{name}: {'受付できます' if file.verdict == 'accept' else '誤りがあります'}"]
    for row in file.as_json(name)["rows"]:  # type: ignore[attr-defined]
        for kind, found in (("誤り", row["errors"]), ("注意", row["warnings"])):
            lines += [
                f"  {row['line']}行目 {one['column']}列 {kind}（{one['code']}）: {one['message']}" for one in found
            ]
    return "\n".join(lines)


@click.command()
@click.argument("contract")
@with_appcontext
def letter(contract: str) -> None:
    """Issue the download key and initial password of an office and print its letter once; the old ones are void."""
    office = _office(contract)
    secrets = _refusing(letters.issue_secrets, command_line(), office)
    today: date = calendar.day(utc_now())
    click.echo(letters.as_text(office, secrets, current_app.config["BASE_URL"].rstrip("/"), normalise.era(today)))


@click.command("activate-device")
@click.argument("contract")
@click.argument("slot", type=int)
@with_appcontext
def activate_device(contract: str, slot: int) -> None:
    """Mark the PC in a slot of an office as active, after its VPN account was enabled by hand; not with softether."""
    device = Device.in_slot(_office(contract), slot)
    if device is None:
        _stop("その番号の端末はありません。利用台数を確認してください。")
    _refusing(activations.by_hand, command_line(), device)
    click.echo(f"有効化しました: {device.office.contract_number} の{device.slot}台目")


# ── checking ──


@click.command("inspect-archive")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--password", required=True)
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def inspect_archive(files: tuple[Path, ...], password: str, as_json: bool) -> None:
    """Judge password ZIPs as an upload would be, with the default settings; exit 1 if any is rejected.

    Where a scanner for malware is configured, it looks at every file as well.
    """
    is_rejected = False
    for path in files:
        readers = [scanner.Scanner(scanner.address()).reader] if scanner.is_configured() else []
        with path.open("rb") as stream:
            result = archives.inspect(stream, password, readers=readers)
        is_rejected |= result.verdict == "reject"
        click.echo(
            json.dumps(_inspected(path, result), ensure_ascii=False) if as_json else _inspected_text(path, result)
        )
    if not as_json and not scanner.is_configured():
        click.echo("ウイルス検査：未検査（設定 CLAMD がありません）", err=True)
    sys.exit(1 if is_rejected else 0)


def _inspected(path: Path, result: archives.Inspection) -> dict[str, Any]:
    findings = [{"code": one.code, "message": one.message, "entry": one.entry} for one in result.findings]
    entries = [
        {"name": one.name, "size": one.size, "method": one.method, "sha256": one.sha256} for one in result.entries
    ]
    return {"file": path.name, "verdict": result.verdict, "findings": findings, "entries": entries}


def _inspected_text(path: Path, result: archives.Inspection) -> str:
    lines = [f"{path.name}: {result.verdict}"]
    lines += [f"  {one.code}: {one.message}" for one in result.findings]
    lines += [f"  {one.size:>12,}  {one.method:<9}  {one.name}" for one in result.entries]
    return "\n".join(lines)


audit_group = AppGroup("audit", help="The log of everything anybody did.")
vault_group = AppGroup("vault", help="The encrypted documents.")
vpn_group = AppGroup("vpn", help="The VPN server that is driven from here.")


@audit_group.command("verify")
def audit_verify() -> None:
    """Walk the hash chain and hold the signed checkpoints against it; exit 1 when something was changed."""
    verdict = audit.verify()
    click.echo(f"{verdict.entries} entries, {verdict.checkpoints} checkpoints")
    if verdict.late:
        click.echo(f"{verdict.late} entries were sealed more than two hours late: was the worker stopped then?")
    for problem in verdict.problems:
        click.echo(problem, err=True)
    sys.exit(0 if verdict.is_sound else 1)


@vault_group.command("check")
@click.option("--json", "as_json", is_flag=True)
def vault_check(as_json: bool) -> None:
    """Compare rows with files and decrypt every object; exit 1 when one is missing or damaged."""
    report = vault.check()
    facts = {
        "objects": report.objects,
        "missing": list(report.missing),
        "damaged": list(report.damaged),
        "orphans": list(report.orphans),
        "unfinished": report.unfinished,
    }
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{key}: {value}" for key, value in facts.items()))
    sys.exit(0 if report.is_sound else 1)


@vault_group.command("sweep")
def vault_sweep() -> None:
    """Put files that no row names aside after an hour, and remove them after 30 days."""
    click.echo(f"{vault.sweep()} files put aside or removed")


@vpn_group.command("resend")
def vpn_resend() -> None:
    """Tell the VPN server of every device once more: it is new here, has lost its state, or a backup came back."""
    told = _refusing(vpn_orders.resend, command_line())
    click.echo(f"VPNサーバーへの反映を依頼しました: 接続の許可 {told.let_in}台、接続の停止 {told.shut_out}台")
    if told.waiting:
        click.echo(f"前からの依頼が反映を待っている端末: {told.waiting}台")
    if told.unknown:
        click.echo(f"サーバーで作ったインストーラーを使っていないため、何も依頼しなかった有効な端末: {told.unknown}台")


def _office(contract: str) -> Office:
    return Office.by_contract(normalise.contract_number(contract)) or _stop("その契約番号の事業所はありません。")


def _refusing(verb: Callable[..., Any], *arguments: Any) -> Any:
    """Run a verb; its refusal becomes the command's."""
    try:
        return verb(*arguments)
    except Refused as refused:
        _stop(refused.message)


def _stop(sentence: str) -> NoReturn:
    raise click.ClickException(sentence)
