"""The HTML: one file, well formed, nothing from outside, the same content as the PDF."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fontTools.ttLib import TTFont

from medheart_reports import render_html

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def parsed(written):
    return {language: Page(report.html.read_text(encoding="utf-8")) for language, report in written.items()}


def test_tags_are_closed_in_order_and_the_language_is_said(parsed):
    for language, page in parsed.items():
        (attributes,) = [attrs for tag, attrs in page.tags if tag == "html"]
        assert attributes["lang"].startswith(language)


def test_nothing_is_fetched_from_anywhere(written):
    for report in written.values():
        text = re.sub(r'(data:[a-z/]+;base64,)[^")]*', r"\1", report.html.read_text(encoding="utf-8"))
        assert "http" not in text.replace("http-equiv", "")
        assert "//" not in text
        for source in re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', text):
            assert "".join(source).startswith("data:")
        assert "<script" not in text
        assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_every_picture_is_inside_with_a_description(parsed, written):
    images = [attrs for tag, attrs in parsed["en"].tags if tag == "img"]
    pictures = {picture.png for picture in written["en"].figures.pictures}
    assert {base64.b64decode(attrs["src"].partition(",")[2]) for attrs in images} == pictures
    assert all(attrs["alt"] for attrs in images)


def test_html_says_what_the_pdf_says(parsed, written):
    for language, page in parsed.items():
        content = written[language].content
        for word in ("v-0042", "P-0BADCAFE", content.labels.digest, "0123456789ab", "CC-BY-4.0", "finder@3"):
            assert word in page.text
    assert "For research only" in parsed["en"].text
    assert "AI draft; assists, is not a diagnosis" in parsed["en"].text
    assert "仅供科研" in parsed["zh"].text
    assert "人工智能草稿，仅供辅助，不构成诊断" in parsed["zh"].text


def test_the_font_inside_has_every_character_of_the_page(written):
    for report in written.values():
        text = report.html.read_text(encoding="utf-8")
        data = base64.b64decode(re.search(r"data:font/woff;base64,([^\")]*)", text).group(1))
        known = TTFont(io.BytesIO(data)).getBestCmap()
        shown = {ord(letter) for letter in Page(text).text if not letter.isspace()}
        assert shown <= set(known)
        assert len(data) < 200_000


def test_research_strip_and_footer_are_repeated_on_every_printed_page(parsed):
    tags = [tag for tag, _ in parsed["en"].tags]
    assert tags.index("table") < tags.index("thead") < tags.index("tfoot") < tags.index("main")


def test_texts_from_outside_are_escaped(nodules, build, written, tmp_path):
    content = build(*nodules, task=None)
    nasty = "<script>alert(1)</script><img src=x onerror=y>&"
    content = replace(content, series=replace(content.series, description=nasty))
    path = render_html(content, tmp_path / "new", figures=written["en"].figures)
    page = Page(path.read_text(encoding="utf-8"))
    assert nasty in page.text
    assert "script" not in {tag for tag, _ in page.tags}
