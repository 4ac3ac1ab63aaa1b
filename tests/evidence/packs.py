"""Small packs, and what a signer could do with the key that they were signed with."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from flash_emulator.evidence.dsse import read_envelope
from flash_emulator.evidence.json_text import parsed, text_of
from flash_emulator.evidence.names import STATEMENT
from flash_emulator.evidence_check.__main__ import main
from mcu_updater.evidence.keys import Signer, read_signer
from tests.cli.boards import PROGRAMS

BOARD = """\
part = "STM32L476xG"

[[images]]
file = "boot.elf"

[[images]]
name = "old"
address = 0x0800_8000
words = [0x2001_8000, 0x0800_8009, 0xE7FE_E7FE, 1]
published = true

[[images]]
name = "new"
address = 0x0808_0000
runs_at = 0x0800_8000
words = [0x2001_8000, 0x0800_8009, 0xE7FE_E7FE, 2]
published = true

[[images]]
name = "flag"
address = 0x0800_4000
words = [0x4447_5453, "size:new"]

[[slots]]
name = "application"
address = 0x0800_8000
size = 0x4_0000

[questions]
wanted = "new"
untouched = [[0x0800_0000, 0x4000]]
"""
"""Images of two units each: a search of all that power loss leaves takes no second."""

GOOD, BAD = "copy_restart", "copy_done_first"
PASS_PHRASE = "a pass phrase"  # of a key that is made for one run of the tests


def write_board(folder: Path, program: str = GOOD, text: str = BOARD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROGRAMS / f"{program}.elf", folder / "boot.elf")
    (folder / "board.toml").write_text(text, encoding="utf-8")
    return folder / "board.toml"


# --- keys

KEYS: dict[str, Callable[[], Any]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def write_key(folder: Path, kind: str = "ed25519", *, encrypted: bool = False) -> Path:
    """``KIND.pem``, and ``KIND.pub`` beside it."""
    private = KEYS[kind]()
    how: KeySerializationEncryption = NoEncryption()
    if encrypted:
        how = BestAvailableEncryption(PASS_PHRASE.encode())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind}.pub").write_bytes(public)
    (folder / f"{kind}.pem").write_bytes(pem)
    return folder / f"{kind}.pem"


def signer_of(key: Path) -> Signer:
    return read_signer(key.read_bytes(), str(key), lambda: PASS_PHRASE)


# --- checking


def check(pack: Path, key: Path, *options: object) -> int:
    """The checker's exit code; *key*: the private one."""
    return main([str(pack), "--key", str(key.with_suffix(".pub")), *map(str, options)])


# --- what a signer could do


def payload_of(pack: Path) -> Any:
    return parsed(read_envelope((pack / STATEMENT).read_bytes()).payload)


def sign(pack: Path, key: Path, statement: Any) -> None:
    (pack / STATEMENT).write_bytes(signer_of(key).sign(text_of(statement)))


def sign_again(pack: Path, key: Path) -> None:
    """The statement with the digests that its files have now, signed with the right key."""
    statement = payload_of(pack)
    for each in (*statement["subject"], *statement["predicate"]["configuration"]):
        data = (pack / each["name"]).read_bytes()
        each["digest"]["sha256"] = sha256(data).hexdigest()
        each["annotations"]["bytes"] = len(data)
    sign(pack, key, statement)


def change_json(file: Path, change: Callable[[Any], object]) -> None:
    value = parsed(file.read_bytes())
    change(value)
    file.write_bytes(text_of(value))


def change_certificate(file: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """*change* each line; chained again. The new head."""
    lines, chain = [], "0" * 64
    for line in gzip.decompress(file.read_bytes()).splitlines():
        entry = json.loads(line)
        change(entry)
        entry["chain"] = chain
        made = json.dumps(entry, separators=(",", ":")).encode()
        lines.append(made + b"\n")
        chain = sha256(made).hexdigest()
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        packed.write(b"".join(lines))
    return chain
