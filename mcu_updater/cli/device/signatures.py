"""``--require-signature`` and what belongs to it: key files to what a device trusts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from mcu_updater.cli import paths
from mcu_updater.cli.decorators import Decorator, together
from mcu_updater.core.errors import UsageError

if TYPE_CHECKING:  # cryptography takes 30 ms: for those who give a key
    from mcu_updater.core.trust import PublicKey, Trust


def _keys(_: click.Context, __: click.Parameter, paths: tuple[Path, ...]) -> tuple[PublicKey, ...]:
    if not paths:
        return ()
    from mcu_updater.core.trust import load_key

    found = [load_key(path.read_bytes(), str(path)) for path in paths]
    return tuple(dict.fromkeys(found))


def _class_id(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    try:
        return None if text is None else UUID(text).bytes
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no UUID") from error


def _key_option(more: str) -> Decorator:
    return click.option(
        "--require-signature",
        "keys",
        multiple=True,
        type=paths.INPUT,
        callback=_keys,
        metavar="KEY",
        help="Take only MCUboot images that this public key (PEM file) has signed, and delta "
        f"packages that it has signed, too; several times: any of these keys. {more}",
    )


_class_option = click.option(
    "--require-class",
    "class_id",
    callback=_class_id,
    metavar="UUID",
    help="And only images signed for this class of devices (imgtool --cid).",
)


signature_options = together(_key_option("The board keeps the keys."), _class_option)
flash_signature_options = together(
    _key_option("All of the image is read back then."), _class_option
)


@dataclass(frozen=True, kw_only=True)
class SignatureOptions:
    """Of ``signature_options`` and ``flash_signature_options``."""

    keys: tuple[PublicKey, ...]
    class_id: bytes | None


def trust_of(given: SignatureOptions) -> Trust | None:
    """What the options ask for; None: nothing, so that what the board keeps counts."""
    if given.keys:
        from mcu_updater.core.trust import Trust

        return Trust(given.keys, given.class_id)
    if given.class_id is not None:
        raise UsageError("nobody vouches for the class", expected="--require-signature KEY with it")
    return None
