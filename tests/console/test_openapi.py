"""The OpenAPI document: valid, and neither more nor less than the application does."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route
from starlette.testclient import TestClient

from mcu_updater.console.api.openapi import document
from mcu_updater.console.api.table import OPERATIONS
from mcu_updater.console.app import Console, make_app
from tests.console.consoles import DEVICE

DOCUMENT = document(OPERATIONS)


def test_the_document_is_what_openapi_3_1_asks_for(shared_client: TestClient) -> None:
    served = shared_client.get("/api/openapi.json")
    assert served.headers["Content-Type"] == "application/json"
    assert served.json() == DOCUMENT
    OpenAPIV31SpecValidator(served.json()).validate()


def test_every_route_of_the_api_is_in_it_and_the_other_way_round(console: Console) -> None:
    routes = {
        (route.path.replace(":name}", "}"), method.lower())
        for route in make_app(console).routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    documented = {(path, method) for path, known in DOCUMENT["paths"].items() for method in known}
    assert routes == documented
    assert len(routes) >= 30


def test_every_schema_is_used_and_every_reference_leads_to_one() -> None:
    named = set(DOCUMENT["components"]["schemas"])
    used = {reference.rpartition("/")[2] for reference in _references(DOCUMENT)}
    assert used == named


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for inner in value.values() for ref in _references(inner)]
    return [ref for inner in value for ref in _references(inner)] if isinstance(value, list) else []


def check(path: str, method: str, status: int, content: Any) -> None:
    """Hold an answer against the document."""
    operation = DOCUMENT["paths"][path][method]
    (media,) = operation["responses"][str(status)]["content"].values()
    Draft202012Validator({**media["schema"], "components": DOCUMENT["components"]}).validate(
        content
    )


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/api/products", "/api/products"),
        ("/api/products/{key}", "/api/products/p1"),
        ("/api/packages", "/api/packages"),
        ("/api/packages/{name}", "/api/packages/pump%202.0"),
        ("/api/packages/{name}/inspection", "/api/packages/pump%202.0/inspection"),
        ("/api/plans", "/api/plans"),
        ("/api/plans/{name}", "/api/plans/spring"),
        ("/api/plans/{name}/preview", "/api/plans/spring/preview"),
        ("/api/monitoring", "/api/monitoring"),
        ("/api/monitoring/{name}", "/api/monitoring/spring?text=1&limit=2&state=not upgraded"),
        ("/api/devices", "/api/devices?plan=spring&limit=1"),
        ("/api/devices/{id}", f"/api/devices/{DEVICE}"),
        ("/api/devices/{id}/log", f"/api/devices/{DEVICE}/log"),
        ("/api/devices/{id}/film", f"/api/devices/{DEVICE}/film"),
        ("/api/devices/{id}/offer", f"/api/devices/{DEVICE}/offer"),
        ("/api/plans/{name}", "/api/plans/none"),
        ("/api/devices/{id}", "/api/devices/none"),
        ("/api/devices", "/api/devices?limit=0"),
        ("/api/devices", "/api/devices?limit=1001"),
        ("/api/devices", "/api/devices?limit=1.5"),
        ("/api/devices", "/api/devices?state=happy"),
        ("/api/devices", "/api/devices?colour=red"),
        ("/api/monitoring/{name}", "/api/monitoring/none"),
    ],
)
def test_what_is_read_is_as_the_document_says(
    shared_client: TestClient, path: str, address: str
) -> None:
    answer = shared_client.get(address)
    check(path, "get", answer.status_code, answer.json())


def test_a_time_without_an_offset_is_none_of_rfc_3339(client: TestClient) -> None:
    plan = client.get("/api/plans/summer").json() | {"name": "x", "begin": "2026-03-02T08:00:00"}
    made = client.post("/api/plans", json=plan)
    assert made.json()["begin"] == "2026-03-02T08:00:00"
    check("/api/plans", "post", 201, made.json())
    assert "date-time" not in str(DOCUMENT)


def test_that_there_are_no_modules_is_documented(shared_client: TestClient) -> None:
    answer = shared_client.get("/api/modules")
    check("/api/modules", "get", answer.status_code, answer.json())
