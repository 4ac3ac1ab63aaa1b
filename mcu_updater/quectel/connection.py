"""How a module gets to the platform: states and events, as the QuecThing AT manual lists them."""

from __future__ import annotations

from mcu_updater.quectel.at import Urc

INITIALISED = 1  # powered, and nobody has asked it to register
READY = 8

STATES = {  # AT+QIOTSTATE?
    0: "not initialised",
    1: "initialised",
    2: "authenticating",
    3: "authenticated",
    4: "authentication failed",
    5: "registering",
    6: "registered, waiting to subscribe",
    7: "registration failed",
    8: "subscribed, ready",
    9: "subscription failed",
    10: "deregistering",
    11: "deregistered",
    12: "deregistration failed",
}

CONNECTION_EVENT_TYPES = {1: "authentication", 2: "access", 3: "subscription"}
SUCCESS_CODE = 10200

# (event type, code) -> meaning. What is not here is named by its numbers.
ERRORS = {
    (1, 10300): "other error",
    (1, 10404): "platform interface error",
    (1, 10421): "a static device may not register again",
    (1, 10422): "already authenticated, or wrong DeviceSecret: reset it on the platform",
    (1, 10423): "product not found: check the product key",
    (1, 10424): "payload cannot be decrypted: check the product secret",
    (1, 10425): "bad signature: the device key must be 4 to 32 letters and digits",
    (1, 10427): "illegal hash",
    (1, 10431): "illegal device key",
    (1, 10433): "illegal flag",
    (1, 10434): "client identifier and password do not match",
    (1, 10440): "gateway without sub-device",
    (1, 10450): "device internal error, often no network",
    (1, 10500): "unknown error",
    (2, 10404): "platform interface error",
    (2, 10430): "wrong DeviceSecret",
    (2, 10431): "the device is disabled",
    (2, 10433): "illegal flag",
    (2, 10434): "client identifier and password do not match",
    (2, 10437): "wrong DeviceSecret",
    (2, 10438): "device not found",
    (2, 10440): "gateway without sub-device",
    (2, 10441): "sub-device is connected",
    (2, 10450): "device internal error, often no network",
    (2, 10471): "solution version not supported",
    (2, 10473): "heartbeat timeout",
    (2, 10474): "network timeout",
    (2, 10475): "server or product changed",
    (2, 10476): "access point error",
    (2, 10477): "the device is disabled",
    (2, 10478): "device reset failed",
    (2, 10500): "unknown error",
    (3, 10300): "subscription failed",
}

# The module reconnects by itself (after 1 s, 30 s, 5 min ...; module SDK 2.9.0): worth waiting.
# Of all other documented ones we assume that only a changed set-up helps.
MENDING_CODES = frozenset({10300, 10404, 10450, 10473, 10474, 10476, 10500})


def is_error(urc: Urc) -> bool:
    return urc.type in CONNECTION_EVENT_TYPES and urc.code != SUCCESS_CODE


def is_lasting(urc: Urc) -> bool:
    """An error that waiting does not mend. A code not documented may be a misread one."""
    return (urc.type, urc.code) in ERRORS and urc.code not in MENDING_CODES


def describe(urc: Urc) -> str:
    """``event 2,10430 (access: wrong DeviceSecret)``"""
    stage = CONNECTION_EVENT_TYPES.get(urc.type, "other")
    meaning = ERRORS.get((urc.type, urc.code), "not documented")
    return f"event {urc.type},{urc.code} ({stage}: {meaning})"


def describe_state(state: int | None) -> str:
    return "state unknown" if state is None else f"state {state} ({STATES.get(state, 'unknown')})"
