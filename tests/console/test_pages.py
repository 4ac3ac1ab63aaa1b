"""The pages without scripts: what they say, forms that come back as typed, two who edit."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from mcu_updater.cloud.center import model
from mcu_updater.cloud.center.device_session import open_state, state_path
from mcu_updater.cloud.center.json_form import from_json
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.packages import packages_folder
from mcu_updater.console.addresses import address
from mcu_updater.console.pages import package_form, plan_form
from mcu_updater.console.pages.forms import number, words
from mcu_updater.console.pages.posted import MAX_FORM
from tests.console.consoles import client_of, console_of
from tests.console.html_page import Form, Page, after, get
from tests.console.page_center import CENTER, IMAGE, SCRIPT, write_site
from tests.places import ROOT

PAGES = (
    "/products",
    "/products/new",
    "/products/p1",
    address("/products", SCRIPT),
    "/packages",
    "/packages/new",
    "/packages/pump%202.0",
    address("/packages", SCRIPT),
    "/plans",
    "/plans/new",
    "/plans/spring",
    "/plans/summer",
    address("/plans", SCRIPT),
    "/plans/spring/activate",
    "/plans/summer/activate",
    address("/plans", SCRIPT, "activate"),
    "/no-such-page",
    "/plans/no-such-plan",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_site(tmp_path)


@pytest.fixture
def client(path: Path) -> Iterator[TestClient]:
    with client_of(console_of(path)) as client:
        yield client


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A center that no test changes: what is refused leaves it as it is."""
    return write_site(tmp_path_factory.mktemp("still"))


@pytest.fixture(scope="module")
def asked(still: Path) -> Iterator[TestClient]:
    with client_of(console_of(still)) as client:
        yield client


def text_of(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def table(path: Path, kind: str, name: str) -> dict[str, Any]:
    key = "key" if kind == "products" else "name"
    return next(one for one in text_of(path)[kind] if one[key] == name)


# --- every page


@pytest.mark.parametrize("url", PAGES)
def test_a_page_is_whole_and_nothing_in_it_runs(asked: TestClient, url: str) -> None:
    """Elements are closed, ids are unique, fields have labels, scripts and styles are files."""
    page = get(asked, url)
    assert page.status == (404 if "no-such" in url else 200)
    assert page.title
    ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    labels = {each.attributes["for"] for each in page.all("label")}
    assert labels <= set(ids)
    for element in page.elements:
        attributes = element.attributes
        assert not {"style", "srcdoc"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
        assert element.tag != "script" or (
            attributes["src"].startswith("/static/") and not element.text
        )
        if element.tag in ("input", "select", "textarea") and attributes.get("type") != "hidden":
            assert attributes["id"] in labels, attributes
        for told in attributes.get("aria-describedby", "").split():
            assert told in ids
    links = [each for each in page.all("a") if any("aria-label" in one for one in each.within)]
    assert [each.text for each in links][:5] == [
        "Products",
        "Version packages",
        "Upgrade plans",
        "Upgrade monitoring",
        "Devices",
    ]


def test_names_are_text_wherever_they_stand(asked: TestClient) -> None:
    shown = 0
    for url in PAGES:
        page = get(asked, url)
        assert "<script>document" not in page.source
        assert "<i>MCU" not in page.source
        shown += page.text.count(SCRIPT)
    assert shown > 15


def test_the_page_where_one_is_stands_out(asked: TestClient) -> None:
    for url, current in (("/plans/summer", "/plans"), ("/products", "/products")):
        marked = get(asked, url).all("a", aria_current="page")
        assert [each.attributes["href"] for each in marked] == [current]


def test_a_browser_that_asks_for_an_icon_gets_one(asked: TestClient) -> None:
    answer = asked.get("/favicon.ico", follow_redirects=True)
    assert answer.headers["content-type"].startswith("image/svg+xml")


ODD = (
    "new",
    "named",
    "preview",
    "..",
    ".",
    "a/b",
    "a?b#c",
    "100%",
    "%2F",
    "\\",
    "a b",
    "ü✓",
    "+",
    "a&b=c",
)


def test_whatever_its_name_a_plan_is_found_where_its_link_leads(tmp_path: Path) -> None:
    plans = "".join(
        f"[[plans]]\nname = '{name}'\nproduct = 'p1'\nactive = false\n"
        "upgrades = [{ component = 'STM32', package = 'pump 2.0' }]\n"
        for name in ODD
    )
    with client_of(console_of(write_site(tmp_path, CENTER + plans))) as client:
        listed = get(client, "/plans")
        rows = [
            e
            for e in listed.all("a")
            if e.text in ODD and e.attributes["href"].startswith("/plans/")
        ]
        assert [each.text for each in rows] == list(ODD)
        for link in rows:
            page = get(client, link.attributes["href"])
            assert (page.title, page.status) == (link.text, 200)
            form = page.form_to("")
            saved = form.fill(rejection_minutes=77).send(client)
            assert after(client, saved).title == link.text
            activation = next(e for e in page.all("a") if e.text == "Activate…")
            assert get(client, activation.attributes["href"]).title == f"Activate {link.text}?"


# --- banners


def test_a_faulty_file_is_told_of_and_the_last_good_one_is_shown(
    client: TestClient, path: Path
) -> None:
    good = path.read_text()
    path.write_text(good.replace('timezone = "Europe/Berlin"', 'timezone = "Mars/Olympus"'))
    page = get(client, "/plans")
    assert "center.toml is not good as it stands on disk" in page.text
    assert "Mars/Olympus" in page.text and "spring" in page.text
    form = get(client, "/plans/summer").form_to("")
    answer = Page(form.fill(strategy__retries=9).send(client))
    assert answer.status == 422
    assert answer.form_to("").value("strategy.retries") == "9"
    assert "Mars/Olympus" in " ".join(answer.summary())
    path.write_text(good)
    assert "is not good" not in get(client, "/plans").text


def test_an_activated_plan_that_was_edited_by_hand_is_told_of_on_every_page(
    client: TestClient, path: Path
) -> None:
    get(client, "/plans")
    path.write_text(
        path.read_text().replace('blacklist = ["pump-003"]', 'blacklist = ["pump-004"]')
    )
    page = get(client, "/plans")
    assert page.status == 200
    assert 'plans "spring": the plan has been activated and cannot be edited any more' in page.text


def test_simulated_time_is_told_of(path: Path) -> None:
    open_state(read_center(path), state_path(path), simulated=True, now_s=1_772_435_000.0).close()
    with client_of(console_of(path)) as client:
        assert "Time is simulated" in get(client, "/plans").text


def test_who_saves_while_the_database_is_busy_keeps_what_was_typed(
    client: TestClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcu_updater.console.console.BUSY_S", 0.05)
    form = get(client, "/plans/summer").form_to("").fill(strategy__retries=8)
    with closing(sqlite3.connect(state_path(path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = Page(form.send(client))
    assert answer.status == 503
    assert answer.form_to("").value("strategy.retries") == "8"
    assert table(path, "plans", "summer")["strategy"] == {"retries": 3}


# --- products


def test_a_product_is_added_changed_and_deleted(client: TestClient, path: Path) -> None:
    form = get(client, "/products/new").form_to("")
    sent = form.put({"key": "p2", "name": "Valve", "components.0.id": "A", "components.1.id": "B"})
    sent = sent.put({"components.1.type": "module"})
    page = after(client, sent.send(client))
    assert page.title == "p2" and "The product was added." in page.text
    expected = [{"id": "A"}, {"id": "B", "type": "module"}]
    assert table(path, "products", "p2") == {"key": "p2", "name": "Valve", "components": expected}
    form = get(client, "/products/p2").form_to("")
    page = after(client, form.put({"components.0.id": "", "protocol": "lwm2m"}).send(client))
    assert table(path, "products", "p2")["components"] == [{"id": "B", "type": "module"}]
    assert table(path, "products", "p2")["protocol"] == "lwm2m"
    page = after(client, page.form_to("/products/p2/delete").send(client))
    assert "The product was deleted." in page.text
    assert [one["key"] for one in text_of(path)["products"]] == ["p1", SCRIPT]
    assert "# the controller" in path.read_text()


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"key": "p1"}, "key", "there is a product of that name already"),
        ({"key": ""}, "key", "at least 1 character"),
        ({"key": "k" * 101}, "key", "at most 100 characters"),
        ({"components.0.id": ""}, "components.0.id", "name one component at least"),
        ({"components.0.id": "a:b"}, "components.0.id", "without : ;"),
        ({"components.0.id": "Ü"}, "components.0.id", "printable ASCII"),
        ({"components.0.id": "x" * 33}, "components.0.id", "at most 32"),
        ({"components.1.id": "A"}, "", "a name stands twice"),
        ({"components.0.type": "toaster"}, "components.0.type", "mcu"),
        ({"protocol": "smoke"}, "protocol", "mqtt"),
    ],
)
def test_a_product_that_cannot_be_comes_back_with_the_fault_at_its_field(
    asked: TestClient, still: Path, values: dict[str, str], field: str, told: str
) -> None:
    before = still.read_bytes()
    form = get(asked, "/products/new").form_to("")
    typed = form.put({"key": "p2", "name": "N", "components.0.id": "A"}).put(values)
    _check_refused(asked, typed, field, told)
    assert still.read_bytes() == before


def _check_refused(client: TestClient, typed: Form, field: str, told: str, **more: Any) -> None:
    """The form comes back with what was typed, and says what is wrong, above and at the field."""
    answer = Page(typed.send(client, **more))
    assert answer.status in (409, 422)
    assert any(told in each for each in answer.summary()), answer.summary()
    if field:
        assert any(told in text for text in answer.wrong().values()), answer.wrong()
    back = dict(answer.form_to("").fields)
    unchanged = {k: v for k, v in typed.fields if k not in ("files", "do")}
    same = {k: v for k, v in unchanged.items() if _is_choice(k, v, back)}
    assert same.items() <= back.items()


def _is_choice(name: str, value: str, back: dict[str, str]) -> bool:
    """A choice that no list offers cannot be shown again."""
    return value not in ("toaster", "smoke", "nowhere")


def test_a_product_in_use_is_not_deleted(asked: TestClient, still: Path) -> None:
    page = get(asked, "/products/p1")
    assert "cannot be deleted: plan spring is for it" in page.text
    revision = page.form_to("").value("revision")
    answer = Page(asked.post("/products/p1/delete", data={"revision": revision}))
    assert answer.status == 409 and "was not deleted" in " ".join(answer.summary())
    assert table(still, "products", "p1")


# --- version packages

PACKAGE = {"name": "pump 3.0", "target": "3.0"}


def test_a_package_is_added_with_its_files_and_deleted_with_them(
    client: TestClient, path: Path
) -> None:
    form = get(client, "/packages/new").form_to("")
    image = IMAGE.read_bytes()
    sent = form.put({**PACKAGE, "note": "quick\r\nand small", "type": "module"})
    page = after(client, sent.send(client, [("a.s19", image), ("../../b.bin", b"b")]))
    assert page.title == "pump 3.0" and "The version package was added." in page.text
    made = table(path, "packages", "pump 3.0")
    assert made["files"] == [f"center.packages/pump_3.0/{name}" for name in ("a.s19", "b.bin")]
    assert made["note"] == "quick\nand small"
    for file in made["files"]:
        assert (path.parent / file).is_file()
    answer = page.form_to("").put({"keep": made["files"][1]}).send(client, [("c.zip", b"c")])
    page = after(client, answer)
    assert [Path(file).name for file in table(path, "packages", "pump 3.0")["files"]] == [
        "b.bin",
        "c.zip",
    ]
    assert not (path.parent / made["files"][0]).exists()
    page = after(client, page.form_to(address("/packages", "pump 3.0", "delete")).send(client))
    assert "The version package was deleted." in page.text
    assert not list(packages_folder(path).rglob("*.*"))


def test_the_page_of_a_package_says_what_its_image_is(asked: TestClient) -> None:
    page = get(asked, "/packages/pump%202.0")
    for told in ("0x0800_8000", "fixture's version 2.0.0", "27.1 KiB"):
        assert told in page.text
    assert "df80cdfb22deddae62e978eb4879f6a9aadbf15d471bf8faa29481f9bb32ad79" in page.text


def test_the_page_of_a_delta_says_what_it_leads_from_and_to(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    delta = (ROOT / "examples" / "center" / "pump-1.0.0-to-2.0.0.bin").read_bytes()
    (tmp_path / "delta.bin").write_bytes(delta)
    with client_of(console_of(path)) as client:
        text = get(client, "/packages/pump%201.0%20to%202.0").text
    assert "Base 1.0.0" in text
    assert "its base is 1.0.0, and the version package says 1.0" in text


@pytest.mark.parametrize(
    ("values", "files", "field", "told"),
    [
        ({}, [], "files", "choose one file at least"),
        ({}, [("a.exe", b"x")], "files", "the platform takes no such file"),
        ({}, [("a.bin", b"")], "files", "is empty"),
        ({}, [(f"{n}.bin", b"x") for n in range(6)], "files", "too many"),
        ({"name": "pump 2.0"}, [("a.bin", b"x")], "name", "of that name already"),
        ({"name": ""}, [("a.bin", b"x")], "name", "at least 1 character"),
        ({"target": "2 0"}, [("a.bin", b"x")], "target", "letters, digits"),
        ({"kind": "delta"}, [("a.bin", b"x")], "source", "a source version for a delta"),
        ({"source": "1.0"}, [("a.bin", b"x")], "source", "none for a full one"),
        ({"kind": "delta", "source": "3.0"}, [("a.bin", b"x")], "source", "other than the target"),
        ({"note": "n" * 201}, [("a.bin", b"x")], "note", "at most 200"),
        ({"keep": ["../center.toml"]}, [], "files", "leads out of the center's folder"),
        ({"keep": ["/etc/passwd"]}, [], "files", "leads out of the center's folder"),
    ],
)
def test_a_package_that_cannot_be_comes_back_and_nothing_of_it_is_kept(
    asked: TestClient,
    still: Path,
    values: dict[str, Any],
    files: list[tuple[str, bytes]],
    field: str,
    told: str,
) -> None:
    before = still.read_bytes()
    form = get(asked, "/packages/new").form_to("")
    keep = values.pop("keep", None)
    typed = form.put({**PACKAGE, **values})
    sent = typed.put({"keep": keep}) if keep else typed
    answer = Page(sent.send(asked, files))
    assert answer.status in (409, 422)
    assert any(told in each for each in answer.summary()), answer.summary()
    assert any(told in text for text in answer.wrong().values()) == bool(field)
    back = dict(answer.form_to("").fields)
    assert dict(typed.fields).items() <= back.items()
    assert still.read_bytes() == before
    assert not packages_folder(still).exists() or not list(packages_folder(still).rglob("*.*"))


def test_an_upload_that_is_too_large_is_a_fault_of_the_form(
    asked: TestClient, still: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcu_updater.cloud.center.packages.MAX_FILE_SIZE", 1000)
    form = get(asked, "/packages/new").form_to("").put({**PACKAGE, "note": "kept"})
    answer = Page(form.send(asked, [("small.bin", b"x" * 1000), ("large.bin", b"x" * 1001)]))
    assert answer.status == 422
    assert "too large; expected 1 to 1000 bytes" in " ".join(answer.summary())
    assert answer.form_to("").value("note") == "kept"
    assert not list(packages_folder(still).rglob("*.*"))


def test_a_package_of_an_activated_plan_is_locked(asked: TestClient, still: Path) -> None:
    page = get(asked, "/packages/pump%202.0")
    assert "plan spring has been activated" in page.text
    assert [form.attributes.get("action") for form in page.forms] == []
    values = {"name": "pump 2.0", "target": "9", "type": "mcu", "kind": "full", "keep": "new.s19"}
    revision = asked.get("/api/packages/pump%202.0").headers["etag"].strip('"')
    parts = [("files", ("", b""))]
    answer = asked.post("/packages/pump%202.0", data={**values, "revision": revision}, files=parts)
    assert answer.status_code == 409
    assert table(still, "packages", "pump 2.0")["target"] == "2.0"


# --- plans


def plan_of(client: TestClient, **values: Any) -> Form:
    form = get(client, "/plans/new").form_to("")
    return form.put({"name": "autumn", "upgrades.STM32.package": "pump 2.0"}).put(values)


def test_a_plan_is_created_saved_only(client: TestClient, path: Path) -> None:
    form = plan_of(
        client, **{"upgrades.STM32.versions": "1.0; 0.9", "upgrades.modem.package": SCRIPT}
    )
    form = form.put({"upgrades.STM32.order": "2", "upgrades.modem.order": "1"})
    form = form.fill(
        timezone="Asia/Tokyo",
        begin="2027-01-01T08:00",
        end="2027-02-01T20:30",
        push_hours__from=22,
        push_hours__to=6,
        mode="confirmed",
        push=None,
        rejection_minutes=10,
        strategy__retries=0,
        strategy__min_battery=50,
        strategy__min_signal=-90,
        whitelist="pump-001\r\npump-002, pump-004;pump-005",
        blacklist="",
    )
    page = after(client, form.send(client))
    assert page.title == "autumn" and "saved" in page.text
    made = read_center(path).center.plan("autumn")
    assert made is not None
    assert made.active is False and made.push is False and made.mode is model.Mode.CONFIRMED
    assert [(u.component, u.package, u.versions) for u in made.upgrades] == [
        ("modem", SCRIPT, ()),
        ("STM32", "pump 2.0", ("1.0", "0.9")),
    ]
    assert (made.push_hours, made.rejection_minutes) == ((22, 6), 10)
    assert made.strategy == model.Strategy(0, 50, -90)
    assert made.whitelist == ("pump-001", "pump-002", "pump-004", "pump-005")
    assert (str(made.begin), str(made.end)) == ("2027-01-01 08:00:00", "2027-02-01 20:30:00")
    again = page.form_to("")
    assert after(client, again.send(client)).title == "autumn"
    assert read_center(path).center.plan("autumn") == made


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"name": "summer"}, "name", "of that name already"),
        ({"name": ""}, "name", "at least 1 character"),
        ({"name": "n" * 101}, "name", "at most 100"),
        ({"upgrades.STM32.package": ""}, "", "for one component at least"),
        (
            {"upgrades.STM32.versions": ";".join("123456789")},
            "upgrades.STM32.versions",
            "at most 8",
        ),
        ({"upgrades.STM32.versions": "1§"}, "upgrades.STM32.versions", "letters, digits"),
        ({"timezone": "Mars/Olympus"}, "timezone", "a time zone such as"),
        ({"begin": "yesterday"}, "begin", "a date with its time"),
        ({"begin": "2027-02-01T08:00", "end": "2027-01-01T08:00"}, "end", "an end after the begin"),
        ({"push_hours.from": "5"}, "push_hours", "an integer"),
        ({"push_hours.from": "5", "push_hours.to": "5"}, "push_hours", "of one hour at least"),
        ({"mode": "smoke"}, "mode", "silent"),
        ({"rejection_minutes": "9"}, "rejection_minutes", "at least 10"),
        ({"rejection_minutes": "soon"}, "rejection_minutes", "an integer"),
        ({"rejection_minutes": ""}, "rejection_minutes", "an integer"),
        ({"strategy.retries": "101"}, "strategy.retries", "at most 100"),
        ({"strategy.min_battery": "-1"}, "strategy.min_battery", "at least 0"),
        ({"strategy.min_signal": "1"}, "strategy.min_signal", "at most 0"),
        ({"strategy.min_signal": "9" * 40}, "strategy.min_signal", "an integer"),
        ({"whitelist": "pump-001 pump-001"}, "whitelist", "no name twice"),
        ({"blacklist": "d" * 65}, "blacklist", "1 to 64"),
    ],
)
def test_a_plan_that_cannot_be_comes_back_with_the_fault_at_its_field(
    asked: TestClient, still: Path, values: dict[str, str], field: str, told: str
) -> None:
    before = still.read_bytes()
    _check_refused(asked, plan_of(asked, **values), field, told)
    assert still.read_bytes() == before


def test_only_packages_that_fit_are_offered_for_a_component(asked: TestClient) -> None:
    page = get(asked, "/plans/new")
    options = {
        select.attributes["name"]: [o.attributes["value"] for o in _options(page, select)]
        for select in page.all("select")
    }
    assert options["upgrades.STM32.package"] == ["", "pump 2.0", "pump 1.0 to 2.0"]
    assert options["upgrades.modem.package"] == ["", SCRIPT]
    other = get(asked, f"/plans/new?product={quote(SCRIPT)}")
    assert other.form_to("").value("upgrades.<i>MCU</i>.package") == ""


def _options(page: Page, select: Any) -> list[Any]:
    at = page.elements.index(select)
    behind = page.elements[at + 1 :]
    end = next((n for n, e in enumerate(behind) if e.tag != "option"), len(behind))
    return behind[:end]


def test_a_delta_with_specified_versions_is_told_of_at_the_field(asked: TestClient) -> None:
    form = plan_of(asked, **{"upgrades.STM32.package": "pump 1.0 to 2.0"})
    form = form.put({"upgrades.STM32.versions": "1.0"})
    _check_refused(asked, form, "upgrades.STM32.versions", "a delta package has its source version")


def test_another_product_keeps_what_was_typed(asked: TestClient) -> None:
    form = plan_of(asked, product=SCRIPT, whitelist="a b")
    page = Page(form.send(asked, button=("do", "show")))
    back = page.form_to("")
    assert (back.value("name"), back.value("whitelist")) == ("autumn", "a b")
    assert "upgrades.<i>MCU</i>.package" in dict(back.fields)


def test_the_preview_counts_who_would_be_offered_it_and_why_not_the_others(
    asked: TestClient,
) -> None:
    form = plan_of(asked, blacklist="pump-002 pump-099")
    page = Page(form.send(asked, button=("do", "preview")))
    assert page.form_to("").value("blacklist") == "pump-002 pump-099"
    told = {
        each.attributes["data-why"]: each.text
        for each in page.all("li")
        if "data-why" in each.attributes
    }
    counts = {why: re.sub(r"\s+", " ", text).split()[0] for why, text in told.items()}
    assert counts == {"offered": "7", "blacklisted": "1", "no_version": "1", "at_target": "1"}
    assert next(iter(told)) == "offered"
    assert "pump-001" in told["offered"] and "quiet" in told["no_version"]
    assert SCRIPT in told["at_target"]
    assert "7 of 10 devices of p1" in page.text
    assert "Black list, unknown to the center: pump-099." in page.text
    fragment = asked.post("/plans/preview", data=dict(form.fields)).text
    assert "7" in fragment and "<html" not in fragment


def test_the_preview_says_what_it_waits_for(asked: TestClient) -> None:
    fields = dict(plan_of(asked).fields)
    data = fields | {"strategy.retries": "x"}
    assert "while Retries is not right" in asked.post("/plans/preview", data=data).text
    unnamed = fields | {"name": ""}
    assert "8" in asked.post("/plans/preview", data=unnamed).text
    nothing = fields | {"upgrades.STM32.package": ""}
    assert "Choose a version package" in asked.post("/plans/preview", data=nothing).text
    user = fields | {"mode": "confirmed"}
    assert "once their user has confirmed" in asked.post("/plans/preview", data=user).text
    later = fields | {"begin": "2099-01-01T00:00"}
    assert (
        "When it begins, 2099-01-01 00:00:00 UTC" in asked.post("/plans/preview", data=later).text
    )


def test_the_preview_lives_with_what_was_deleted_meanwhile(client: TestClient) -> None:
    fields = dict(plan_of(client).fields)
    for change, told in (
        ({"upgrades.STM32.package": "gone"}, "is not known"),
        ({"upgrades.STM32.package": SCRIPT}, "for another type of component"),
        ({"product": "gone"}, "one component at least"),
        ({"begin": "9999-12-31T23:59", "timezone": "Pacific/Niue"}, "after the year 9999"),
    ):
        answer = client.post("/plans/preview", data=fields | change)
        assert answer.status_code == 200
        assert told in answer.text


def test_a_moment_that_nobody_touched_stays_what_it_was(tmp_path: Path) -> None:
    """With its offset, its seconds, and in the hour that comes twice."""
    moments = (
        "2027-03-02T08:00:30.5+09:00",
        "2026-10-25T02:30:00",
        "2026-10-25T02:30:00+01:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
    )
    text = CENTER
    for at, moment in enumerate(moments):
        text += (
            f"[[plans]]\nname = 'm{at}'\nproduct = 'p1'\nactive = false\n"
            f"timezone = 'Europe/Berlin'\nbegin = {moment}\n"
            "upgrades = [{ component = 'STM32', package = 'pump 2.0' }]\n"
        )
    path = write_site(tmp_path, text)
    before = {plan.name: plan.begin for plan in read_center(path).center.plans}
    with client_of(console_of(path)) as client:
        for at in range(len(moments)):
            form = get(client, f"/plans/m{at}").form_to("")
            assert get(client, f"/plans/m{at}/activate").status == 200
            assert after(client, form.fill(strategy__retries=9).send(client)).status == 200
    made = {plan.name: plan.begin for plan in read_center(path).center.plans}
    assert made == before
    assert path.read_text().count("retries = 9") == len(moments)


# --- activation, and after


def test_a_plan_is_activated_after_a_warning_and_then_it_is_locked(
    client: TestClient, path: Path
) -> None:
    page = get(client, "/plans/summer/activate")
    assert "An active plan can neither be edited nor deleted." in page.text
    assert "8 of 10 devices of p1 will be offered STM32 2.0." in page.text
    form = get(client, "/plans/summer").form_to("")
    page = after(client, page.form_to("").send(client))
    assert page.title == "summer" and "The plan is active now." in page.text
    assert [form.attributes.get("action") for form in page.forms] == ["/plans/summer/act"] * 2
    answer = Page(form.fill(strategy__retries=9).send(client))
    assert answer.status == 409 and "has been activated" in " ".join(answer.summary())
    assert answer.form_to("").value("strategy.retries") == "9"
    deletion = Page(client.post("/plans/summer/delete", data={"revision": form.value("revision")}))
    assert deletion.status == 409
    assert table(path, "plans", "summer")["strategy"] == {"retries": 3}


def test_only_what_was_shown_is_activated(client: TestClient, path: Path) -> None:
    form = get(client, "/plans/summer/activate").form_to("")
    path.write_text(path.read_text().replace("retries = 3", "retries = 4"))
    answer = Page(form.send(client))
    assert answer.status == 409 and "Somebody changed the plan" in answer.text
    assert "4 retries" in answer.text
    assert "saved" in get(client, "/plans/summer").text
    assert after(client, answer.form_to("").send(client)).text.count("is active now") == 1


def test_a_plan_is_paused_resumed_and_terminated(client: TestClient) -> None:
    def act(page: Page, action: str) -> Page:
        form = next(f for f in page.forms if ("action", action) in f.buttons)
        return after(client, form.send(client, button=("action", action)))

    page = act(get(client, "/plans/spring"), "pause")
    assert "paused" in page.text
    page = act(get(client, "/plans"), "resume")
    assert page.url == "/plans" and "The plan goes on." in page.text
    page = act(get(client, "/plans/spring"), "terminate")
    assert page.forms == [] and "terminated" in page.text
    late = Page(client.post("/plans/spring/act", data={"action": "resume"}))
    assert late.status == 409 and "cannot be acted on so" in late.text
    assert Page(client.post("/plans/spring/act", data={"action": "explode"})).status == 422


# --- two at the same time


def test_who_saves_second_sees_both_and_chooses(client: TestClient, path: Path) -> None:
    """What only the other has changed is kept by default, and what only oneself has changed too."""
    mine, theirs = (get(client, "/plans/summer").form_to("") for _ in range(2))
    theirs.fill(strategy__retries=7, blacklist="pump-003", rejection_minutes=30).send(client)
    mine = mine.fill(strategy__retries=9, whitelist="pump-001\npump-002")
    page = Page(mine.send(client))
    assert page.status == 409 and page.title == "summer was changed meanwhile"
    rows = {
        row.all("th")[0] if False else row.text.split("\n")[0]: row for row in page.all("tr")[1:]
    }
    assert len(rows) == 4
    before = path.read_bytes()
    assert page.text.count("changed by both") == 1
    assert path.read_bytes() == before
    chosen = page.form_to("/plans/summer").put({"choose.strategy.retries": "theirs"})
    shown = Page(chosen.send(client, button=("do", "show")))
    assert shown.form_to("").value("strategy.retries") == "7"
    assert path.read_bytes() == before
    saved = after(client, chosen.send(client, button=("do", "save")))
    assert saved.title == "summer" and saved.status == 200
    made = read_center(path).center.plan("summer")
    assert made is not None
    assert (made.strategy.retries, made.rejection_minutes) == (7, 30)
    assert (made.whitelist, made.blacklist) == (("pump-001", "pump-002"), ("pump-003",))
    assert "# not more" in path.read_text() or "retries" in path.read_text()


def test_a_second_conflict_is_seen_as_well(client: TestClient, path: Path) -> None:
    forms = [get(client, "/plans/summer").form_to("").fill(strategy__retries=n) for n in (10, 11)]
    forms[0].send(client)
    page = Page(forms[1].send(client))
    get(client, "/plans/summer").form_to("").fill(strategy__retries=12).send(client)
    again = Page(page.form_to("/plans/summer").send(client))
    assert again.status == 409 and again.title == "summer was changed meanwhile"
    after(client, again.form_to("/plans/summer").send(client))
    assert table(path, "plans", "summer")["strategy"] == {"retries": 11}


def test_what_was_deleted_meanwhile_can_be_added_again(client: TestClient, path: Path) -> None:
    form = get(client, "/plans/summer").form_to("").fill(strategy__retries=9)
    page = get(client, "/plans/summer")
    page.form_to("/plans/summer/delete").send(client)
    answer = Page(form.send(client))
    assert answer.status == 409 and answer.title == "summer was deleted meanwhile"
    assert after(client, answer.form_to("/plans/summer").send(client)).title == "summer"
    assert table(path, "plans", "summer")["strategy"]["retries"] == 9


def test_components_and_packages_conflict_as_plans_do(client: TestClient, path: Path) -> None:
    mine, theirs = (get(client, "/products/p1").form_to("") for _ in range(2))
    theirs.fill(name="Theirs").send(client)
    page = Page(mine.put({"components.2.id": "radio"}).send(client))
    after(client, page.form_to("/products/p1").send(client))
    made = table(path, "products", "p1")
    assert made["name"] == "Theirs" and [c["id"] for c in made["components"]] == [
        "STM32",
        "modem",
        "radio",
    ]
    url = "/packages/pump%201.0%20to%202.0"
    mine, theirs = (get(client, url).form_to("") for _ in range(2))
    theirs.fill(note="theirs").send(client)
    page = Page(mine.put({"keep": None}).send(client, [("better.bin", b"better")]))
    assert page.status == 409
    kept = list(packages_folder(path).rglob("better.bin"))
    assert len(kept) == 1, "an upload waits while its owner has to choose"
    after(client, page.form_to(url).send(client))
    package = table(path, "packages", "pump 1.0 to 2.0")
    assert package["note"] == "theirs"
    assert [Path(file).name for file in package["files"]] == ["better.bin"]


def test_nobody_deletes_what_another_has_just_changed(client: TestClient, path: Path) -> None:
    page = get(client, "/plans/summer")
    page.form_to("").fill(strategy__retries=7).send(client)
    answer = Page(page.form_to("/plans/summer/delete").send(client))
    assert answer.status == 409 and "It was not deleted" in " ".join(answer.summary())
    assert answer.form_to("").value("strategy.retries") == "7"
    after(client, answer.form_to("/plans/summer/delete").send(client))
    assert "summer" not in [one["name"] for one in text_of(path)["plans"]]


# --- what is sent


def test_what_is_no_form_is_refused(asked: TestClient) -> None:
    for url, kind in (("/plans/new", "application/json"), ("/packages/new", "text/plain")):
        answer = asked.post(url, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
    large = b"name=" + b"x" * MAX_FORM
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert asked.post("/plans/new", content=large, headers=form).status_code == 413
    many = b"&".join(b"a=1" for _ in range(3000))
    assert asked.post("/plans/new", content=many, headers=form).status_code == 422
    assert asked.post("/plans/new", content=b"name=%ff", headers=form).status_code == 422
    assert asked.post("/plans/new", content=b"", headers=form).status_code == 422


def test_what_the_model_expects_of_two_fields_together_is_known_by_its_words() -> None:
    """So that it is told at a field: the words are the model's, and a change there is seen here."""
    plan = {"name": "n", "product": "p", "upgrades": [{"component": "c", "package": "p"}]}
    package = {"name": "n", "target": "2", "files": ["a.bin"]}
    cases: list[tuple[Any, dict[str, Any], Any]] = [
        (
            model.UpgradePlan,
            plan | {"begin": "2027-01-02T00:00", "end": "2027-01-01T00:00"},
            plan_form,
        ),
        (model.UpgradePlan, plan | {"push_hours": [1, 1]}, plan_form),
        (model.VersionPackage, package | {"kind": "delta"}, package_form),
        (model.VersionPackage, package | {"kind": "delta", "source": "2"}, package_form),
    ]
    met = set()
    for kind, given, form in cases:
        with pytest.raises(Exception) as caught:
            from_json(kind, given)
        (fault,) = caught.value.faults  # type: ignore[attr-defined]
        assert fault.expected in form._TOGETHER
        met.add(fault.expected)
    assert met == plan_form._TOGETHER.keys() | package_form._TOGETHER.keys()


def test_numbers_and_lists_are_read_as_people_write_them() -> None:
    assert [number(text) for text in (" 7 ", "-113", "+5", "", "5.5", "٣", "--5", "-")] == [
        7,
        -113,
        5,
        "",
        "5.5",
        "٣",
        "--5",
        "-",
    ]
    assert words(" a,b;\r\nc\td ") == ["a", "b", "c", "d"]
    assert words(" \n") == []


@pytest.mark.parametrize("base", ["[" * 100_000, '{"name":' * 50_000, "9" * 5000])
def test_what_a_form_says_it_showed_may_be_anything(client: TestClient, base: str) -> None:
    fields = {
        "product": "p1",
        "upgrades.STM32.package": "pump 2.0",
        "revision": "0" * 16,
        "base": base,
        "mode": "silent",
        "timezone": "UTC",
        "rejection_minutes": "60",
        "strategy.retries": "1",
        "strategy.min_battery": "1",
        "strategy.min_signal": "0",
    }
    assert client.post("/plans/summer", data=fields).status_code == 409


def test_a_file_that_no_system_can_name_is_none_that_is_forgotten(client: TestClient) -> None:
    posted = client.post(
        "/packages/new", files={"name": (None, "x"), "had": (None, "\0"), "keep": (None, "\0")}
    )
    assert posted.status_code == 422
