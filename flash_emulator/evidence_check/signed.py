"""What the key has signed: the statement, and by it every file of the pack."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from flash_emulator.evidence.dsse import Envelope, read_envelope, signed_bytes
from flash_emulator.evidence.faults import Kind, PackFault
from flash_emulator.evidence.json_text import Malformed, parsed
from flash_emulator.evidence.names import STATEMENT
from flash_emulator.evidence.statement import PREDICATE_TYPE, STATEMENT_TYPE, Listed, listed
from flash_emulator.evidence_check.folder import check_folder, statement_of
from flash_emulator.evidence_check.keys import Key


def verified(pack: Path, copy: Path, key: Key) -> bytes:
    """The statement, as its bytes; its envelope goes to *copy*. Raises PackFault."""
    envelope = _envelope(pack, copy)
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


def _envelope(pack: Path, copy: Path) -> Envelope:
    check_folder(pack)
    try:
        data = statement_of(pack)
        (copy / STATEMENT).write_bytes(data)
        return read_envelope(data)
    except FileNotFoundError as error:
        what = "is missing, so nothing says what was signed"
        raise PackFault(Kind.SIGNATURE, STATEMENT, what) from error
    except OSError as error:
        found = error.strerror or str(error)
        raise PackFault(Kind.FILES, STATEMENT, "cannot be read", found=found) from error
    except Malformed as error:
        raise PackFault(Kind.SIGNATURE, STATEMENT, str(error)) from error


def expected_files(payload: bytes) -> dict[str, Listed]:
    """What the statement lists, by name. Raises PackFault for names that cannot be."""
    try:
        value = parsed(payload)
        _check_types(value)
        names = list(listed(value))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"what was signed is no statement of a pack: {error}"
        raise PackFault(Kind.CONTENTS, STATEMENT, what) from error
    files: dict[str, Listed] = {}
    plain: set[str] = set()
    for name, file in names:
        if _plain(name) in plain:
            raise PackFault(Kind.CONTENTS, STATEMENT, f"{name!r} is listed twice")
        if not _stays_inside(name):
            what = f"{name!r} leads out of the pack"
            raise PackFault(Kind.CONTENTS, STATEMENT, what, "the name of a file in it")
        files[name] = file
        plain.add(_plain(name))
    return files


def _plain(name: str) -> str:
    """As file systems have it that take capitals, or composed and decomposed letters, for one."""
    return normalize("NFKC", normalize("NFKC", name).casefold())


def _check_types(value: Any) -> None:
    found = value["_type"], value["predicateType"]
    if found != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise TypeError(f"its types are {found}")


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name.isprintable() and "\\" not in name and ":" not in name
    return plain and not path.is_absolute() and ".." not in path.parts and str(path) == name != "."
