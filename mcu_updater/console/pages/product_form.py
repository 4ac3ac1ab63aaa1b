"""A product with its components as a form, and back."""

from __future__ import annotations

from typing import Any

from mcu_updater.cloud.center.faults import Place
from mcu_updater.cloud.center.model import Product
from mcu_updater.console.pages.forms import Form, given

LABELS = {"key": "ProductKey", "name": "Name", "protocol": "Protocol", "components": "Components"}
_SPARE = 2  # empty rows, for browsers without scripts


def fresh() -> Form:
    return Form({"protocol": ["mqtt"]}, LABELS)


def form_of(product: Product) -> Form:
    form = given({"key": product.key, "name": product.name, "protocol": product.protocol.value})
    for at, component in enumerate(product.components):
        form.values[f"components.{at}.id"] = [component.id]
        form.values[f"components.{at}.type"] = [component.type.value]
    form.labels = LABELS
    return form


def json_of(form: Form) -> tuple[dict[str, Any], dict[Place | str, str]]:
    """The product that *form* describes, as JSON, and the field of each place in it."""
    filled = [at for at in _rows(form) if form.text(f"components.{at}.id").strip()]
    found = {
        "key": form.text("key"),
        "name": form.text("name"),
        "protocol": form.text("protocol"),
        "components": [
            {
                "id": form.text(f"components.{at}.id").strip(),
                "type": form.text(f"components.{at}.type") or "mcu",
            }
            for at in filled
        ],
    }
    fields: dict[Place | str, str] = {(name,): name for name in LABELS}
    fields["components",] = f"components.{next(iter(_rows(form)), 0)}.id"
    for place, at in enumerate(filled):
        fields["components", place] = f"components.{at}.id"
        fields["components", place, "type"] = f"components.{at}.type"
    return found, fields


def rows(form: Form) -> int:
    """How many the form shows."""
    numbers = _rows(form)
    filled = [at for at in numbers if form.text(f"components.{at}.id")]
    return max(max(filled, default=-1) + 1 + _SPARE, max(numbers, default=-1) + 1)


def _rows(form: Form) -> list[int]:
    """Numbers of rows, in their order, as far as they are numbers."""
    found = {name.split(".")[1] for name in form.values if name.startswith("components.")}
    return sorted(int(at) for at in found if at.isdecimal() and len(at) < 4)


def group_of(field: str) -> str:
    return "components" if field.startswith("components.") else field
