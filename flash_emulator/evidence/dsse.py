"""Envelopes of signed payloads: DSSE v1.0.2, github.com/secure-systems-lab/dsse.

A key is named by the SHA-256 of its SubjectPublicKeyInfo in DER. Signatures are those of Ed25519,
or ECDSA on P-256 with SHA-256 in DER, over what ``signed_bytes`` gives.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from flash_emulator.evidence.json_text import Malformed, parsed, text_of

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Envelope:
    """*payload* with its one signature."""

    payload: bytes
    keyid: str
    signature: bytes

    def __bytes__(self) -> bytes:
        signature = {"keyid": self.keyid, "sig": _base64(self.signature)}
        return text_of(
            {
                "payload": _base64(self.payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [signature],
            }
        )


def signed_bytes(payload: bytes) -> bytes:
    """The pre-authentication encoding of *payload*."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read_envelope(data: bytes) -> Envelope:
    """Raises Malformed for anything but an envelope as it is written here, with one signature."""
    value = parsed(data)
    try:
        envelope = _envelope(value)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Malformed(f"no DSSE envelope with one signature: {error}") from error
    if bytes(envelope) != data:
        raise Malformed("no DSSE envelope with one signature and nothing beside it")
    return envelope


def _envelope(value: Any) -> Envelope:
    (signature,) = value["signatures"]
    payload, sig = (
        base64.b64decode(each, validate=True) for each in (value["payload"], signature["sig"])
    )
    return Envelope(payload, str(signature["keyid"]), sig)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
