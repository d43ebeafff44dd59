"""A lost PC, on the screens: the way to the right door, and sentences that are true."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from exchange import settings
from tests.exchange.slots import in_state, slot
from tests.people import Browser, Cast, mails, told
from tests.web.test_devices import acts, section

People = Callable[[str], Browser]
FAQ = "/help/faq"


@pytest.mark.parametrize("page", ["/auth/", "/activate/", "/download/"])
def test_whoever_stands_at_a_door_is_led_to_what_to_do_about_a_lost_pc(browser: People, page: str) -> None:
    assert f'href="{FAQ}#lost-pc"' in browser("").get(page).text


@pytest.mark.parametrize("name", ["lost-pc", "swap-pc", "returned", "handover", "hours", "letter"])
def test_the_questions_that_people_ask_on_the_phone_have_an_answer(browser: People, name: str) -> None:
    page = browser("").get(FAQ).text
    assert page.count(f'id="{name}"') == 1


def test_a_lost_letter_does_not_need_another_while_the_manager_can_log_in(browser: People) -> None:
    for page in (FAQ, "/download/"):
        assert "新しいダウンロードキーをご自分で作れます" in browser("").get(page).text


def test_the_hours_stand_in_the_help(app: Flask, browser: People) -> None:
    assert "いつでも使えます" in browser("").get(FAQ).text
    settings.put("hours_limited", True)
    assert "平日 8:00～20:00" in browser("").get(FAQ).text


def test_under_a_server_that_people_look_after_nobody_reads_that_everything_is_over(
    app: Flask, browser: People, cast: Cast
) -> None:
    taro = browser("taro")
    assert "長くても90分" in section(taro.get("/admin/devices/").text, 2)
    told(app)
    assert "VPNサーバーで切断します" in browser("dai").get(acts(browser("dai"), cast.abc).location).text
    told(app, "端末の停止")
    (body,) = [one["body"] for one in mails(Path(app.instance_path) / "mail") if "端末の停止" in one["subject"]]
    assert "長くても90分で終わります" in body
    assert "ログイン中の画面も終わっています" not in body
    in_state(cast.abc, "stopped", 3)
    last = section(taro.get("/admin/devices/").text, 1)
    assert "ログイン中の画面もすべて終わります" in last
    assert "長くても90分" not in last


def test_after_the_last_stop_no_mail_asks_to_log_in(app: Flask, browser: People, cast: Cast) -> None:
    dai = browser("dai")
    told(app)
    for number in (1, 2, 3):
        assert acts(dai, cast.abc, number=number, reason="盗難").status_code == 303
    assert acts(dai, cast.abc, "replacement", 3, reason="新しいPC").status_code == 303
    told(app)
    sent = mails(Path(app.instance_path) / "mail")
    stopped = [one["body"] for one in sent if "端末の停止" in one["subject"]]
    without = [body for body in stopped if "いまは誰もログインできません" in body]
    assert (len(stopped), len(without)) == (3, 1)
    (replaced,) = [one["body"] for one in sent if "PCの入れ替え" in one["subject"]]
    for body in (*without, replaced):
        assert "ログインして" not in body
        assert "基金事務局へご連絡ください" in body
    assert slot(cast.abc, 3).state != "active"
