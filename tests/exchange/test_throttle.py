"""Limits of tries: how many, for how long, for whom, and that they hold across processes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange import throttle
from models import Throttle
from tests.people import Cast
from tests.processes import IS_SOAK, together

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROCESSES = 32 if IS_SOAK else 8


def after(**ahead: float) -> datetime:
    return NOON + timedelta(**ahead)


@pytest.mark.parametrize("kind", sorted(throttle.LIMITS))
def test_exactly_as_many_tries_as_declared_pass(cast: Cast, kind: str) -> None:
    tries = throttle.LIMITS[kind].tries
    passed = [throttle.hit(kind, "somebody", NOON) for _ in range(tries + 3)]
    assert passed == [True] * tries + [False] * 3


def test_the_try_that_reaches_the_limit_starts_the_window_anew(cast: Cast) -> None:
    """Five wrong passwords over 20 minutes lock for 30 minutes from the fifth."""
    moments = [after(minutes=minutes) for minutes in (0, 5, 10, 15, 20)]
    assert all(throttle.hit("password", "jun", moment) for moment in moments)
    assert throttle.is_spent("password", "jun", after(minutes=49, seconds=59))
    assert not throttle.is_spent("password", "jun", after(minutes=50))
    assert throttle.hit("password", "jun", after(minutes=50))


def test_tries_during_a_lock_do_not_make_it_longer(cast: Cast) -> None:
    for _ in range(5):
        throttle.hit("password", "jun", NOON)
    assert not any(throttle.hit("password", "jun", after(minutes=minutes)) for minutes in (1, 10, 29))
    assert throttle.hit("password", "jun", after(minutes=30))


def test_a_window_that_is_over_is_forgotten(cast: Cast) -> None:
    for _ in range(4):
        throttle.hit("password", "jun", NOON)
    assert [throttle.hit("password", "jun", after(minutes=30)) for _ in range(5)] == [True] * 5


def test_one_persons_tries_are_not_anothers(cast: Cast) -> None:
    for _ in range(6):
        throttle.hit("password", "jun", NOON)
    assert throttle.hit("password", "taro", NOON)
    assert throttle.hit("staff", "jun", NOON)


def test_asking_whether_a_limit_is_spent_counts_nothing(cast: Cast) -> None:
    for _ in range(20):
        assert not throttle.is_spent("password", "jun", NOON)
    assert Throttle.select().where(Throttle.kind == "password").count() == 0


def test_a_success_clears_the_tries(cast: Cast) -> None:
    for _ in range(6):
        throttle.hit("password", "jun", NOON)
    throttle.clear("password", "jun")
    assert throttle.hit("password", "jun", NOON)


def test_a_limit_that_is_not_declared_is_a_mistake_of_ours(cast: Cast) -> None:
    with pytest.raises(KeyError):
        throttle.hit("pasword", "jun", NOON)


def test_the_rows_do_not_say_whom_they_count(cast: Cast) -> None:
    throttle.hit("staff", "kikinKiku", NOON)
    assert "kikin" not in Throttle.get(Throttle.kind == "staff").key_hash


def test_only_windows_that_are_over_for_every_limit_are_swept(cast: Cast) -> None:
    throttle.hit("code_day", "old", NOON - timedelta(days=1, seconds=1))
    throttle.hit("code_day", "young", NOON - timedelta(hours=23))
    throttle.sweep(NOON)
    assert Throttle.select().where(Throttle.kind == "code_day").count() == 1


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.10", "192.0.2.10"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:DB8:1:2:0:0:0:1", "2001:db8:1:2::"),
        ("2001:db8::1:2:3:4:5", "2001:db8:0:1::"),
        ("2001:db8::1", "2001:db8::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("::ffff:192.0.2.10", "192.0.2.10"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_an_address_counts_as_its_network(address: str, counts_as: str) -> None:
    assert throttle.network(address) == counts_as


def hit_often(times: int) -> int:
    return sum(throttle.hit("password", "jun", NOON) for _ in range(times))


def test_a_limit_holds_across_processes(cast: Cast, instance: Path) -> None:
    assert sum(together(instance, [(hit_often, 20)] * PROCESSES)) == 5
    assert Throttle.get(Throttle.kind == "password").count == 20 * PROCESSES
