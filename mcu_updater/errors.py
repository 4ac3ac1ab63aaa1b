"""What can go wrong, and whose fault it is.

Every error carries its fields first and builds its message from them:
*what* failed, *where*, what was *expected*, what was *found*, and what happens *next*.
The class says who must act, and gives the exit code of the command line. *rule* names the rule that
was broken, where one may ask for it to be relaxed; the command line knows by which switch.

Losing power is not an error and has no class here (DESIGN.md, idea 3).
"""

from __future__ import annotations

from typing import ClassVar


def address_text(address: int) -> str:
    """``0x0800_4A30``: the form in which every message names an address."""
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


class InternalError(Exception):
    """A fault of this program, whatever it was given: nobody but its authors can mend it."""


class UpdaterError(Exception):
    """Base of all errors that a user may see. Fields are public; the message is made from them."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        found: str = "",
        then: str = "",
        rule: str = "",
    ) -> None:
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

    exit_code = 2


class ImageRejected(UpdaterError):
    """*Them*: the package or the image in it is not what it must be; nothing of it will boot."""

    exit_code = 3

    def placed(self, where: str, then: str = "") -> ImageRejected:
        """The same, said of another place."""
        return ImageRejected(
            self.what,
            where=where,
            expected=self.expected,
            found=self.found,
            then=self.then or then,
            rule=self.rule,
        )


class PackageDamaged(ImageRejected):
    """*Them*: MD5 or SHA-256 of the package is not what the cloud announced."""


class UntrustedImage(ImageRejected):
    """*Them*: the image is not signed by a key that is trusted here, or not for this device."""


class RolledBack(UntrustedImage):
    """*Them*: signed, and older than an image that was confirmed on this device."""


class PortError(UpdaterError):
    """The port or the board file cannot be opened, read or written."""

    exit_code = 4


class ModuleRefused(UpdaterError):
    """*Them*: the module answered ERROR, offered nothing, or ended the upgrade with 10706."""

    exit_code = 5


class ChipRefused(UpdaterError):
    """*Them*: the chip's boot ROM answered NACK, the chip is protected, or it is another one."""

    exit_code = 6


class VerificationFailed(UpdaterError):
    """*The hardware*: flash does not hold what was written."""

    exit_code = 7


class LinkError(UpdaterError):
    """Module or chip does not answer, or answers in a way that retries did not mend."""

    exit_code = 8


class Reverted(UpdaterError):
    """The new image had its trial and failed it; the old one runs again and was reported."""

    exit_code = 10


class NoBootloader(UpdaterError):
    """Nothing that speaks AN3155 answers at the port."""

    exit_code = 11
