"""The PDF: its text, its marks on every page, its form."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from pypdf import PdfReader

from medheart import Volume
from medheart_reports import draw_figures, render_html, render_pdf
from medheart_reports.formats import show
from medheart_reports.phrases import load_phrases


def pages(path):
    return [re.sub(r"\s+", "", page.extract_text()) for page in PdfReader(path).pages]


def squeeze(text):
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def texts(written):
    return {language: pages(report.pdf) for language, report in written.items()}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ["Imaging measurement report", "Findings", "Long axis, axial", "Lung nodule", "A summary of the finder."],
        ),
        ("zh", ["影像测量报告", "主要结果", "轴位长径", "肺结节", "查找器简介。", "不适用于儿童。", "溯源"]),
    ],
)
def test_words_can_be_read_out(texts, language, words):
    for word in words:
        assert squeeze(word) in "".join(texts[language]), word


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_number_of_every_label_and_part_is_there_with_its_unit(texts, written, language):
    content = written[language].content
    text = "".join(texts[language])
    (label,) = content.measurements["labels"]
    kind = content.labels.schema.by_value(1)
    for measurement in label["measurements"]:
        shown = show(measurement, kind)
        assert shown.number + shown.unit in text, measurement["code"]
        assert squeeze(load_phrases(language).word("method", measurement["method"])) in text
    assert len(label["components"]) == 3
    for part in label["components"]:
        for code in ("volume", "long_axis_axial", "short_axis_axial", "max_diameter_3d", "surface_area"):
            shown = show(next(m for m in part["measurements"] if m["code"] == code), kind)
            assert shown.number + shown.unit in text, code


@pytest.mark.parametrize(
    ("language", "research", "draft"),
    [
        ("en", "For research only", "AI draft; assists, is not a diagnosis"),
        ("zh", "仅供科研", "人工智能草稿，仅供辅助，不构成诊断"),
    ],
)
def test_every_page_says_what_the_report_is_and_where_it_comes_from(texts, language, research, draft):
    assert len(texts[language]) >= 2
    for page in texts[language]:
        assert page.count(squeeze(research)) >= 2
        for word in (draft, "v-0042", "0123456789ab", "CC-BY-4.0"):
            assert squeeze(word) in page, word


def test_version_model_and_inputs_are_named(texts, written):
    text = "".join(texts["en"])
    content = written["en"].content
    for word in (
        "P-0BADCAFE",
        "finder@3",
        "v-0041",
        content.image.digest,
        content.labels.digest,
        "0123456789abcdef" * 4,
    ):
        assert word in text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "twelve phantoms",
                "three phantoms",
                "Mean Dice Lung nodule 0.875",
                "Real case P7 nodule found: yes · Lung nodule (Dice) 0.5",
            ],
        ),
        (
            "zh",
            [
                "十二个体模",
                "三个体模",
                "平均 Dice 肺结节 0.875",
                "真实病例 P7 是否检出结节：是 · 肺结节（Dice 系数） 0.5",
            ],
        ),
    ],
)
def test_the_card_is_said_in_the_language_of_the_report(texts, language, said):
    for sentence in said:
        assert squeeze(sentence) in "".join(texts[language])
    if language == "zh":
        assert "phantom" not in "".join(texts["zh"])


def test_a_report_that_is_not_for_research_does_not_say_so(nodules, build, make_task, written, tmp_path):
    content = build(*nodules, task=make_task("lung-nodule", "CT"))
    path = render_pdf(content, tmp_path / "plain.pdf", figures=written["en"].figures)
    assert all("Forresearchonly" not in page for page in pages(path))


@pytest.mark.parametrize(
    ("language", "word"), [("en", "not detected, does not exclude disease"), ("zh", "模型未检出，不能排除病变")]
)
def test_an_empty_label_map_is_not_called_normal(nodules, build, tmp_path, language, word):
    labels, image = nodules
    content = build(labels.with_array(labels.array * 0), image, task=None, language=language)
    text = "".join(pages(render_pdf(content, tmp_path / "empty.pdf")))
    assert text.count(squeeze(word)) >= 2
    assert "normal" not in text
    assert "正常" not in text


def test_many_labels_name_the_absent_ones_in_both_files(many, build, tmp_path):
    content = build(many, Volume(many.array, many.geometry, "CT"), task=None)
    figures = draw_figures(content)
    said = squeeze("1 of the labels not detected, does not exclude disease: Box 12.")
    assert said in "".join(pages(render_pdf(content, tmp_path / "many.pdf", figures=figures)))
    assert said in squeeze(render_html(content, tmp_path, figures=figures).read_text(encoding="utf-8"))


def test_the_model_is_not_said_to_have_made_a_label_file(nodules, build, make_task, written, tmp_path):
    content = build(*nodules, task=make_task("lung-nodule", "CT"))
    said = "thelabelfiledoesnotsay"
    assert said not in "".join(pages(render_pdf(content, tmp_path / "kept.pdf", figures=written["en"].figures)))
    content = replace(content, version=None)
    assert said in "".join(pages(render_pdf(content, tmp_path / "file.pdf", figures=written["en"].figures)))


def test_nothing_segmented_says_why(nodules, build, tmp_path):
    reasons = ({"en": "No task reads this.", "zh": "没有任务适用。"},)
    content = build(*nodules, task=None, reasons=reasons, language="zh")
    content = replace(content, labels=None, measurements=None, version=None)
    text = "".join(pages(render_pdf(content, tmp_path / "none.pdf")))
    assert "未进行分割" in text
    assert "没有任务适用。" in text


def test_warnings_of_image_measuring_and_model_are_said(nodules, build, written, tmp_path):
    labels, image = nodules
    image = replace(image, meta={**image.meta, "warnings": ["thickness-differs-from-spacing", "something-new"]})
    said = ({"en": "The phase is not known.", "zh": "期相未知。"},)
    content = build(labels, image, task=None, warnings=said)
    content = replace(content, measurements={**content.measurements, "warnings": ["components_limited"]})
    text = "".join(pages(render_pdf(content, tmp_path / "warned.pdf", figures=written["en"].figures)))
    for word in ("The slice thickness differs", "something-new", "Very small parts", "The phase is not known."):
        assert squeeze(word) in text


def test_without_orientation_nothing_is_called_left(nodules, build, written, tmp_path):
    labels, image = nodules
    assumed = replace(image, meta={**image.meta, "warnings": ["orientation-assumed"]})
    content = build(labels, assumed, task=None)
    text = "".join(pages(render_pdf(content, tmp_path / "assumed.pdf", figures=written["en"].figures)))
    assert "leftandrightarenotmarked" in text
    assert "totheleft" not in text
    assert "left-right" not in text
    assert "fromthefrontleft" not in text


def test_texts_from_outside_are_never_markup(nodules, build, written, tmp_path):
    content = build(*nodules, task=None)
    nasty = '#panic("x") $ * _ ` <b> @ref \\ [ ] // /* "'
    series = replace(content.series, description=nasty)
    path = render_pdf(replace(content, series=series), tmp_path / "nasty.pdf", figures=written["en"].figures)
    assert squeeze(nasty) in "".join(pages(path))


def test_pdf_is_tagged_titled_and_in_its_language_with_its_font_inside(written):
    for language, report in written.items():
        reader = PdfReader(report.pdf)
        root = reader.trailer["/Root"]
        assert root["/MarkInfo"]["/Marked"]
        assert root["/Lang"].startswith(language)
        assert reader.metadata.title
        assert b"pdfuaid" in root["/Metadata"].get_object().get_data()
        fonts = [f.get_object() for page in reader.pages for f in page["/Resources"]["/Font"].values()]
        for font in fonts:
            descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)
            assert "NotoSansCJK" in font["/BaseFont"]


def test_the_same_content_gives_the_same_bytes(written, tmp_path):
    report = written["zh"]
    again = render_pdf(report.content, tmp_path / "again.pdf", figures=report.figures)
    assert again.read_bytes() == report.pdf.read_bytes()


def test_a_real_case_is_rendered(hippocampus, build, make_task, tmp_path):
    content = build(*hippocampus, task=make_task("hippocampus", "MR"), language="zh")
    text = "".join(pages(render_pdf(content, tmp_path / "deep" / "real.pdf")))
    for label in content.measurements["labels"]:
        volume = next(m for m in label["measurements"] if m["code"] == "volume")
        assert squeeze(str(show(volume))) in text
