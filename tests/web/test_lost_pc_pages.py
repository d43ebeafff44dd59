"""A PC that was lost or stolen is stopped before another takes its slot, and no form acts on what nobody has seen."""

from collections.abc import Callable

import pytest

from exchange import devices
from tests.exchange.slots import in_state, slot
from tests.people import Browser, Cast

People = Callable[[str], Browser]
PAGE = "/admin/devices/"


def choices(html: str, form: str) -> str:
    return html.partition(f'id="{form}-2-reason"')[2].partition("</select>")[0]


def test_the_reason_of_a_replacement_is_never_that_the_pc_was_lost(browser: People, cast: Cast) -> None:
    in_state(cast.abc, "active")
    page = browser("taro").get(PAGE).text
    assert ("紛失・盗難" in choices(page, "stop"), "紛失・盗難" in choices(page, "replacement")) == (True, False)
    assert "故障" in choices(page, "replacement")
    assert "先に「端末 02 を停止する」で停止してください" in page


def test_a_form_that_says_so_all_the_same_leaves_everything_as_it_is(browser: People, cast: Cast) -> None:
    in_state(cast.abc, "active")
    form = {"reason": "紛失・盗難", "seen": devices.seen(slot(cast.abc))}
    answer = browser("taro").post(f"{PAGE}{cast.abc.uid}/2/replacement", form, page=PAGE)
    assert (answer.status_code, slot(cast.abc).state) == (422, "active")


@pytest.mark.parametrize("form", [{}, {"seen": ""}])
def test_a_pc_that_nobody_has_seen_is_not_replaced(browser: People, cast: Cast, form: dict[str, str]) -> None:
    in_state(cast.abc, "active")
    before = devices.seen(slot(cast.abc))
    answer = browser("taro").post(f"{PAGE}{cast.abc.uid}/2/replacement", {"reason": "故障", **form}, page=PAGE)
    assert (answer.status_code, devices.seen(slot(cast.abc))) == (409, before)
