"""``--require-signature`` and what belongs to it: key files to what a device trusts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from mcu_updater.errors import UntrustedImage, UsageError, address_text
from mcu_updater.stm32.firmware import Firmware
from mcu_updater.trust import Place, PublicKey, Trust, check_image, load_key

Command = Callable[..., None]
_SPACE = 1 << 32


def _keys(_: click.Context, __: click.Parameter, paths: tuple[Path, ...]) -> tuple[PublicKey, ...]:
    found = []
    for path in paths:
        try:
            pem = path.read_bytes()
        except OSError as error:
            raise click.BadParameter(f"{path}: {error.strerror}") from error
        found.append(load_key(pem, str(path)))
    return tuple(dict.fromkeys(found))


def _class_id(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    try:
        return None if text is None else UUID(text).bytes
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no UUID") from error


def _options(then: str) -> Sequence[Callable[[Command], Command]]:
    """*then*: what becomes of the keys, for ``--help``."""
    return (
        click.option(
            "--require-signature",
            "keys",
            multiple=True,
            type=click.Path(path_type=Path),
            callback=_keys,
            metavar="KEY",
            help="Take only MCUboot images that this public key (PEM file) has signed; several "
            f"times: any of these keys. {then}",
        ),
        click.option(
            "--require-class",
            "class_id",
            callback=_class_id,
            metavar="UUID",
            help="And only images signed for this class of devices (imgtool --cid).",
        ),
    )


def signature_options(command: Command) -> Command:
    """For a board, which keeps the keys."""
    for option in reversed(_options("The board keeps the keys.")):
        command = option(command)
    return command


def file_signature_options(command: Command) -> Command:
    """For a file that goes to a chip: nothing is kept."""
    for option in reversed(_options("Checked before the port is opened.")):
        command = option(command)
    return command


def trust_of(given: dict[str, Any]) -> Trust | None:
    """What the options ask for; None: nothing, so that what the board keeps counts."""
    keys: tuple[PublicKey, ...] = given["keys"]
    class_id: bytes | None = given["class_id"]
    if keys:
        return Trust(keys, class_id)
    if class_id is not None:
        raise UsageError("nobody vouches for the class", expected="--require-signature KEY with it")
    return None


def check_firmware(firmware: Firmware, trust: Trust) -> None:
    """Before a chip is touched: *firmware* is one signed image, and linked for no lower address.

    There is no journal behind a boot ROM, so no floor: older images are taken. Raises
    UntrustedImage, and ImageRejected for a vector table of another place.
    """
    first, *more = firmware.segments
    if more:
        raise UntrustedImage(
            "bytes beside the signed image",
            where=address_text(more[0].address),
            expected="one image without gaps",
            found=f"{len(firmware.segments)} segments",
            then="Nothing was changed",
        )
    check_image(trust, first.data, Place(first.address, _SPACE - first.address))
