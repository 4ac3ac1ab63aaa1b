"""Option bytes as memory, and read-out protection.

The flash model knows options by name and value. Here they get their place in the bytes that a host
reads and writes; bytes that stand for nothing in the model keep what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part_model import OptionField, OptionRole

LEVEL_0, LEVEL_1 = 0xAA, 0xBB
_REGISTERS = {"FLASH_OPTR": 32, "FLASH_OPTCR": 16}
"""How many bits of the register the option area begins with. F4, F7: the upper half of FLASH_OPTCR
is the third word of the area, by ``option_byte`` of the part file (RM0090, table 17)."""


class OptionArea:
    """*raw* is kept beside the device by whoever keeps the chip."""

    def __init__(self, device: EmulatedFlash) -> None:
        self._device = device
        identity = device.part.identity
        both = (identity.option_bytes, identity.option_bytes_bank2)
        self.areas = tuple(span for span in both if span is not None)
        self.raw = bytearray(b"\xff" * (len(self.areas[0]) if self.areas else 0))
        self.is_locked = False
        """Read-out protection of a part whose option bytes the model does not know."""
        self._readout = next(
            (n for n, f in device.part.options.fields.items() if f.role is OptionRole.READOUT), None
        )

    @property
    def _fields(self) -> dict[str, tuple[int, int]]:
        """First bit and width of each option, of the part that the chip is now (DBANK)."""
        fields = self._device.part.options.fields
        area = self._device.part.identity.option_bytes
        return {name: at for name, f in fields.items() if (at := _place(f, area))}

    def save(self) -> dict[str, object]:
        """JSON values."""
        return {"options": self.raw.hex(), "locked": self.is_locked}

    def restore(self, saved: Mapping[str, Any]) -> None:
        raw = bytes.fromhex(saved["options"])
        if len(raw) != len(self.raw):
            raise ValueError(f"{len(raw)} option bytes, the part has {len(self.raw)}")
        self.raw[:], self.is_locked = raw, bool(saved["locked"])

    @property
    def readout_level(self) -> int:
        return 1 if self.is_locked else self._device.options.readout_level

    def holds(self, address: int) -> bool:
        return any(address in area for area in self.areas)

    def starts_at(self, address: int) -> bool:
        return any(address == area.start for area in self.areas)

    # --- reading and writing

    def read(self, address: int, size: int) -> bytes:
        area = next(area for area in self.areas if address in area)
        content = bytearray(self.raw)
        for name, (at, width) in self._fields.items():
            _put(content, at, width, self._device.options.programmed[name])
        return bytes(content[address - area.start :][:size])

    def write(self, address: int, data: bytes) -> None:
        """All options at once; what the model knows of them becomes a change of its options."""
        del address  # the start of the area
        content = self.raw
        content[: len(data)] = data[: len(content)]
        given = {n: p for n, p in self._fields.items() if p[0] + p[1] <= 8 * len(data)}
        values = {name: _get(content, at, width) for name, (at, width) in given.items()}
        now = self._device.options.programmed
        changed = {name: value for name, value in values.items() if value != now[name]}
        if changed:
            self._device.program_options(**changed)

    # --- read-out protection

    def protect_readout(self) -> None:
        if self._readout is None:
            self.is_locked = True
        else:
            self._device.program_options(**{self._readout: LEVEL_1})

    def unprotect_readout(self) -> None:
        """Level 1 to 0. What becomes of options is the device's rule (``SearchOptions.unprotect``).

        F1, and parts whose options the model does not know: the option bytes are erased, for
        read-out protection is lifted by nothing else there.
        """
        self._device.unprotect_readout()
        self.is_locked = False
        if self._readout is None or self._device.part.options.per_byte:
            self.raw[:] = b"\xff" * len(self.raw)


def _place(option: OptionField, area: range | None) -> tuple[int, int] | None:
    """First bit in the area, and how many; None where the model does not say."""
    width = option.width or {OptionRole.READOUT: 8, OptionRole.BROWN_OUT: 3}.get(option.role, 1)
    byte = option.option_byte
    if area is not None and byte is not None and option.option_byte_bit is not None:
        return ((byte - area.start) * 8 + option.option_byte_bit, width) if byte in area else None
    if option.bit is None or option.bit >= _REGISTERS.get(option.register or "", 0):
        return None
    return option.bit, width


def _put(content: bytearray, at: int, width: int, value: int) -> None:
    number = int.from_bytes(content, "little")
    mask = (1 << width) - 1 << at
    number = number & ~mask | value << at & mask
    content[:] = number.to_bytes(len(content), "little")


def _get(content: bytes | bytearray, at: int, width: int) -> int:
    return int.from_bytes(content, "little") >> at & (1 << width) - 1
