"""All that the API can do, one row each."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import JSONResponse, Response

from mcu_updater.cloud.center.model import VersionPackage
from mcu_updater.console.api import campaign
from mcu_updater.console.api.definitions import (
    DEVICES,
    PACKAGES,
    PLANS,
    PRODUCTS,
    Resource,
    read_package,
)
from mcu_updater.console.api.events import stream
from mcu_updater.console.api.openapi import document
from mcu_updater.console.api.operations import Call, Operation, Parameter, result
from mcu_updater.console.inspection import inspection_of, upload_of
from mcu_updater.console.uploads import FORM, receive_file


def _of(resource: Resource, one: str, name: str) -> list[Operation]:
    """What may be done with each kind of definition."""
    many = f"/api/{resource.table}"
    stored = f"Stored{name}"
    return [
        Operation("GET", many, resource.list, f"All {resource.table}", {200: f"{name}List"}),
        Operation(
            "POST",
            many,
            resource.create,
            f"Make {one}",
            {201: stored},
            body=name,
            refusals=(409,),
        ),
        Operation("GET", resource.path, resource.read, f"Read {one}", {200: stored}),
        Operation(
            "PUT",
            resource.path,
            resource.replace,
            f"Change {one}",
            {200: stored},
            body=name,
            refusals=(409,),
            is_guarded=True,
        ),
        Operation(
            "DELETE",
            resource.path,
            resource.remove,
            f"Delete {one}",
            {204: None},
            refusals=(409,),
            is_guarded=True,
        ),
    ]


def _packages() -> list[Operation]:
    """They may be made with their files, too."""
    operations = _of(PACKAGES, "a version package", "VersionPackage")
    return [
        replace(one, more_bodies={FORM: "PackageForm"}, reader=read_package, refusals=(408, 409))
        if one.method == "POST"
        else one
        for one in operations
    ]


def _devices() -> list[Operation]:
    """They are many, and of each there is more to see."""
    operations = _of(DEVICES, "a device", "Device")
    changes = [one for one in operations if one.method != "GET"]
    query = (campaign.OF_PLAN, *campaign.FILTERS)
    path = DEVICES.path
    return [
        Operation(
            "GET", "/api/devices", campaign.devices, "Devices", {200: "DevicePage"}, query=query
        ),
        *changes,
        Operation("GET", path, campaign.device, "See a device", {200: "DeviceSeen"}),
        Operation("GET", f"{path}/log", campaign.log, "What it did, in order", {200: "Log"}),
        Operation(
            "GET",
            f"{path}/film",
            campaign.film,
            "What happened in its flash, step by step, or why that cannot be seen",
            {200: "Film"},
        ),
        Operation(
            "GET",
            f"{path}/offer",
            campaign.offer,
            "What it would be offered now, and why not the rest",
            {200: "Offer"},
        ),
        Operation(
            "POST",
            f"{path}/actions",
            campaign.act_on_device_named,
            "Confirm, cancel or retry its upgrades of a plan",
            {200: "DeviceActed"},
            body="DeviceActionOfPlan",
            refusals=(409,),
        ),
    ]


def _inspection(call: Call) -> Response:
    package = PACKAGES.value(call)
    assert isinstance(package, VersionPackage)
    return result(inspection_of(call.file, package))


def _upload(call: Call) -> Response:
    return result(upload_of(call.console.file.path, call.body), 201)


def _openapi(call: Call) -> Response:
    del call
    return JSONResponse(document(OPERATIONS))


OPERATIONS: tuple[Operation, ...] = (
    *_of(PRODUCTS, "a product", "Product"),
    *_packages(),
    Operation(
        "GET",
        f"{PACKAGES.path}/inspection",
        _inspection,
        "Digests of its files, and what image inspect says of them",
        {200: "Inspection"},
    ),
    Operation(
        "PUT",
        f"{PACKAGES.path}/files/{{filename}}",
        _upload,
        "Upload a file for a version package, which need not be there yet",
        {201: "Upload"},
        body="File",
        body_type="application/octet-stream",
        reader=receive_file,
        refusals=(408,),
    ),
    *_of(PLANS, "an upgrade plan", "UpgradePlan"),
    Operation(
        "GET",
        f"{PLANS.path}/preview",
        campaign.preview_of_plan,
        "Who would be offered it, and why not the others",
        {200: "Preview"},
    ),
    Operation(
        "POST",
        "/api/preview",
        campaign.preview_of_draft,
        "Who would be offered a plan that is not saved yet",
        {200: "Preview"},
        body="UpgradePlan",
    ),
    Operation(
        "POST",
        f"{PLANS.path}/actions",
        campaign.act_on_plan_named,
        "Activate, pause, resume or terminate it",
        {200: "PlanActed"},
        body="PlanAction",
        refusals=(409,),
    ),
    Operation("GET", "/api/monitoring", campaign.monitoring, "All plans", {200: "Monitoring"}),
    Operation(
        "GET",
        "/api/monitoring/{name}",
        campaign.monitoring_of_plan,
        "A plan and its devices",
        {200: "PlanMonitoring"},
        query=campaign.FILTERS,
    ),
    *_devices(),
    Operation(
        "GET",
        "/api/modules",
        campaign.modules,
        "The emulated modules that are served here",
        {200: "Modules"},
        refusals=(404,),
    ),
    Operation(
        "GET",
        "/api/events",
        stream,
        "The log as it grows, and what else changes",
        {200: "Events"},
        query=(
            Parameter("after", "The id behind which to begin; 0: at the first line"),
            Parameter("device", "Lines of that device alone"),
            Parameter("plan", "Lines of that plan alone"),
        ),
        headers={"Last-Event-ID": "As after; browsers send it when they come again"},
        answer_type="text/event-stream",
    ),
    Operation("GET", "/api/openapi.json", _openapi, "This document", {200: "OpenAPI"}),
)
