"""A new key for an office's counters: made by its 管理者, shown once, and the old one is over."""

import pytest

from database import today, utc_now
from exchange import (
    credentials,
    download_keys,
    letters,
)
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Mail
from tests.exchange.counters import opens, stranger, with_key
from tests.exchange.handing_over import activates, nominates
from tests.exchange.offices import said
from tests.people import Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")


def test_the_admin_makes_another_download_key(cast: Cast) -> None:
    office = with_key(cast.abc, "KeyKey23")
    visit = opens(office, f"{today():%Y%m}KeyKey23", utc_now())
    key = download_keys.renew(cast.taro, office, download_keys.seen(office))
    assert visit.get_by_id(visit.id).ended_at is not None
    with pytest.raises(Refused):
        opens(office, f"{today():%Y%m}KeyKey23", utc_now())
    assert opens(office, f"{today():%Y%m}{key}", utc_now()).office == office
    assert said("download_key.renewed") == [{}]
    (mail,) = Mail.select().where(Mail.kind == "account_changed")
    assert mail.to_address == "taro@abc-shoji.example"
    assert key not in str(mail.facts)
    assert not any(key in entry.facts for entry in AuditEntry.select())


def test_a_form_makes_one_key(cast: Cast) -> None:
    before = download_keys.seen(cast.abc)
    download_keys.renew(cast.taro, cast.abc, before)
    with pytest.raises(SomeoneWasFaster, match="画面を更新したため"):
        download_keys.renew(cast.taro, cast.abc, before)


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "kiku", "dai"])
def test_nobody_else_makes_a_key(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        download_keys.renew(getattr(cast, name), cast.abc, download_keys.seen(cast.abc))
    assert said("download_key.renewed") == []


def test_after_a_handover_the_new_admin_makes_a_key(cast: Cast) -> None:
    nominates(cast)
    activates(cast)
    key = download_keys.renew(Actor(cast.member("jun")), cast.abc, download_keys.seen(cast.abc))
    assert credentials.is_right(cast.abc.download_key_hash, key)
    assert cast.abc not in list(letters.due())
    assert stranger().address
