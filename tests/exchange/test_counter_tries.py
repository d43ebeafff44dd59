"""How often one may try at the download counter, and what is told of it to whom."""

import io
import logging
import time
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from exchange import counter, logs, throttle
from exchange.errors import TooMany
from models import AuditEntry
from tests.exchange.counters import NOBODY, NOON, entries, opens, sentence, stranger, with_key
from tests.people import Cast


def fails(number: str, times: int, at: datetime = NOON, address: str = "192.0.2.50") -> None:
    for _ in range(times):
        sentence(number, "202611HgfedcbA", at, address=address)


@pytest.mark.parametrize("is_there", [True, False])
def test_the_tenth_wrong_try_closes_the_counter_and_says_until_when(cast: Cast, is_there: bool) -> None:
    number = with_key(cast.abc, "AbcdeFgh").contract_number if is_there else NOBODY
    fails(number, 9)
    with pytest.raises(TooMany, match="11月24日 12:30 まで"):
        counter.open_counter(stranger(), number, "202611HgfedcbA")
    with pytest.raises(TooMany, match="11月24日 12:30 まで"):
        counter.open_counter(stranger(NOON + timedelta(minutes=29)), number, "202611AbcdeFgh")


def test_after_half_an_hour_it_opens_again(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    fails(abc.contract_number, 10)
    assert opens(abc, "202611AbcdeFgh", NOON + timedelta(minutes=30))


def test_a_success_forgets_the_wrong_tries(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    for _ in range(3):
        fails(abc.contract_number, 9)
        assert opens(abc, "202611AbcdeFgh")


def test_another_way_to_write_the_number_is_no_further_try(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    fails(abc.contract_number, 5)
    fails(abc.contract_number.replace("-", ""), 5)
    with pytest.raises(TooMany):
        counter.open_counter(stranger(), abc.contract_number, "202611AbcdeFgh")


def test_a_stranger_elsewhere_does_not_keep_the_office_out(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    fails(abc.contract_number, 12, address="198.51.100.7")
    assert opens(abc, "202611AbcdeFgh")


def test_when_many_networks_have_failed_only_the_offices_own_goes_on(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    assert opens(abc, "202611AbcdeFgh")
    for network in range(5):
        fails(abc.contract_number, 10, address=f"198.51.100.{network}")
    with pytest.raises(TooMany, match="まで止めています"):
        counter.open_counter(stranger(address="203.0.113.9"), abc.contract_number, "202611AbcdeFgh")
    assert opens(abc, "202611AbcdeFgh").office == abc


def test_one_network_tries_many_numbers_in_vain(cast: Cast) -> None:
    limit = throttle.LIMITS["download_address"].tries
    for number in range(limit):
        sentence(f"1-{number}", "202611HgfedcbA")
    abc = with_key(cast.abc, "AbcdeFgh")
    with pytest.raises(TooMany, match="この接続元"):
        counter.open_counter(stranger(), abc.contract_number, "202611AbcdeFgh")
    assert opens(abc, "202611AbcdeFgh", address="203.0.113.9")


# ── what is told to whom ──


def test_openings_and_refusals_are_logged_with_the_office(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    sentence(abc.contract_number, "202611HgfedcbA")
    sentence(abc.contract_number, "202610AbcdeFgh")
    sentence(NOBODY, "202611AbcdeFgh")
    opens(abc, "202611AbcdeFgh")
    refused = "download.refused"
    assert entries() == [
        (refused, "key", abc),
        (refused, "month", abc),
        (refused, "key", None),
        ("download.opened", "", abc),
    ]
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.subject, entry.who, entry.address) == (abc.uid, "ダウンロードの窓口", "192.0.2.50")


def test_that_the_counter_was_closed_is_logged_once(cast: Cast) -> None:
    abc = with_key(cast.abc, "AbcdeFgh")
    fails(abc.contract_number, 14)
    assert [why for _, why, _ in entries()] == ["key"] * 9 + ["locked"]


def test_no_secret_is_logged_or_kept(cast: Cast, instance: Path) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger("todoke").addHandler(handler)
    abc = with_key(cast.abc, "Vv9CanaryQ")
    token = counter.open_counter(stranger(), abc.contract_number, "202611Vv9CanaryQ")
    for password in ("202610Vv9CanaryQ", "202611Vv9CanaryT"):
        sentence(abc.contract_number, password)
    logging.getLogger("todoke").removeHandler(handler)
    kept = [path.read_bytes() for path in instance.rglob("*") if path.is_file()]
    for secret in (b"Vv9Canary", token.encode()):
        assert not any(secret in content for content in [*kept, stream.getvalue().encode()])


def test_an_unknown_number_takes_as_long_as_a_wrong_key(cast: Cast) -> None:
    """Hashing is most of either: a number that isn't there and skipped it would be answered many times faster."""
    number = with_key(cast.abc, "AbcdeFgh").contract_number
    took: dict[str, list[float]] = {number: [], NOBODY: []}
    for _ in range(9):
        for typed, times in took.items():
            started = time.perf_counter()
            sentence(typed, "202611HgfedcbA")
            times.append(time.perf_counter() - started)
    assert 0.5 < median(took[NOBODY]) / median(took[number]) < 2
