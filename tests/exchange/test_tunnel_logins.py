"""A login knows the PC that it comes from: its own offices' let a person in, all others do not."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from database import db, utc_now
from exchange import credentials, sessions, trail, tunnel_logins, vpn
from exchange.actors import Actor
from exchange.errors import Refused
from models import AuditEntry, Device, LoginSession, Mail, Membership, Office, User
from tests.exchange.logins import staff_in
from tests.people import Cast
from tests.tunnels import Tunnels, standing_in

pytestmark = pytest.mark.usefixtures("empty_outbox")

PASSWORD = "Kawa-no-Nagare-7"
OFFICES = ("ABC", "XYZ", "QRS")
NOWHERE = "10.8.9.9"


@pytest.fixture
def tunnels(cast: Cast) -> Iterator[Tunnels]:
    with standing_in() as tunnels:
        yield tunnels


@pytest.fixture
def offices(cast: Cast, qrs: Office, tunnels: Tunnels) -> dict[str, Office]:
    """Three contracts with three PCs each, all of them connected: 10.8.<office>.<slot>."""
    found = {"ABC": cast.abc, "XYZ": cast.xyz, "QRS": qrs}
    for number, office in enumerate(found.values()):
        for slot in (1, 2, 3):
            device = Device.in_slot(office, slot) or Device.create(office=office, slot=slot)
            Device.update(state="active").where(Device.id == device.id).execute()
            tunnels.connect(device, f"10.8.{number}.{slot}")
    return found


def address_of(office: str, slot: int) -> str:
    return f"10.8.{OFFICES.index(office)}.{slot}"


def knows_password(member: Membership) -> None:
    own = {"password_hash": credentials.hash_secret(PASSWORD), "is_initial_password": False}
    User.update(**own).where(User.id == member.user_id).execute()


def logs_in(member: Membership, address: str, password: str = PASSWORD, at: datetime | None = None) -> LoginSession:
    """The last step of somebody who has typed a right one-time password."""
    knows_password(member)
    actor = Actor(address=address, at=at or utc_now())
    passed = sessions.resume(sessions._start(actor, member, "code"), "code", actor.at)
    assert isinstance(passed, LoginSession)
    return goes_on(sessions.pass_password(actor, passed, member.login_id, password), address, actor.at)


def goes_on(token: str, address: str, at: datetime) -> LoginSession:
    session = sessions.resume(token, "in", at, address)
    assert isinstance(session, LoginSession), session
    return session


def is_let_in(member: Membership, address: str) -> bool:
    try:
        logs_in(member, address)
    except tunnel_logins.NotFromHere:
        return False
    return True


def refusals() -> list[str]:
    entries = AuditEntry.select().where(AuditEntry.action == "login.refused").order_by(AuditEntry.number)
    return [entry.details["why"] for entry in entries]


def open_sessions() -> int:
    return LoginSession.select().where(LoginSession.stage == "in", LoginSession.ended_at.is_null()).count()


# ── who comes in from where ──


def test_of_three_contracts_with_three_pcs_each_nine_of_27_pairs_log_in(cast: Cast, offices: dict[str, Office]) -> None:
    people = {name: office.members().where(Membership.kind == "office_admin").get() for name, office in offices.items()}
    pairs = [(person, office, slot) for person in OFFICES for office in OFFICES for slot in (1, 2, 3)]
    let_in = [pair for pair in pairs if is_let_in(people[pair[0]], address_of(*pair[1:]))]
    assert let_in == [(name, name, slot) for name in OFFICES for slot in (1, 2, 3)]
    assert refusals() == ["other device"] * 18


def test_a_consultant_of_two_offices_comes_in_from_either_ones_pc_at_either_place(
    cast: Cast, offices: dict[str, Office]
) -> None:
    for name in ("hanako", "hanako_at_xyz"):
        let_in = [office for office in OFFICES if is_let_in(cast.member(name), address_of(office, 2))]
        assert let_in == ["ABC", "XYZ"]


def test_a_stopped_pc_opens_nothing_though_its_tunnel_is_still_up(cast: Cast, offices: dict[str, Office]) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc, Device.slot == 2).execute()
    assert [is_let_in(cast.member("taro"), address_of("ABC", slot)) for slot in (1, 2, 3)] == [True, False, True]


@pytest.mark.parametrize("user", [None, "1234567-12345678.01", "no such name", ""])
def test_without_a_tunnel_of_a_known_pc_nobody_comes_in(
    cast: Cast, offices: dict[str, Office], tunnels: Tunnels, user: str | None
) -> None:
    if user is not None:
        tunnels.users[NOWHERE] = user
    assert not is_let_in(cast.member("taro"), NOWHERE)
    assert open_sessions() == 0


def test_an_office_where_the_consultant_works_no_more_lends_no_pc(cast: Cast, offices: dict[str, Office]) -> None:
    Membership.update(ended_at=utc_now()).where(Membership.id == cast.member("hanako_at_xyz").id).execute()
    assert not is_let_in(cast.member("hanako"), address_of("XYZ", 1))


def test_one_refused_may_go_on_from_the_right_pc_with_the_same_code(cast: Cast, offices: dict[str, Office]) -> None:
    taro, at = cast.member("taro"), utc_now()
    knows_password(taro)
    token = sessions._start(Actor(address=NOWHERE), taro, "code")
    for address, is_right in ((NOWHERE, False), (address_of("ABC", 1), True)):
        passed = sessions.resume(token, "code", at, address)
        assert isinstance(passed, LoginSession)
        if is_right:
            assert sessions.pass_password(Actor(address=address), passed, taro.login_id, PASSWORD)
        else:
            with pytest.raises(tunnel_logins.NotFromHere, match="VPN接続ではないため"):
                sessions.pass_password(Actor(address=address), passed, taro.login_id, PASSWORD)


# ── what a stranger learns ──


def test_a_wrong_password_is_refused_alike_from_every_connection_and_nobody_is_asked(
    cast: Cast, offices: dict[str, Office], tunnels: Tunnels
) -> None:
    for address in (address_of("ABC", 1), address_of("QRS", 1), NOWHERE):
        with pytest.raises(Refused) as refused:
            logs_in(cast.member("taro"), address, "not the password")
        assert refused.value.message == sessions.WRONG_PASSWORD
    assert tunnels.asked == []
    assert not Mail.select().where(Mail.kind == "login_refused_device").exists()


def test_the_manager_is_told_once_an_hour_without_the_name_of_any_other_office(
    cast: Cast, offices: dict[str, Office]
) -> None:
    start = utc_now()
    for minutes in (0, 1, 59, 60, 61):
        with pytest.raises(tunnel_logins.NotFromHere):
            logs_in(cast.member("jun"), address_of("QRS", 1), at=start + timedelta(minutes=minutes))
    sent = list(Mail.select().where(Mail.kind == "login_refused_device").order_by(Mail.id))
    assert [mail.to_user for mail in sent] == [cast.member("taro").user] * 2
    assert set(sent[0].facts) == {"login_id", "at", "address"}
    assert (sent[0].facts["login_id"], sent[0].facts["address"]) == ("abcJun001", address_of("QRS", 1))


def test_the_refusal_names_neither_the_other_pc_nor_its_office(cast: Cast, offices: dict[str, Office]) -> None:
    with pytest.raises(tunnel_logins.NotFromHere) as refused:
        logs_in(cast.member("jun"), address_of("QRS", 1))
    entry = AuditEntry.get(AuditEntry.action == "login.refused")
    assert (entry.office, entry.device, entry.membership) == (cast.abc, None, cast.member("jun"))
    assert "QRS" not in refused.value.message + entry.facts
    assert refused.value.status == 403


def test_the_funds_people_read_through_which_account_it_came_and_no_office_does(
    cast: Cast, offices: dict[str, Office]
) -> None:
    for address in (address_of("QRS", 1), NOWHERE):
        with pytest.raises(tunnel_logins.NotFromHere):
            logs_in(cast.member("jun"), address)
    entries = list(AuditEntry.select().where(AuditEntry.action == "login.refused").order_by(AuditEntry.number))
    account = f"{offices['QRS'].contract_number}.01"
    for name in ("kiku", "dai"):
        assert [trail.facts(entry, cast.member(name))["device"] for entry in entries] == [account, ""]
    assert [trail.facts(entry, cast.member("taro")) for entry in entries] == [{"why": "other device"}] * 2


# ── a VPN server that does not answer ──


def test_nobody_comes_in_while_the_vpn_server_does_not_answer(
    cast: Cast, offices: dict[str, Office], tunnels: Tunnels, caplog: pytest.LogCaptureFixture
) -> None:
    tunnels.is_up = False
    with pytest.raises(tunnel_logins.Unknown, match="VPNサーバーに確認できない") as refused:
        logs_in(cast.member("taro"), address_of("ABC", 1))
    assert (refused.value.status, open_sessions(), refusals()) == (503, 0, ["vpn unreachable"])
    assert not Mail.select().exists()
    assert "did not say whose tunnel" in caplog.text
    tunnels.is_up = True
    assert is_let_in(cast.member("taro"), address_of("ABC", 1))


def test_whoever_is_in_stays_in_while_the_vpn_server_does_not_answer(
    cast: Cast, offices: dict[str, Office], tunnels: Tunnels
) -> None:
    session, token = with_token(cast.member("taro"), address_of("ABC", 1))
    tunnels.is_up = False
    assert goes_on(token, session.address, utc_now()).device == session.device


def with_token(member: Membership, address: str) -> tuple[LoginSession, str]:
    """Somebody who is in from that address."""
    session = logs_in(member, address)
    with db.atomic():
        token = sessions.renew(session)
    return goes_on(token, address, utc_now()), token


# ── the PC in everything that follows ──


def test_the_pc_stands_in_the_session_and_in_the_audit(cast: Cast, offices: dict[str, Office]) -> None:
    session = logs_in(cast.member("taro"), address_of("ABC", 2))
    device = Device.in_slot(cast.abc, 2)
    assert session.device == device
    assert AuditEntry.get(AuditEntry.action == "login.succeeded").device == device
    sessions.log_out(Actor(session.membership, session.device, session.address), session)
    assert AuditEntry.get(AuditEntry.action == "logout.done").device == device


def test_the_pc_was_last_seen_when_somebody_was_at_work_from_it(cast: Cast, offices: dict[str, Office]) -> None:
    session, token = with_token(cast.member("taro"), address_of("ABC", 2))
    assert Device.in_slot(cast.abc, 2).seen_at == session.started_at
    later = session.started_at + timedelta(minutes=5)
    goes_on(token, session.address, later)
    assert Device.in_slot(cast.abc, 2).seen_at == later
    assert Device.in_slot(cast.abc, 1).seen_at is None


def test_a_session_is_over_at_the_first_request_from_another_address(cast: Cast, offices: dict[str, Office]) -> None:
    session, token = with_token(cast.member("taro"), address_of("ABC", 1))
    assert sessions.resume(token, "in", utc_now(), address_of("ABC", 2)) == sessions.Ended("device")
    assert sessions.resume(token, "in", utc_now(), session.address) == sessions.Ended("device"), "and stays so"


@pytest.mark.parametrize("state", ["stopped", "issued"])
def test_a_session_is_over_when_its_pc_is_active_no_more(cast: Cast, offices: dict[str, Office], state: str) -> None:
    session, token = with_token(cast.member("taro"), address_of("ABC", 1))
    Device.update(state=state).where(Device.id == session.device_id).execute()
    assert sessions.resume(token, "in", utc_now(), session.address) == sessions.Ended("device")


def test_who_leaves_an_office_leaves_its_pcs_too(cast: Cast, offices: dict[str, Office]) -> None:
    _, at_abcs = with_token(cast.member("hanako"), address_of("ABC", 2))
    with db.atomic():
        sessions.end_at(cast.jiro, cast.member("hanako_at_xyz"))
    assert isinstance(sessions.resume(at_abcs, "in", utc_now(), address_of("ABC", 2)), LoginSession)
    _, at_xyzs = with_token(cast.member("hanako"), address_of("XYZ", 2))
    with db.atomic():
        sessions.end_at(cast.jiro, cast.member("hanako_at_xyz"))
    assert sessions.resume(at_xyzs, "in", utc_now(), address_of("XYZ", 2)) == sessions.Ended("ended")


def test_a_consultant_who_switches_stays_on_the_pc(cast: Cast, offices: dict[str, Office]) -> None:
    session, _ = with_token(cast.member("hanako"), address_of("ABC", 2))
    token = sessions.switch(Actor(session.membership, session.device), session, cast.member("hanako_at_xyz"))
    moved = goes_on(token, session.address, utc_now())
    assert (moved.membership, moved.device) == (cast.member("hanako_at_xyz"), session.device)
    assert sessions.resume(token, "in", utc_now(), NOWHERE) == sessions.Ended("device")


# ── whom it does not concern ──


def test_the_funds_people_come_without_a_tunnel(cast: Cast, tunnels: Tunnels) -> None:
    token = staff_in(cast, "kiku", Actor(address="192.168.5.7"))
    session = goes_on(token, "192.168.5.8", utc_now())
    assert (session.device, tunnels.asked) == (None, [])


def test_where_people_look_after_the_vpn_server_no_pc_is_known(cast: Cast) -> None:
    vpn.configure(vpn.Manual())
    session, token = with_token(cast.member("taro"), NOWHERE)
    assert session.device is None
    assert isinstance(sessions.resume(token, "in", utc_now(), "10.8.0.77"), LoginSession)
