"""Products and their components."""

from __future__ import annotations

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcu_updater.cloud.center import editing
from mcu_updater.cloud.center.model import Center, Product, Protocol
from mcu_updater.console.addresses import name_in
from mcu_updater.console.pages import product_form
from mcu_updater.console.pages.editor import Editor, Parsed
from mcu_updater.console.pages.forms import Form, Values
from mcu_updater.console.pages.posted import reads_form
from mcu_updater.console.pages.view import opened_store
from mcu_updater.console.rendering import render

PROTOCOLS = {Protocol.MQTT: "MQTT", Protocol.LWM2M: "LwM2M"}


def products(request: Request) -> Response:
    center = request.app.state.console.file.now().center
    devices = Counter(device.product for device in center.devices)
    plans = Counter(plan.product for plan in center.plans)
    rows = [(p, devices[p.key], plans[p.key]) for p in center.products]
    return render(request, "products.html", products=rows, protocols=PROTOCOLS)


def new_product(request: Request, values: Values) -> Response:
    if request.method == "POST":
        return EDITOR.posted(request, values, "")
    return _show(request, product_form.fresh(), "", 200)


def product(request: Request, values: Values) -> Response:
    key = name_in(request)
    if request.method == "POST":
        return EDITOR.posted(request, values | {"key": [key]}, key)
    return _show(request, EDITOR.opened(EDITOR.existing(request, key)), key, 200)


def delete_product(request: Request, values: Values) -> Response:
    return EDITOR.deleted(request, values, name_in(request))


def _show(request: Request, form: Form, key: str, status: int) -> Response:
    center = request.app.state.console.file.now().center
    devices = sum(device.product == key for device in center.devices)
    plans = [plan.name for plan in center.plans if plan.product == key]
    return render(
        request,
        "product.html",
        status_code=status,
        form=form,
        key=key,
        rows=product_form.rows(form),
        devices=devices,
        plans=plans,
        in_use=_in_use(devices, plans),
    )


def _in_use(devices: int, plans: list[str]) -> str:
    """Why it cannot be deleted."""
    if plans:
        return f"plan {plans[0]} is for it"
    if devices:
        return "a device is of it" if devices == 1 else f"{devices} devices are of it"
    return ""


def _put(request: Request, value: Product, revision: str | None) -> None:
    path = request.app.state.console.file.path
    with opened_store(request) as store:
        editing.put_product(path, value, revision=revision, store=store)


def _delete(request: Request, key: str, revision: str) -> None:
    path = request.app.state.console.file.path
    with opened_store(request) as store:
        editing.delete_product(path, key, revision=revision, store=store)


def _json_of(request: Request, form: Form) -> Parsed:
    del request
    return product_form.json_of(form)


def _find(center: Center, key: str) -> Product | None:
    return center.product(key)


EDITOR = Editor(
    base="/products",
    word="product",
    kind=Product,
    labels=product_form.LABELS,
    find=_find,
    form_of=product_form.form_of,
    json_of=_json_of,
    group_of=product_form.group_of,
    put=_put,
    delete=_delete,
    show=_show,
)

ROUTES: list[Route] = [
    Route("/products", products),
    Route("/products/new", reads_form(new_product), methods=["GET", "POST"]),
    Route("/products/{name:name}", reads_form(product), methods=["GET", "POST"]),
    Route("/products/{name:name}/delete", reads_form(delete_product), methods=["POST"]),
]
