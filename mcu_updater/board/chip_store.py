"""The file in which a served chip outlives its process, even a killed one.

The file itself, a chip (``flash_emulator.bootrom.chip_file``) or a whole board, is written when the
chip is put away, when it loses power and when its options change. What is programmed and erased
between goes to a log beside it, ``FILE.log``, before the host hears of it:

    SHA-256 of the file that it goes with (32)
    then again and again: kind (1), address (4), size (4), data, CRC-32 of all that (4)

A record that a kill cut short ends the log. A log of another file is not heeded.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from flash_emulator import EmulatedFlash, Operation, Part, Trace
from flash_emulator.bootrom import Chip, Faults, RomOptions
from flash_emulator.bootrom.chip_file import pack, unpack
from mcu_updater.board.board import Board
from mcu_updater.board.file import load_board, save_board
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.storage import hold, write_whole

_KINDS = ("program", "erase", "bank erase", "mass erase")
_RECORD = struct.Struct("<BII")
_CRC = struct.Struct("<I")


class ChipStore:
    """*path*, which need not exist yet. From ``open`` to ``close`` it is nobody else's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log_path = path.with_name(f"{path.name}.log")
        self._log: BinaryIO | None = None
        self._board: Board | None = None
        self._chip: Chip | None = None
        self._known: object = None
        self._held = ExitStack()

    def open(
        self,
        part: Part,
        options: RomOptions,
        faults: Faults,
        *,
        seed: int,
        uid: bytes | None = None,
    ) -> Chip:
        """The chip of the file, powered on; or a new one. *part* brings its times.

        *uid*: of a new chip; None: made from its seed.
        Raises PortError when the file cannot be read or another process has it, UsageError when it
        is another part's.
        """
        with ExitStack() as held:
            held.enter_context(hold(self.path))
            chip = self._open(part, options, faults, seed, uid)
            self._held = held.pop_all()
        return chip

    def _open(
        self, part: Part, options: RomOptions, faults: Faults, seed: int, new_uid: bytes | None
    ) -> Chip:
        device, state = self._device(part, seed)
        self._replay(device)
        device.power_on()
        uid = bytes.fromhex(state["uid"]) if "uid" in state else new_uid
        if self._board is not None and "uid" not in state:
            uid = None  # of its seed, as ever
        chip = Chip(device, options, uid=uid, faults=faults)
        if self._board is not None:
            self._board.uid = chip.memory.uid
        if "options" in state:
            chip.memory.options.restore(state)
        self._chip = chip
        self.write()
        device.trace = Trace()
        return chip

    def _device(self, part: Part, seed: int) -> tuple[EmulatedFlash, dict[str, Any]]:
        if not self.path.exists():
            return EmulatedFlash(part, seed=seed), {}
        if zipfile.is_zipfile(self.path) and "board.json" in zipfile.ZipFile(self.path).namelist():
            self._board = load_board(self.path)
            self._compare(self._board.part, part)
            packed = self._board.device.save()
            self._board.device = EmulatedFlash.load(packed, clock=self._board.clock, part=part)
            uid = self._board.uid
            return self._board.device, {} if uid is None else {"uid": uid.hex()}
        try:
            device, state = unpack(self.path.read_bytes(), part)
        except (OSError, ValueError) as error:
            raise self._unusable("is no readable chip file", str(error)) from error
        return device, state

    def _compare(self, found: Part, part: Part) -> None:
        if not part.is_chip(found.name):
            raise UsageError(
                "the file is another part's",
                where=str(self.path),
                expected=part.name,
                found=found.name,
                then="Name that part, or another file",
            )

    # --- keeping

    def keep(self) -> None:
        """What was done since the last time, before anybody is told."""
        chip = self._chip
        assert chip is not None and chip.device.trace is not None
        if self._fingerprint() != self._known:
            self.write()
            return
        operations = chip.device.trace.operations
        if operations and self._log is not None:
            try:
                _write_all(self._log, b"".join(_record(operation) for operation in operations))
            except OSError as error:
                raise self._unusable("its log cannot be written", str(error)) from error
            operations.clear()

    def _fingerprint(self) -> object:
        chip = self._chip
        assert chip is not None
        return (
            chip.cut is not None,
            chip.memory.options.save()["options"],
            chip.memory.options.is_locked,
            chip.device.options.digest(),
        )

    def write(self) -> None:
        """The whole file, in place of the old one and its log. Raises PortError."""
        chip = self._chip
        assert chip is not None
        if self._board is not None:
            save_board(self._board, self.path)
        else:
            write_whole(self.path, pack(chip))
        self._known = self._fingerprint()
        if chip.device.trace is not None:
            chip.device.trace.operations.clear()
        self._begin_log()

    def close(self) -> None:
        """Put the chip away; no log is left. A log stays where the chip could not be written."""
        with self._held:
            try:
                if self._chip is not None:
                    self.write()
            finally:
                if self._log is not None:
                    self._log.close()
                    self._log = None
            self._log_path.unlink(missing_ok=True)

    # --- the log

    def _begin_log(self) -> None:
        try:
            if self._log is not None:
                self._log.close()
            self._log = self._log_path.open("wb", buffering=0)
            _write_all(self._log, hashlib.sha256(self.path.read_bytes()).digest())
        except OSError as error:
            raise self._unusable("its log cannot be written", str(error)) from error

    def _replay(self, device: EmulatedFlash) -> None:
        try:
            log = self._log_path.read_bytes()
            digest = hashlib.sha256(self.path.read_bytes()).digest()
        except OSError:
            return
        if log[:32] != digest:
            return
        for operation in _operations(log[32:]):
            device.repeat(operation)

    def _unusable(self, what: str, found: str) -> PortError:
        return PortError(what, where=str(self.path), found=found, then="Nothing was changed")


def _write_all(file: BinaryIO, data: bytes) -> None:
    """A nearly full disk takes a part, and says no only to the rest."""
    while data:
        data = data[file.write(data) :]


def _record(operation: Operation) -> bytes:
    kind = _KINDS.index(operation.kind)
    body = _RECORD.pack(kind, operation.address, len(operation.data)) + operation.data
    return body + _CRC.pack(zlib.crc32(body))


def _operations(log: bytes) -> list[Operation]:
    """All whole records."""
    operations, at = [], 0
    while at + _RECORD.size <= len(log):
        kind, address, size = _RECORD.unpack_from(log, at)
        end = at + _RECORD.size + size
        body, check = log[at:end], log[end : end + _CRC.size]
        if check != _CRC.pack(zlib.crc32(body)):
            break
        operations.append(Operation(_KINDS[kind], address, body[_RECORD.size :]))
        at = end + _CRC.size
    return operations
