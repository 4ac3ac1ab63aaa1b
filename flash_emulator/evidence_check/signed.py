"""What the key has signed: the statement, and by it every file of the pack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from flash_emulator.evidence.dsse import Envelope, read_envelope, signed_bytes
from flash_emulator.evidence.faults import Kind, PackFault
from flash_emulator.evidence.json_text import Malformed, parsed
from flash_emulator.evidence.names import STATEMENT
from flash_emulator.evidence.statement import PREDICATE_TYPE, STATEMENT_TYPE, listed
from flash_emulator.evidence_check.keys import Key


def verified(folder: Path, key: Key) -> bytes:
    """The statement, as its bytes. Raises PackFault."""
    envelope = _envelope(folder / STATEMENT)
    if envelope.keyid != key.keyid:
        what = "was signed with another key than the one given"
        raise PackFault(
            Kind.SIGNATURE, STATEMENT, what, f"key {key.keyid}", f"key {envelope.keyid}"
        )
    if not key.has_signed(signed_bytes(envelope.payload), envelope.signature):
        what = "the signature is not one of this statement"
        raise PackFault(
            Kind.SIGNATURE, STATEMENT, what, f"one by key {key.keyid}", "none that holds"
        )
    return envelope.payload


def _envelope(path: Path) -> Envelope:
    try:
        return read_envelope(path.read_bytes())
    except FileNotFoundError as error:
        what = "is missing, so nothing says what was signed"
        raise PackFault(Kind.SIGNATURE, STATEMENT, what) from error
    except Malformed as error:
        raise PackFault(Kind.SIGNATURE, STATEMENT, str(error)) from error


def expected_files(payload: bytes) -> dict[str, str]:
    """Digests that the statement lists, by name. Raises PackFault for names that cannot be."""
    try:
        value = parsed(payload)
        _check_types(value)
        names = list(listed(value))
    except (Malformed, KeyError, TypeError, AttributeError) as error:
        what = f"what was signed is no statement of a pack: {error}"
        raise PackFault(Kind.CONTENTS, STATEMENT, what) from error
    files: dict[str, str] = {}
    for name, digest in names:
        if name.casefold() in map(str.casefold, files):
            raise PackFault(Kind.CONTENTS, STATEMENT, f"{name!r} is listed twice")
        if not _stays_inside(name):
            what = f"{name!r} leads out of the pack"
            raise PackFault(Kind.CONTENTS, STATEMENT, what, "the name of a file in it")
        files[name] = digest
    return files


def _check_types(value: Any) -> None:
    found = value["_type"], value["predicateType"]
    if found != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise TypeError(f"its types are {found}")


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name.isprintable() and "\\" not in name and ":" not in name
    return plain and not path.is_absolute() and ".." not in path.parts and str(path) == name != "."


def compare(expected: Mapping[str, str], found: Mapping[str, str]) -> list[PackFault]:
    """Every file that differs."""
    faults = []
    for name in sorted({*expected, *found} - {STATEMENT}):
        here, there = found.get(name), expected.get(name)
        if here == there:
            continue
        added, missing = "is not in the statement: it was added", "is missing"
        what = added if there is None else missing if here is None else "has other bytes"
        faults.append(PackFault(Kind.FILES, name, what, _in_words(there), _in_words(here)))
    return faults


def _in_words(digest: str | None) -> str:
    return "no such file" if digest is None else f"SHA-256 {digest}"
