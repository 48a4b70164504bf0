"""The page in a real browser: both languages, wide and narrow, signing in and out, the keyboard."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_access import Access, KeyFile
from medheart_io import write_dicom_series
from medheart_store import Store
from medheart_work.importing import import_paths
from medheart_work.measuring import measure_version
from medheart_work.readiness import PARTS
from medheart_work.supervise import Supervisor

pytestmark = pytest.mark.services

WIDE, NARROW = (1440, 1000), (375, 812)
OVERFLOWING = """[...document.querySelectorAll('body *')]
    .filter(node => node.getBoundingClientRect().right > innerWidth + 1).map(node => node.outerHTML.slice(0, 80))"""
SPEECHLESS = """[...document.querySelectorAll('img, button, input, a, progress')].filter(node => node.checkVisibility())
    .filter(node => node.tagName === 'IMG' ? !node.hasAttribute('alt') || !node.naturalWidth
        : !(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.querySelector('img[alt]')))
    .map(node => node.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def chromium(real_service: Callable[[str], dict[str, Any]]) -> Iterator[Any]:
    """A running Chromium."""
    path = real_service("chromium")["path"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A service of these tests' own, with one labelled and measured case."""
    folder = tmp_path_factory.mktemp("page")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(home=folder / "home", service_port=probe.getsockname()[1])
    grid = Geometry.from_parts(shape=(12, 40, 36), spacing=(1.0, 1.0, 2.0))
    noise = np.random.default_rng(1).integers(0, 400, grid.shape).astype(np.int16)
    write_dicom_series(folder / "dicom", Volume(noise, grid, "MR"), patient_id="A1", body_part="HEAD")
    with Store.open(settings.store_dir) as store:
        (case,) = import_paths(store, settings, [folder / "dicom"])
        array = np.zeros(store.volume(case.series).array.shape, np.uint8)
        array[3:6, 10:20, 8:14] = 1
        labels = LabelMap(array, store.volume(case.series).geometry, load_schema("hippocampus"))
        version = store.add_version(labels, image=case.series, author="reader", origin="hippocampus@1", state="draft")
        measure_version(store, version.id)
    parts = tuple(replace(part) for part in PARTS if part.name == "service")
    with Supervisor(settings, parts=parts, deadline_s=90) as supervisor:
        supervisor.start()
        yield settings


@pytest.fixture
def keys(settings: Settings) -> Iterator[KeyFile]:
    """The keys of the service; there are none again after the test."""
    keys = Access.open(settings).keys
    yield keys
    for key in keys.list():
        keys.revoke(key.id)


@pytest.fixture
def visit(chromium: Any, settings: Settings) -> Callable[..., AbstractContextManager[Any]]:
    """Return a function that opens the page as somebody would; what it complains of fails the test."""

    @contextmanager
    def open_page(*, size: tuple[int, int] = WIDE, locale: str = "en-GB", scheme: str = "light") -> Iterator[Any]:
        complaints: list[str] = []
        width, height = size
        context = chromium.new_context(viewport={"width": width, "height": height}, locale=locale, color_scheme=scheme)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(settings.service_url)
        page.wait_for_selector("#who:not(:empty), #gate:not([hidden])", state="attached")
        yield page
        context.close()
        assert not complaints

    return open_page


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize(("locale", "words"), [("en-GB", ("Studies", "Local owner")), ("zh-CN", ("检查", "本机用户"))])
def test_everything_is_seen_and_named_in_both_languages(visit, size, locale, words) -> None:
    with visit(size=size, locale=locale, scheme="dark") as page:
        page.wait_for_selector("#study table")
        page.locator("#study summary").first.click()
        assert all(word in page.inner_text("body") for word in words)
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(SPEECHLESS) == []
        assert page.locator("html").get_attribute("lang") == ("zh-CN" if locale == "zh-CN" else "en")


def test_the_keyboard_reaches_a_study_and_stays_there(visit) -> None:
    with visit() as page:
        page.wait_for_selector("#study table")
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.className") == "pick":
                break
        focused = page.evaluate("document.activeElement.id")
        assert focused.startswith("pick-study-")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.wait_for_timeout(5000)  # The page asks again every four seconds.
        assert page.evaluate("document.activeElement.id") == focused


def test_signing_in_and_out(visit, keys) -> None:
    key = keys.add("dr.li", "annotator")
    with visit() as page:
        assert page.locator("#gate").is_visible()
        assert not page.locator("#desk").is_visible()
        assert page.evaluate("document.activeElement.id") == "key"
        page.fill("#key", "mh_wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#gate-error:not(:empty)")
        page.locator("#language").click()
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#study table")
        assert page.inner_text("#who") == "dr.li（标注者）"
        assert key not in page.content()
        assert "medheart-" not in page.evaluate("document.cookie")
        page.locator("[id^=submitted-]").click()
        page.wait_for_selector("#study .tag:text-is('已提交')")
        assert page.locator("[id^=submitted-], [id^=approved-]").count() == 0, "an annotator approves nothing"
        page.locator("#study summary").first.click()
        page.locator("[id^=measure-]").click()
        page.wait_for_selector("#jobs .line")
        page.locator("#sign-out").click()
        page.wait_for_selector("#gate:not([hidden])")
        assert page.locator("#study").text_content() == ""


def test_a_session_that_ends_on_the_server_leads_back_to_the_gate(visit, keys) -> None:
    key = keys.add("dr.li", "user")
    keys.add("somebody", "user")
    with visit() as page:
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#study table")
        assert not page.locator("#upload").is_visible(), "who may only read is offered nothing else"
        keys.revoke(next(one.id for one in keys.list() if one.name == "dr.li"))
        page.wait_for_selector("#gate:not([hidden])", timeout=15_000)
