"""A lost PC where the VPN server can't be asked: who is out when it is stopped, what the mail and the login tell."""

import pytest

from database import utc_now
from exchange import devices, sessions, tunnel_logins
from models import Device, LoginSession, Mail, Office
from tests.exchange.logins import inside, is_alive
from tests.exchange.slots import in_state, slot
from tests.people import Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")
REASON = "紛失・盗難"


def stop_all(cast: Cast, but: int = 0) -> None:
    for number in (1, 2, 3):
        if number != but:
            devices.stop(cast.dai, slot(cast.abc, number), REASON)


def newest(kind: str) -> Mail:
    return Mail.select().where(Mail.kind == kind).order_by(Mail.id.desc()).get()


def why_not(cast: Cast) -> str:
    return tunnel_logins.why_no_device(cast.member("jun"))


def forget(office: Office) -> None:
    Device.update(state="vacant", activated_at=None, stopped_at=None).where(Device.office == office).execute()


def test_with_the_last_pc_everybody_of_the_office_is_out_who_came_from_an_unknown_one(cast: Cast) -> None:
    token, session = inside(cast, "jun")
    assert session.device is None
    stop_all(cast, but=1)
    assert is_alive(token)
    devices.stop(cast.dai, slot(cast.abc, 1), REASON)
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("device")


def test_people_of_other_offices_stay(cast: Cast) -> None:
    token, _ = inside(cast, "jiro")
    stop_all(cast)
    assert is_alive(token)
    assert LoginSession.select().where(LoginSession.ended_because == "device").count() == 0


def test_the_mail_says_whether_everybody_is_out_and_whether_anybody_can_log_in(cast: Cast) -> None:
    devices.stop(cast.dai, slot(cast.abc, 2), REASON)
    facts = newest("device_stopped").facts
    assert (facts["are_sessions_over"], facts["has_active"]) == (False, True)
    stop_all(cast, but=2)
    facts = newest("device_stopped").facts
    assert (facts["are_sessions_over"], facts["has_active"]) == (True, False)
    devices.replace(cast.dai, slot(cast.abc, 1), REASON)
    assert newest("device_replaced").facts["has_active"] is False


def test_the_login_says_whether_none_was_ever_active_or_all_are_stopped(cast: Cast) -> None:
    forget(cast.abc)
    assert "まだありません" in why_not(cast)
    for number in (1, 2, 3):
        in_state(cast.abc, "active", number)
    stop_all(cast)
    day = slot(cast.abc, 3).stopped_at
    assert "すべて停止しています（最後：端末 03、" in why_not(cast)
    assert "基金事務局へご連絡ください" in why_not(cast)
    assert day is not None
    devices.replace(cast.dai, slot(cast.abc, 1), REASON)
    assert "いま有効な端末がありません（最後の停止：端末 03、" in why_not(cast)
