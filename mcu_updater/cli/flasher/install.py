"""``install``: the first image of a chip behind its boot ROM, with the journal that lets it be
updated from then on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from flash_emulator import Part
from mcu_updater.board import Board
from mcu_updater.board.first_install import FirstInstallation
from mcu_updater.board.rom_target import can_be_updated, part_of
from mcu_updater.cli import names, params, paths
from mcu_updater.cli.confirm import ask, yes_option
from mcu_updater.cli.device.signatures import SignatureOptions, signature_options, trust_of
from mcu_updater.cli.first_image import read_bootloader
from mcu_updater.cli.flasher.stm32_link import Bench, PortOptions, opened, port_options
from mcu_updater.cli.given import given_as
from mcu_updater.cli.options import base_option, component_option, image_version_option
from mcu_updater.cli.reading import package_options
from mcu_updater.core.bank import NAMES, open_banks
from mcu_updater.core.errors import ChipRefused, address_text
from mcu_updater.core.journal import Snapshot
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.stm32.chip import WORD
from mcu_updater.stm32.events import Planned
from mcu_updater.stm32.firmware import ERASED, Firmware, blank_firmware
from mcu_updater.stm32.flasher import FlashOptions
from mcu_updater.stm32.target import RomFlash


@dataclass(frozen=True, kw_only=True)
class InstallOptions(PortOptions, SignatureOptions):
    """Of ``install``."""

    image: bytes
    version: str
    strategy: Strategy | None
    component: str
    base: int | None
    bootloader: Path | None
    force: bool
    yes: bool


@click.command("install", short_help="Put the first image and its journal on an STM32.")
@click.argument("image", type=paths.INPUT, callback=params.image)
@package_options
@port_options
@image_version_option
@click.option(
    "--strategy",
    type=names.STRATEGY,
    callback=params.strategy,
    help="How the chip's bootloader brings an image to the CPU.  [default: the part's]",
)
@component_option("Name under which the version is reported.")
@base_option
@click.option(
    "--bootloader",
    type=paths.INPUT,
    metavar="FILE",
    help="Write this program into the boot region too.  [default: leave what is there]",
)
@signature_options
@click.option("--force", is_flag=True, help="Replace another installation; asks first.")
@yes_option
@given_as(InstallOptions)
def install_command(given: InstallOptions) -> None:
    """Put IMAGE, version V, on a chip that holds none yet, so that update --target can follow.

    Writes slot A and its journal, and blanks the other journals; with --bootloader the boot region
    too. The bootloader must be yours: docs/how-to/first-installation.md says what it has to do.
    Run it again after whatever went wrong; where all of it is there already, nothing is done.
    """
    trust = trust_of(given)
    if given.force:
        ask("This forgets what is installed on the chip. Go on?", yes=given.yes)
    with opened(given) as bench:
        first = _first(given.part or part_of(bench.flasher), given, trust)
        Installation(bench, first, read_bootloader(given.bootloader, first)).carry_out(
            force=given.force
        )


def _first(part: Part, given: InstallOptions, trust: Trust | None) -> FirstInstallation:
    board = Board.new(
        part,
        given.version,
        given.image,
        strategy=given.strategy,
        component=given.component,
        base=given.base,
        trust=trust,
    )
    return FirstInstallation.of(board)


@dataclass(frozen=True, slots=True)
class Installation:
    """*first* on the chip of *bench*, with *bootloader*, which may be empty."""

    bench: Bench
    first: FirstInstallation
    bootloader: Firmware

    def carry_out(self, *, force: bool) -> None:
        """Image, then journal: power may go at any time, and the command be run again."""
        self._check_size()
        segments = (*self.bootloader.segments, *self.first.images.segments)
        programs = Firmware(tuple(sorted(segments, key=lambda segment: segment.address)))
        if self._holds(programs) and self._holds(self.first.trailers_whole):
            self._tell("nothing to do", "nothing to do: all of it is there already")
            return
        if not force:
            self._check_free()
        for part in (self._blank_trailers(), programs, self.first.journals):
            for event in self.bench.flasher.flash(part, FlashOptions()):
                self.bench.screen.event(event)
        slot = address_text(self.first.slot.start)
        self._tell("installed", f"installed: version {self.first.version} in bank A, at {slot}")

    def _holds(self, firmware: Firmware) -> bool:
        """Whether the chip holds all of *firmware*. Changes nothing."""
        plans = [
            event.plan
            for event in self.bench.flasher.plan(firmware, FlashOptions())
            if isinstance(event, Planned)
        ]
        return not plans[-1].touched

    def _blank_trailers(self) -> Firmware:
        chip = self.bench.flasher.chip
        trailers = sorted(self.first.trailers, key=lambda trailer: trailer.start)
        return blank_firmware(
            [sector for one in trailers for sector in chip.sectors_of(one.start, one.stop)]
        )

    # --- what may not be

    def _check_size(self) -> None:
        chip, part = self.bench.flasher.chip, self.first.part
        if chip.size < part.size:
            raise ChipRefused(
                "the chip has less flash than the part that is laid out",
                where=part.name,
                expected=f"{part.size} bytes",
                found=f"{chip.size} bytes",
                then="Name its own part with --part. Nothing was changed",
            )

    def _check_free(self) -> None:
        """No journal on the chip may tell of anything else: it would be forgotten."""
        flasher, part = self.bench.flasher, self.first.part
        flash = RomFlash(flasher, part, part.bank_starts)
        for bank in open_banks(flash, flash, layout_of(part, self.first.strategy)):
            snapshot = bank.journal.read().snapshot
            if snapshot is None or (bank.index == 0 and self._is_ours(snapshot)):
                continue
            raise ChipRefused(
                "the chip has an installation already",
                where=f"bank {NAMES[bank.index]}",
                expected="no journal, or an installation of this image that was interrupted",
                found=f"{snapshot.component} {snapshot.version}, {snapshot.phase.name}",
                then="mcu-updater update IMAGE --target PORT upgrades it; --force starts afresh. "
                "Nothing was changed",
            )

    def _is_ours(self, snapshot: Snapshot) -> bool:
        found = snapshot.version, snapshot.image_sha256
        return found == (self.first.version, self.first.image_sha256)

    # --- telling

    def _tell(self, outcome: str, text: str) -> None:
        first = self.first
        fields = {
            "event": "installed",
            "outcome": outcome,
            "part": first.part.name,
            "strategy": str(first.strategy),
            "version": first.version,
            "image_sha256": first.image_sha256.hex(),
            "bootloader": self._has_bootloader(),
        }
        self.bench.screen.result(fields, "\n".join((text, *self._hints())))

    def _has_bootloader(self) -> bool:
        """Whether something stands where the CPU starts."""
        start = self.first.boot_regions[0].start
        return self.bench.connection.rom.read(start, WORD) != ERASED * WORD

    def _hints(self) -> Iterator[str]:
        if not self._has_bootloader():
            yield (
                f"The boot region at {address_text(self.first.boot_regions[0].start)} is blank: "
                "the chip does not start until a bootloader stands there (--bootloader FILE; "
                "docs/how-to/first-installation.md)"
            )
        if can_be_updated(self.first.part, self.first.strategy):
            yield "From now on: mcu-updater update IMAGE --target PORT"
        else:
            yield "Updates of this part do not go through its boot ROM: its own updater does them"
