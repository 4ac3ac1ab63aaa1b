"""Option registers: they show what is loaded until software writes over it, and then that.

What is written counts for nothing until it is programmed, and, on most families, loaded again.
Bits that the device's options do not know cannot be changed: ``UnmodelledOption`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import OptionRole
from flash_emulator.registers.faults import UnmodelledOption


class OptionLatch:
    """One option register of *flash*, called *name* in the part file.

    *rest* gives the bits that are no options of the part, as they are now; *widths* the fields of
    several bits; *fixed* are bits that software writes for other ends (OPTLOCK, OPTSTRT).
    """

    def __init__(
        self,
        flash: EmulatedFlash,
        name: str,
        *,
        rest: Callable[[], int] = int,
        fixed: int = 0,
        widths: Mapping[OptionRole, int] | None = None,
    ) -> None:
        self._flash, self._name, self._rest, self._fixed = flash, name, rest, fixed
        self._widths = {OptionRole.READOUT: 8, **(widths or {})}
        self._fields_of: dict[str, dict[str, tuple[int, int]]] = {}
        self.reset()

    def attach(self, flash: EmulatedFlash) -> None:
        """Another device of the same part."""
        self._flash = flash

    def reset(self) -> None:
        """As after a load, which may have made the chip another part (DBANK)."""
        self.written: int | None = None
        part = self._flash.part
        if part.name not in self._fields_of:
            self._fields_of[part.name] = self._places(part)
        self._fields = self._fields_of[part.name]

    def _places(self, part: Part) -> dict[str, tuple[int, int]]:
        """Lowest bit and mask of each option in this register."""
        return {
            field: (option.bit, (1 << (option.width or self._widths.get(option.role, 1))) - 1)
            for field, option in part.options.fields.items()
            if option.register == self._name and option.bit is not None
        }

    @property
    def loaded(self) -> int:
        """The register as the last option load left it."""
        return self._register(self._flash.options.loaded)

    @property
    def programmed(self) -> int:
        """The register as it is programmed, loaded or not."""
        return self._register(self._flash.options.programmed)

    def _register(self, values: Mapping[str, int]) -> int:
        register = self._rest()
        options = self._flash.part.options.fields
        for field, (bit, mask) in self._fields.items():
            value = values[field] & mask
            if options[field].role is OptionRole.SECTOR_PROTECTION:
                value &= register >> bit  # what is protected by hand shows, too
            register = register & ~(mask << bit) | value << bit
        return register

    def read(self) -> int:
        return self.loaded if self.written is None else self.written

    def write(self, value: int) -> None:
        self.written = value & ~self._fixed

    def fields(self) -> dict[str, int]:
        """The options as they are to be. Raises UnmodelledOption where one has no home."""
        value = self.read()
        known = self._fixed
        for bit, mask in self._fields.values():
            known |= mask << bit
        strange = (value ^ self.loaded) & ~known
        if strange:
            raise UnmodelledOption(self._flash.part.name, self._name, strange)
        return {field: value >> bit & mask for field, (bit, mask) in self._fields.items()}


def program(flash: EmulatedFlash, latches: tuple[OptionLatch, ...]) -> None:
    """OPTSTRT: program all option bytes. What stands in no register stays as it is loaded.

    From RDP level 1 to 0 all flash is erased first. Raises AlignmentError at level 2, and
    UnmodelledOption. A cut leaves what the family leaves.
    """
    written: dict[str, int] = {}
    for latch in latches:
        written |= latch.fields()
    if flash.options.readout_level == 1 and lifts_readout(flash, written):
        flash.unprotect_readout()
    values = {**flash.options.loaded, **written}
    changed = {k: v for k, v in values.items() if v != flash.options.programmed[k]}
    flash.program_options(**changed)


def lifts_readout(flash: EmulatedFlash, values: Mapping[str, int]) -> bool:
    """Whether *values* ask for level 0 of read-out protection."""
    options = flash.part.options
    name = options.readout
    if name is None or name not in values:
        return False
    return options.fields[name].level(values[name]) == 0
