"""What can go wrong, and whose fault it is.

Every error carries its fields first and builds its message from them:
*what* failed, *where*, what was *expected*, what was *found*, and what happens *next*.
The class says who must act. *rule* names the rule that was broken, where one may ask for it to be
relaxed; *remedies* are what else may help. How a user asks for them, and what a program then exits
with, is the command line's matter.

Losing power is not an error and has no class here (DESIGN.md, idea 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


def address_text(address: int) -> str:
    """``0x0800_4A30``: the form in which every message names an address."""
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


class Remedy(StrEnum):
    """What may help against an error. Each program knows how its user asks for it."""

    LOWER_BAUD = "a lower baud rate"
    OTHER_BAUD = "another baud rate"
    MORE_TIME = "a longer timeout"
    RESET_BY_LINES = "modem lines that reset the chip"
    NO_RESET = "to let nobody reset the chip"
    NAME_PART = "the part's name"
    GEOMETRY = "the layout of the chip's flash"
    LIFT_READOUT = "to lift read-out protection"
    LIFT_WRITE = "to lift write protection"
    READ_ALL = "to compare by reading"
    NO_STUB = "to leave the loader stub out"
    FLASH = "to write the image with no updater"
    ASK_CHIP = "to look at the chip"
    READ_BY_GEOMETRY = "to read only"
    ADDRESS = "the address of a raw image"
    KEY = "the key that images are signed by"
    PUBLIC_KEY = "the public half of a private key"
    BELIEVE_ONE_PLAN = "to accept a plan after a single announcement"
    NAME_PORT = "the name of the port"
    FIND_PORT = "the list of ports"
    REPLACE = "leave to replace what is there"
    OTHER_STATE = "another file for the state"
    OTHER_DB = "another state file for the center"
    UNPACK = "to unpack an archive on a host"
    OTHER_LINK = "another name for the link"
    SOCKET = "a socket instead of a pty"
    NEW_BOARD = "a board that is made first"
    LARGER_IMAGE = "a larger image"
    SMALLER_DELTA = "a delta package for a smaller decoder"
    LOOK_AT_DELTA = "to look at a delta package, or apply it"
    RESTART_POINTS = "a package with restart points"
    ADD_DEVICES = "devices that are made up"
    CHECK_CENTER = "the list of all faults"


class InternalError(Exception):
    """A fault of this program, whatever it was given: nobody but its authors can mend it."""


class UpdaterError(Exception):
    """Base of all errors that a user may see. Fields are public; the message is made from them."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        found: str = "",
        then: str = "",
        rule: str = "",
        remedies: Sequence[Remedy] = (),
        value: str = "",
    ) -> None:
        self.remedies = tuple(remedies)
        self.value = value  # to give with the first remedy
        self.rule = rule
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.then = then
        super().__init__(self.message)

    @property
    def message(self) -> str:
        text = self.what
        if self.where:
            text = f"{self.where}: {text}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.found:
            text += f", found {self.found}" if self.expected else f"; found {self.found}"
        if self.then:
            text += f". {self.then}"
        return text


class UsageError(UpdaterError):
    """*You*: an option or an argument that cannot be."""


class InputRejected(UpdaterError):
    """*Them*: a file is not what it must be."""


class ImageRejected(InputRejected):
    """*Them*: the package or the image in it is not what it must be; nothing of it will boot."""

    def placed(self, where: str, then: str = "") -> ImageRejected:
        """The same, said of another place."""
        return ImageRejected(
            self.what,
            where=where,
            expected=self.expected,
            found=self.found,
            then=self.then or then,
            rule=self.rule,
            remedies=self.remedies,
            value=self.value,
        )


class PackageDamaged(ImageRejected):
    """*Them*: MD5 or SHA-256 of the package is not what the cloud announced."""


class UntrustedImage(ImageRejected):
    """*Them*: the image is not signed by a key that is trusted here, or not for this device."""


class RolledBack(UntrustedImage):
    """*Them*: signed, and older than an image that was confirmed on this device."""


class PortError(UpdaterError):
    """The port or the board file cannot be opened, read or written."""


class ModuleRefused(UpdaterError):
    """*Them*: the module answered ERROR, offered nothing, or ended the upgrade with 10706."""


class ChipRefused(UpdaterError):
    """*Them*: the chip's boot ROM answered NACK, the chip is protected, or it is another one."""


class VerificationFailed(UpdaterError):
    """*The hardware*: flash does not hold what was written."""


class LinkError(UpdaterError):
    """Module or chip does not answer, or answers in a way that retries did not mend."""


class Reverted(UpdaterError):
    """The new image had its trial and failed it; the old one runs again and was reported."""


class NoBootloader(UpdaterError):
    """Nothing that speaks AN3155 answers at the port."""
