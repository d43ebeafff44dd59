"""Fixtures of the browser tests: Chromium, the site as a process, and browsers for people to sit at."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, expect, sync_playwright

from tests.browser import site as sites
from tests.browser.chromium import PATIENCE, PROGRAM, flags
from tests.browser.people import Clerk, OfficeUser
from tests.browser.site import Site
from tests.browser.watch import Watch
from tests.people import LOGIN_IDS, Cast
from tests.people import Browser as Visit

Open = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if PROGRAM is None:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=flags())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures of screens are kept."""
    chosen = os.environ.get("TODOKE_PICTURES")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def opened(chromium: Chromium) -> Iterator[Callable[..., BrowserContext]]:
    """`opened(site)`: a browser of its own at the site; at the end of the test each must have been clean."""
    watched: list[Watch] = []
    contexts: list[BrowserContext] = []

    def make(site: Site, **more: Any) -> BrowserContext:
        look = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo", "viewport": {"width": 1280, "height": 900}}
        context = chromium.new_context(base_url=site.base, **(look | more))
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        watched.append(Watch(context, site.base))
        return context

    yield make
    for context in contexts:
        context.close()
    for watch in watched:
        watch.assert_clean()


@pytest.fixture
def site(tmp_path: Path, chromium: Chromium) -> Iterator[Site]:
    """A fresh demonstration."""
    with sites.running(tmp_path / "site") as site:
        yield site
        assert "Traceback" not in site.log(), site.log()[-3000:]


@pytest.fixture
def shared_site(instance: Path, chromium: Chromium) -> Iterator[Site]:
    """The site on the installation that `app` and `cast` of the other tests write to."""
    with sites.running(instance.parent) as site:
        yield site
        assert "Traceback" not in site.log(), site.log()[-3000:]


@pytest.fixture
def sits_down(opened: Open) -> Callable[..., OfficeUser | Clerk]:
    """`sits_down(site, "taro")`: a person at a browser of their own, not logged in yet; instead of a name of the cast,
    what the sheet of a newcomer says (see Person.adds).
    """

    def sit(site: Site, who: str | dict[str, Any], **more: Any) -> OfficeUser | Clerk:
        me = site.user(LOGIN_IDS[who]) if isinstance(who, str) else who
        kind = OfficeUser if me.get("contract_number") else Clerk
        return kind(opened(site, **more), me)

    return sit


@pytest.fixture
def sits_in(app: Flask, cast: Cast, shared_site: Site, sits_down: Callable) -> Callable[..., OfficeUser | Clerk]:
    """`sits_in("taro")`: a person of `cast` at the site, already logged in."""
    shared_site.made.update(cast.made)

    def sit(name: str, **more: Any) -> OfficeUser | Clerk:
        person = sits_down(shared_site, name, **more)
        cookie = Visit(app, cast.member(name)).client.get_cookie("todoke")
        person.context.add_cookies([{"name": "todoke", "value": cookie.value, "url": shared_site.base}])
        return person

    return sit
