"""What a build of the extension would notice: lists of files, texts, borders."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from MedHeartLib.Parameters import Parameters
from MedHeartLib.Texts import currentLanguage, setLanguage, tr

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = ROOT / "SlicerMedHeart" / "MedHeart"
CODE = sorted(MODULE.rglob("*.py"))
UI = ET.parse(MODULE / "Resources" / "UI" / "MedHeart.ui").getroot()


def listed(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8").replace("${MODULE_NAME}", "MedHeart")
    return set(re.findall(r"^\s+([\w./-]+\.(?:py|json|md|png|ui|typed))$", text, re.MULTILINE))


@pytest.mark.parametrize("folder", ["SlicerMedHeart/MedHeart", "core/medheart"])
def test_cmake_lists_every_file_and_no_other(folder: str) -> None:
    top = ROOT / folder
    there = {
        str(path.relative_to(top))
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }
    assert listed(top / "CMakeLists.txt") == there


def test_the_root_file_has_what_the_extension_index_checks() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "project(MedHeart)" in text
    for word in ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert re.search(rf"^set\(EXTENSION_{word} ", text, re.MULTILINE)
    assert re.search(r'ICONURL ".*SlicerMedHeart/MedHeart/Resources/Icons/MedHeart\.png"', text)


def test_the_icon_is_a_png_of_128_pixels() -> None:
    data = (MODULE / "Resources" / "Icons" / "MedHeart.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (128, 128)


def shownTexts() -> set[str]:
    found = {string.text for string in UI.iter("string") if string.text and not string.text.startswith("vtk")}
    found -= {node.find("string").text for node in UI.iter("property") if node.get("name") == "SlicerParameterName"}
    for path in CODE:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"_", "tr"}:
                found |= {n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)}
            if isinstance(call, ast.FunctionDef) and call.name == "missingInput":
                returns = [n.value for n in ast.walk(call) if isinstance(n, ast.Return)]
                found |= {value.value for value in returns if isinstance(value, ast.Constant) and value.value}
    return found


def test_every_text_is_there_in_chinese_with_the_same_fields_and_no_other_is() -> None:
    catalogue = json.loads((MODULE / "Resources" / "Texts" / "zh.json").read_text(encoding="utf-8"))
    words = {"uploading", "preparing", "queued", "running", "writing"}
    assert set(catalogue) == shownTexts() | words
    for english, chinese in catalogue.items():
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", chinese), english
        assert re.search(r"[\u4e00-\u9fff]", chinese), english


def test_texts_follow_the_language() -> None:
    try:
        setLanguage("zh_CN")
        assert currentLanguage() == "zh"
        assert tr("Connected. Tasks: {count}.", count=3) == "已连接。任务数：3。"
        setLanguage("de-DE")
        assert tr("Connected. Tasks: {count}.", count=3) == "Connected. Tasks: 3."
    finally:
        setLanguage("en")


def test_the_form_has_every_widget_that_the_code_names_and_binds_only_parameters() -> None:
    names = {widget.get("name") for widget in UI.iter("widget")}
    used = {
        node.attr
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in {"ui", "_ui"}
    }
    assert used <= names
    bound = {node.find("string").text for node in UI.iter("property") if node.get("name") == "SlicerParameterName"}
    assert bound <= set(Parameters.__dataclass_fields__)
    receivers = {node.text for node in UI.iter("receiver")}
    assert receivers == {
        widget.get("name") for widget in UI.iter("widget") if widget.get("class") == "qMRMLNodeComboBox"
    }


FORBIDDEN = {
    "mrml": {"qt", "ctk", "slicer.app", "slicer.modules", "slicer.mrmlScene", "slicer.util", "requests"},
    "Logic.py": {"qt", "ctk", "slicer"},
    "Parameters.py": {"qt", "ctk", "slicer", "vtk"},
    "Tasks.py": {"qt", "ctk", "slicer", "vtk"},
    "Nrrd.py": {"qt", "ctk", "slicer", "vtk"},
    "Background.py": {"qt", "ctk", "slicer", "vtk"},
}


def test_each_part_imports_only_what_it_may() -> None:
    for path in CODE:
        words = FORBIDDEN.get(path.name, FORBIDDEN["mrml"] if path.parent.name == "mrml" else set())
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.Name))}
        used |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        used |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not used & words, path
        assert not any(name.startswith("medheart_") for name in used), path


def test_files_are_as_short_as_agreed() -> None:
    limits = {"MedHeart.py": 100, "Parameters.py": 60, "Widget.py": 250, "Logic.py": 250}
    for path in CODE:
        limit = 200 if path.parent.name == "mrml" else limits.get(path.name, 250)
        assert len(path.read_text(encoding="utf-8").splitlines()) <= limit, path
