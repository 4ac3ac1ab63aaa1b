"""Who may ask a console, and what no answer of it allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mcu_updater.console.security import host_of, is_loopback
from mcu_updater.console.token_file import token_in
from mcu_updater.core.errors import PortError
from tests.console.consoles import client_of, console_of, write_center

TOKEN = "0123456789abcdef0123456789abcdef"
ELSEWHERE = "http://192.0.2.7:8021"


@pytest.fixture
def guarded(tmp_path: Path) -> TestClient:
    return client_of(console_of(write_center(tmp_path), TOKEN), ELSEWHERE)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9:1", "localhost", "LOCALHOST:8021", "[::1]", "[::1]:80", "127.0.0.1:9"],
)
def test_this_computer_may_be_named_so(shared_client: TestClient, host: str) -> None:
    assert shared_client.get("/static/base.css", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:8021", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.0.2.7", 403),
        ("0.0.0.0", 403),
        ("[::ffff:192.0.2.7]", 403),
        ("evil@localhost", 400),
        ("localhost/evil", 400),
        ("localhost:99999", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
@pytest.mark.parametrize("path", ["/static/base.css", "/api/none"])
def test_a_name_of_somebody_else_that_leads_here_is_refused(
    shared_client: TestClient, host: str, status: int, path: str
) -> None:
    answer = shared_client.get(path, headers={"Host": host})
    assert answer.status_code == status
    assert "host" in answer.text
    is_problem = answer.headers["Content-Type"] == "application/problem+json"
    assert is_problem == path.startswith("/api")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "STRANGE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://localhost:8021"},
        {"Origin": "127.0.0.1:8021"},
        {"Origin": "http://127.0.0.1:8021", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_what_another_site_s_page_would_change_is_refused(
    shared_client: TestClient, method: str, headers: dict[str, str]
) -> None:
    answer = shared_client.request(method, "/api/plans/spring", headers=headers)
    assert answer.status_code == 403
    assert "Another site asks for a change" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://127.0.0.1:8021"}, {"Sec-Fetch-Site": "same-origin"}],
)
def test_our_own_pages_and_programs_are_let_in(
    shared_client: TestClient, headers: dict[str, str]
) -> None:
    assert shared_client.post("/none", headers=headers).status_code == 404


@pytest.mark.parametrize("path", ["/", "/static/base.css", "/api/none", "/none", "/static/"])
def test_every_answer_forbids_scripts_and_frames_of_others(
    shared_client: TestClient, path: str
) -> None:
    headers = shared_client.get(path).headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    kept = "no-cache" if path.startswith("/static") else "no-store"
    assert headers["Cache-Control"] == kept
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "path",
    ["/static", "/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py",
     "/static//etc/passwd", "/static/%2fetc/passwd", "/templates/base.html", "/static/%00"],
)  # fmt: skip
def test_only_assets_are_served_and_no_folder_is_listed(
    shared_client: TestClient, path: str
) -> None:
    answer = shared_client.get(path)
    assert answer.status_code in (307, 404)
    assert "import" not in answer.text
    assert 'href="base.css' not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \xe9"},
        {"Cookie": f"mcu-updater-8021={TOKEN}"},
        {"Cookie": "mcu-updater-8021="},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/none", "/static/base.css", "/?token=wrong"])
def test_without_the_token_nobody_is_let_in(
    guarded: TestClient, path: str, headers: dict[str, str]
) -> None:
    answer = guarded.get(
        path, headers={name: text.encode("latin-1") for name, text in headers.items()}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Set-Cookie" not in answer.headers


def test_a_program_sends_the_token_in_a_header(guarded: TestClient) -> None:
    answer = guarded.get("/static/base.css", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200


def test_a_browser_gets_a_cookie_for_it_and_asks_again_without(guarded: TestClient) -> None:
    answer = guarded.get(f"/static/base.css?token={TOKEN}&a=%3Cb%3E%22")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert TOKEN not in answer.text
    assert 'url=/static/base.css?a=%3Cb%3E%22"' in answer.text
    cookie = answer.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert guarded.get("/static/base.css").status_code == 200


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/%2f%2fevil.example/x", "/\\evil.example", '/"><script>']
)
def test_the_token_leads_to_no_other_site(guarded: TestClient, path: str) -> None:
    answer = guarded.get(f"{ELSEWHERE}{path}?token={TOKEN}")
    assert answer.status_code == 200
    target = answer.text.partition("url=")[2].partition('"')[0]
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    assert "<script" not in answer.text


def test_the_token_in_an_address_does_not_make_a_change(guarded: TestClient) -> None:
    assert guarded.post(f"/api/none?token={TOKEN}").status_code == 401


def test_a_token_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = token_in(path)
    assert len(token) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert token_in(path) == token
    other = tmp_path / "other"
    assert token_in(other) != token


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (TOKEN, 0o644, "others can read the token"),
        (TOKEN, 0o660, "others can read the token"),
        ("short", 0o600, "is no token"),
        ("", 0o600, "is no token"),
        ("two words of a token, long", 0o600, "is no token"),
        ("é" * 20, 0o600, "cannot be read"),
    ],
)
def test_a_token_file_that_is_none(tmp_path: Path, content: str, mode: int, expected: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(PortError, match=expected):
        token_in(path)


def test_a_token_file_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="cannot be made"):
        token_in(tmp_path / "none" / "token")


def test_loopback() -> None:
    assert all(is_loopback(one) for one in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"))
    assert not any(is_loopback(one) for one in ("0.0.0.0", "::", "10.0.0.1", "evil", "", "fe80::1"))
    assert host_of("A.example:81") == ("a.example", 81)
