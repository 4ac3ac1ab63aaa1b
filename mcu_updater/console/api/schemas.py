"""The schemas that the OpenAPI document names: values by the model, answers as they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from mcu_updater.cloud.center.control import DeviceAction
from mcu_updater.cloud.center.json_form import TABLES
from mcu_updater.cloud.center.lifecycle import Action, PlanState
from mcu_updater.cloud.center.model import Center
from mcu_updater.cloud.center.monitoring import DeviceState
from mcu_updater.cloud.single_device import ComponentState

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "description": "YYYY-MM-DD HH:MM:SS, UTC"}


def ref(name: str) -> Schema:
    return {"$ref": PREFIX + name}


def all_schemas() -> dict[str, Schema]:
    """By name: those of the model, then what is answered."""
    values = _model()
    stored = {
        f"Stored{name}": _stored(name, schema) for name, schema in values.items() if name in _KINDS
    }
    return {**values, **stored, **_ANSWERS}


_KINDS = {kind.__name__: table for kind, table in TABLES.items()}


def _model() -> dict[str, Schema]:
    """By pydantic; plans that are made here are not active unless they say so."""
    schema = TypeAdapter(Center).json_schema(ref_template=PREFIX + "{model}")
    found: dict[str, Schema] = schema["$defs"]
    found["UpgradePlan"]["properties"]["active"]["default"] = False
    return found


def _stored(name: str, schema: Schema) -> Schema:
    """What is answered of a value: all fields, and what only answers have."""
    more = {"revision": {**TEXT, "readOnly": True}, "schema": NUMBER}
    needed = [*schema["properties"], "revision"]
    if name == "UpgradePlan":
        more["state"] = {**TEXT, "enum": [*PlanState], "readOnly": True}
        needed.append("state")
    properties = {key: _answered(one) for key, one in schema["properties"].items()}
    return {**schema, "properties": {**properties, **more}, "required": needed}


def _answered(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "default"}


def _object(optional: Mapping[str, Schema] | None = None, /, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _counts(of: str) -> Schema:
    return {"type": "object", "description": f"How many, by {of}", "additionalProperties": NUMBER}


_HEAD = {"schema": NUMBER}
_SEEN = {**_HEAD, "at": MOMENT, "simulated": FLAG}
_SUMMARY = {
    "name": TEXT,
    "product": TEXT,
    "state": {**TEXT, "enum": [*PlanState]},
    "targets": _list(TEXT),
    "total": NUMBER,
    "counts": _counts("state of the device"),
    "component_counts": _counts("state of the component"),
    "stages": _counts("stage"),
    "success_rate": _or_null({"type": "number"}),
}
_COMPONENT = _object(
    component=TEXT,
    state={**TEXT, "enum": [state.value for state in ComponentState]},
    stage=TEXT,
    version=TEXT,
    target=TEXT,
    failures=NUMBER,
    changed_at_s=_or_null({"type": "number"}),
    last=TEXT,
    plan=TEXT,
)
_DEVICE_STATE = {**TEXT, "enum": [*DeviceState]}
_DEVICES = {
    "devices": _list(ref("DeviceView")),
    "matching": NUMBER,
    "next": _or_null(TEXT),
    "previous": _or_null(TEXT),
}
_VERSIONS = {"type": "object", "additionalProperties": TEXT}

_ANSWERS: dict[str, Schema] = {
    **{
        f"{name}List": _object(**_HEAD, **{table: _list(ref(f"Stored{name}"))})
        for name, table in _KINDS.items()
        if table != "devices"
    },
    "Fault": _object(
        where=TEXT,
        what=TEXT,
        expected=TEXT,
        found=TEXT,
        at=_list({"type": ["string", "integer"]}),
    ),
    "Problem": {
        "description": "RFC 9457. More members, where there is more to say",
        **_object(
            {
                "faults": _list(ref("Fault")),
                "what": TEXT,
                "where": TEXT,
                "expected": TEXT,
                "found": TEXT,
                "busy": FLAG,
                "revision": _or_null(TEXT),
                "current": _or_null({"type": "object"}),
                "differences": _list(_object(field=TEXT, there={}, wanted={})),
            },
            type=TEXT,
            title=TEXT,
            status=NUMBER,
            detail=TEXT,
        ),
    },
    "PackageForm": {
        "type": "object",
        "description": "A version package with its files; name comes before the files",
        "properties": {
            **dict.fromkeys(("name", "target", "type", "kind", "source", "note"), TEXT),
            "files": _list({"contentMediaType": "application/octet-stream"}),
        },
        "required": ["name", "target", "files"],
    },
    "File": {"contentMediaType": "application/octet-stream"},
    "Upload": _object(
        **_HEAD,
        path={**TEXT, "description": "As files of a version package name it"},
        size=NUMBER,
        sha256=TEXT,
        md5=TEXT,
        image=_or_null(ref("Image")),
        rejected=_or_null(TEXT),
    ),
    "Inspection": _object(
        **_HEAD,
        files=_list(_object(path=TEXT, size=NUMBER, sha256=TEXT, md5=TEXT)),
        image=_or_null(ref("Image")),
        rejected=_or_null({**TEXT, "description": "Why there is no image"}),
    ),
    "Image": {"type": "object", "description": "As image inspect --json has it"},
    "Monitoring": _object(**_SEEN, plans=_list(_object(**_SUMMARY))),
    "PlanMonitoring": _object(**_SEEN, **_SUMMARY, **_DEVICES),
    "DevicePage": _object(**_SEEN, **_DEVICES),
    "DeviceView": _object(device=TEXT, state=_DEVICE_STATE, components=_list(_COMPONENT)),
    "DeviceSeen": _object(
        {"revision": {**TEXT, "readOnly": True}},
        **_HEAD,
        id=TEXT,
        product=TEXT,
        versions=_VERSIONS,
        is_described=FLAG,
        reported=_VERSIONS,
        module={"type": ["string", "null"], "description": "What a client of it opens"},
        state=_DEVICE_STATE,
        components=_list(_COMPONENT),
    ),
    "Modules": _object(
        **_HEAD,
        addresses={"type": "object", "additionalProperties": TEXT},
        figures=_object(
            {
                "devices": NUMBER,
                "awake": NUMBER,
                "clients": NUMBER,
                "failures": NUMBER,
                "received_size": NUMBER,
                "sent_size": NUMBER,
                "cpu_s": {"type": "number"},
                "memory_size": NUMBER,
                "file_fault": TEXT,
            },
            running=FLAG,
        ),
    ),
    "Log": _object(
        **_HEAD,
        log=_list(
            _object(at_s={"type": "number"}, device=TEXT, plan=TEXT, component=TEXT, text=TEXT)
        ),
    ),
    "Film": _object(
        {
            "reason": {**TEXT, "description": "Why there is no film; then there is nothing else"},
            "format": NUMBER,
            "title": TEXT,
            "wordsTitle": TEXT,
            "map": {"type": "object", "description": "Banks and sectors, in runs"},
            "frames": {
                **_list({"type": "array"}),
                "description": "Boot, operation, kind, text, sector or -1, changes of sectors, "
                "milliseconds or null, and more where there is more",
            },
            "facts": _list(_list(TEXT)),
            "notes": _list(TEXT),
            "sections": _list(_object(heading=TEXT, lines=_list(TEXT))),
        },
        **_HEAD,
    ),
    "Offer": _object(
        **_HEAD,
        upgrades=_list(
            _object(
                plan=TEXT,
                component=TEXT,
                package=TEXT,
                target=TEXT,
                offered=FLAG,
                why_not=_or_null(TEXT),
            )
        ),
    ),
    "Preview": _object(
        **_HEAD,
        at=MOMENT,
        devices=NUMBER,
        counts=_counts("answer: offered, or why not"),
        first={"type": "object", "additionalProperties": _list(TEXT)},
    ),
    "PlanAction": _object(action={**TEXT, "enum": [*Action]}),
    "PlanActed": _object(**_HEAD, plan=TEXT, action=TEXT, state={**TEXT, "enum": [*PlanState]}),
    "DeviceActionOfPlan": _object(plan=TEXT, action={**TEXT, "enum": [*DeviceAction]}),
    "DeviceActed": _object(**_HEAD, plan=TEXT, device=TEXT, action=TEXT, components=_list(TEXT)),
    "OpenAPI": {"type": "object"},
    "Events": {**TEXT, "description": "Server-sent events: log, plans, center, problem, reset"},
}
