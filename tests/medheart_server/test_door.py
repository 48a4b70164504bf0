"""Who may reach the service, what it says of itself, and that its page stands alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import requests

from medheart.errors import AccessError
from medheart.settings import Settings
from medheart_server.app import create_app


def test_foreign_host_and_origin_are_refused(service) -> None:
    assert service.get("/studies", headers={"Host": "evil.example"}).status_code == 403
    reply = service.post(f"/versions/{service.version.id}/restore", json={}, headers={"Origin": "http://evil.example"})
    assert reply.status_code == 403
    own = {"Origin": service.settings.service_url}
    assert service.get("/studies", headers=own).status_code == 200


def test_live_and_ready(service) -> None:
    assert requests.get(f"{service.settings.service_url}/livez", timeout=5).json()["status"] == "alive"
    ready = requests.get(f"{service.settings.service_url}/readyz", timeout=5).json()
    assert ready["status"] == "ready"
    assert ready["checks"] == {"store": True, "jobs": True, "disk": True}


def test_a_declared_body_that_is_too_large_is_refused_unread(service) -> None:
    import http.client

    connection = http.client.HTTPConnection(service.settings.host, service.settings.service_port, timeout=10)
    connection.putrequest("POST", "/api/v1/studies")
    connection.putheader("Content-Length", str(1 << 50))
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.endheaders()
    reply = connection.getresponse()
    assert reply.status == 413
    assert b"too_large" in reply.read()


def test_other_addresses_need_login(tmp_path) -> None:
    with pytest.raises(AccessError, match=r"0\.0\.0\.0"):
        create_app(Settings(home=tmp_path, host="0.0.0.0"))


def test_front_page_loads_nothing_from_elsewhere(service) -> None:
    root = service.settings.service_url
    page = requests.get(root, timeout=5)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert files
    for path in [*files, "/static/parts.js", "/static/study.js", "/static/texts.json"]:
        assert path.startswith("/static/")
        reply = requests.get(root + path, timeout=5)
        assert reply.status_code == 200, path
        assert not re.search(r"https?://(?!www\.w3\.org/)", reply.text), path


def test_both_languages_have_the_same_texts(service) -> None:
    texts = requests.get(f"{service.settings.service_url}/static/texts.json", timeout=5).json()
    assert set(texts["en"]) == set(texts["zh"])
    for key in texts["en"]:
        fields = [set(re.findall(r"\{(\w+)\}", texts[language][key])) for language in ("en", "zh")]
        assert fields[0] == fields[1], key


def test_the_service_imports_no_network_library() -> None:
    script = (
        "import sys, medheart_server.app;"
        "heavy = ('torch', 'monai', 'monailabel', 'openvino', 'medheart_work', 'SimpleITK');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == "[]"


def test_requests_are_counted_and_named(service) -> None:
    reply = service.get("/studies/nothing", headers={"X-Request-Id": "abc-1"})
    assert reply.headers["x-request-id"] == "abc-1"
    odd = service.get("/studies/nothing", headers={"X-Request-Id": "../../etc"})
    assert odd.headers["x-request-id"] != "../../etc"
    counters = requests.get(f"{service.settings.service_url}/metrics", timeout=10).text
    assert 'studies/{study_id}",status="404"' in counters
    assert "medheart_free_bytes " in counters


def test_log_lines_are_json_without_the_search_text(service) -> None:
    import json

    service.get("/studies", params={"q": "WangXiaoming"})
    log = (service.settings.home / "logs" / "service.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(str(line.get("route")).endswith("/studies") for line in lines)
    assert "WangXiaoming" not in log
