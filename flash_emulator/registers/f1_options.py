"""Option bytes of F1, F0, F3 as memory: RDP, USER, Data0, Data1, WRP0 to WRP3. PM0075 2.4, 2.5.

Each is a half-word: the byte, and above it its complement. The loader takes a byte whose complement
is wrong for 0xFF (OPTERR).
"""

from __future__ import annotations

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import ProgramError
from flash_emulator.parts.part_model import OptionField, OptionRole
from flash_emulator.registers.faults import UnmodelledOption
from flash_emulator.registers.latch import lifts_readout

ERASED = 0xFF
UNPROGRAMMED = 0xFFFF


class F1Options:
    """The option bytes of *flash*, by the addresses of their half-words."""

    def __init__(self, flash: EmulatedFlash) -> None:
        self._flash = flash
        self.area = flash.part.identity.option_bytes or range(0)

    # --- reading

    def attach(self, flash: EmulatedFlash) -> None:
        """Another device of the same part."""
        self._flash = flash

    def shown(self, register: int) -> int:
        """FLASH_OBR with the options that are loaded."""
        options = self._flash.options
        for name, field in self._flash.part.options.fields.items():
            if field.register == "FLASH_OBR" and field.bit is not None:
                mask = _mask(field) << field.bit
                register = register & ~mask | options.loaded[name] << field.bit & mask
        return register

    def read(self, address: int, width: int) -> int:
        """Bytes as they are programmed; of one that is spoiled the complement does not fit."""
        place = self.area.start + (address - self.area.start) // 4 * 4
        word = self._half_word(place) | self._half_word(place + 2) << 16
        return word >> 8 * (address - place) & (1 << 8 * width) - 1

    def _half_word(self, address: int) -> int:
        value = self._byte(address)
        if self._flash.options.mismatch or self._names_at(address) & self._flash.options.spoiled:
            return value << 8 | value  # no complement of itself
        return UNPROGRAMMED if value == ERASED else value | (value ^ 0xFF) << 8

    def _byte(self, address: int) -> int:
        value = ERASED
        for name, field in self._fields_at(address).items():
            bit = field.option_byte_bit or 0
            programmed = self._flash.options.programmed[name] << bit
            value = value & ~(_mask(field) << bit) | programmed & _mask(field) << bit
        return value

    def _fields_at(self, address: int) -> dict[str, OptionField]:
        fields = self._flash.part.options.fields
        return {name: field for name, field in fields.items() if field.option_byte == address}

    def _names_at(self, address: int) -> frozenset[str]:
        return frozenset(self._fields_at(address))

    # --- changing

    def erase(self) -> None:
        """OPTER and STRT: all of them are 0xFF, RDP too, which protects from the next load on."""
        fields = self._flash.part.options.fields.items()
        known = {name: field for name, field in fields if field.option_byte in self.area}
        self._flash.program_options(**{name: _mask(field) for name, field in known.items()})

    def program(self, address: int, value: int) -> None:
        """OPTPG: one byte. Raises ProgramError (PGERR) where it is not erased, UnmodelledOption for
        bits that the device does not hold.

        RDP from protected to level 0 erases all flash first.
        """
        byte = value & 0xFF
        spoiled = self._names_at(address) & self._flash.options.spoiled
        if self._byte(address) != ERASED or spoiled or self._flash.options.mismatch:
            raise ProgramError("PGERR", "the option byte is not erased", address)
        known, changed = 0, {}
        for name, field in self._fields_at(address).items():
            bit = field.option_byte_bit or 0
            known |= _mask(field) << bit
            changed[name] = byte >> bit & _mask(field)
        strange = (byte ^ ERASED) & ~known
        if strange:
            raise UnmodelledOption(self._flash.part.name, f"option byte 0x{address:08X}", strange)
        if self._flash.options.readout_level == 1 and lifts_readout(self._flash, changed):
            self._flash.unprotect_readout()
        else:
            self._flash.program_options(**changed)


def _mask(field: OptionField) -> int:
    width = field.width or (8 if field.role is OptionRole.READOUT else 1)
    return (1 << width) - 1
