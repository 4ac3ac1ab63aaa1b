"""CycloneDX 1.6: the firmware as components, what is claimed of it as declarations.

Where the result speaks against a clause, the claim is a counter claim. No conformance and no
confidence is scored: that is for whoever assesses, and a test cannot say it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

from flash_emulator.evidence import names
from flash_emulator.evidence.facts import Facts
from flash_emulator.evidence.json_text import text_of
from flash_emulator.evidence.mapping import Mapped, mapped
from flash_emulator.evidence.texts import CLAIMS_NOTHING, Text
from flash_emulator.evidence.words import headline

_FIRMWARE, _ASSESSOR = "firmware", "assessor"


def bom(facts: Facts) -> bytes:
    maps = list(mapped(facts))
    return text_of(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": _serial(facts),
            "version": 1,
            "metadata": {
                "timestamp": facts.created,
                "tools": {"components": list(_tools(facts))},
                "component": _firmware(facts, "product"),
            },
            "components": list(_components(facts)),
            "declarations": {
                "assessors": [{"bom-ref": _ASSESSOR, "thirdParty": False}],
                "attestations": [_attestation(text, found) for text, found in maps],
                "claims": [
                    _claim(text, each, facts)
                    for text, found in maps
                    for each in found
                    if each.shows_something
                ],
                "evidence": list(_evidence(facts)),
                "targets": {"components": [_firmware(facts, _FIRMWARE)]},
            },
            "definitions": {"standards": [_standard(text, found) for text, found in maps]},
        }
    )


def _serial(facts: Facts) -> str:
    """Of these files at this time: no random number, so that it can be made again."""
    digest = sha256(repr((facts.created, sorted(facts.digests.items()))).encode()).digest()
    return UUID(bytes=digest[:16], version=4).urn


def _firmware(facts: Facts, ref: str) -> dict[str, Any]:
    return {
        "type": "firmware",
        "bom-ref": ref,
        "name": facts.read.path.stem,
        "description": f"firmware of {facts.read.board.part.name}, as {facts.board} describes it",
    }


def _tools(facts: Facts) -> Iterator[dict[str, Any]]:
    program = facts.tools["program"]
    yield {"type": "application", "name": program["name"], "version": program["version"]}
    for name, version in facts.tools["packages"].items():
        yield {"type": "library", "name": name, "version": version}


def _components(facts: Facts) -> Iterator[dict[str, Any]]:
    tested = {image.file for image in facts.images}
    for name, digest in facts.inputs.items():
        yield {
            "type": "firmware" if name in tested else "file",
            "bom-ref": name,
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }


def _evidence(facts: Facts) -> Iterator[dict[str, Any]]:
    for name in (names.CERTIFICATE, names.RECHECK, names.MODEL, names.TOOLS):
        yield {
            "bom-ref": name,
            "description": f"{names.ROLES[name]}, SHA-256 {facts.digests[name]}",
            "data": [{"name": name, "contents": {"url": name}}],
            "created": facts.created,
        }


def _ref(text: Text, each: Mapped | None = None) -> str:
    return f"{text.name} {text.version}" + (f" {each.clause.number}" if each is not None else "")


def _attestation(text: Text, found: tuple[Mapped, ...]) -> dict[str, Any]:
    return {"summary": CLAIMS_NOTHING, "assessor": _ASSESSOR, "map": [_map(text, f) for f in found]}


def _map(text: Text, each: Mapped) -> dict[str, Any]:
    claims = "counterClaims" if each.is_counter else "claims"
    found = {claims: [f"claim: {_ref(text, each)}"]} if each.shows_something else {}
    rationale = f"Not scored. Shows: {each.shows}. Does not show: {each.not_shown}."
    return {"requirement": _ref(text, each), **found, "conformance": {"rationale": rationale}}


def _claim(text: Text, each: Mapped, facts: Facts) -> dict[str, Any]:
    seen = [names.CERTIFICATE, names.RECHECK]
    return {
        "bom-ref": f"claim: {_ref(text, each)}",
        "target": _FIRMWARE,
        "predicate": f"shows: {each.shows}",
        "reasoning": f"{headline(facts)}. Does not show: {each.not_shown}.",
        "evidence": [*seen, names.MODEL, names.TOOLS],
    }


def _standard(text: Text, found: tuple[Mapped, ...]) -> dict[str, Any]:
    return {
        "bom-ref": _ref(text),
        "name": text.name,
        "version": text.version,
        "description": f"Read: {text.read}.",
        "owner": text.owner,
        "requirements": [
            {
                "bom-ref": _ref(text, each),
                "identifier": each.clause.number,
                "title": f"... {each.clause.quote} ...",
            }
            for each in found
        ],
        "externalReferences": [{"type": "other", "url": text.url}],
    }
