"""What an access comes to when it does not simply come to an end."""

from __future__ import annotations


class AccessFault(Exception):
    """An access that the CPU does not go on from as if nothing had happened."""

    def __init__(self, what: str, reason: str, address: int) -> None:
        self.reason = reason
        self.address = address
        super().__init__(f"{what} at 0x{address >> 16:04X}_{address & 0xFFFF:04X}: {reason}")


class BusError(AccessFault):
    """The bus answers with an error: a HardFault, where firmware has not enabled BusFault."""

    def __init__(self, reason: str, address: int) -> None:
        super().__init__("bus error", reason, address)


class Nmi(AccessFault):
    """A read met a double ECC error: the NMI is pending, and what was read is not to be used."""

    def __init__(self, reason: str, address: int) -> None:
        super().__init__("NMI", reason, address)


class SystemReset(AccessFault):
    """The write reset the chip: options are loaded, the front is reset, the CPU must be."""

    def __init__(self, reason: str, address: int) -> None:
        super().__init__("system reset", reason, address)


class UnmodelledOption(NotImplementedError):
    """Firmware changes option bits that the device does not hold: they would be lost unseen.

    *bits* of *register* are those that would change. Nothing was programmed.
    """

    def __init__(self, part: str, register: str, bits: int) -> None:
        self.part, self.register, self.bits = part, register, bits
        super().__init__(f"{part}, {register}: bits 0x{bits:08X} are no options of this emulator")
