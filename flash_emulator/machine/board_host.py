"""``[host]`` of a board file, to the host that feeds a USART."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from flash_emulator.machine.board_images import PlacedImage
from flash_emulator.machine.board_model import HostStepTable, HostTable
from flash_emulator.machine.chips.catalogue import chip_of
from flash_emulator.machine.fault_collection import Faults
from flash_emulator.machine.hosts.asking import pattern_of
from flash_emulator.machine.hosts.script import Script, Step
from flash_emulator.machine.hosts.session import Common, Plan
from flash_emulator.machine.hosts.talk import Talk
from flash_emulator.machine.hosts.xcp import XcpUpdate, xcp_host
from flash_emulator.machine.hosts.xmodem_host import is_installed, xmodem_host
from flash_emulator.machine.toml_lines import Place
from flash_emulator.parts.part import Part

_KINDS = ("steps", "xmodem", "xcp", "python")
_SENDS = ("send", "hex", "file", "image")
_DOES = ("expect", *_SENDS, "wait_ms")


@dataclass(frozen=True, slots=True)
class FileFunction:
    """A function of a Python file, which goes to other processes by its path."""

    path: Path
    name: str
    digest: str

    def function(self) -> Any:
        """Executes the file, and no compiled code that lies beside it: whoever allows this has read
        the file. Raises what that raises; AttributeError where the name is missing."""
        module = ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        code = compile(self.path.read_bytes(), str(self.path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102  the board file says so
        return getattr(module, self.name)

    def __call__(self, *parameters: Any) -> Any:
        return self.function()(*parameters)

    def __repr__(self) -> str:
        return f"{self.path.name}:{self.name} {self.digest}"


def host_of(
    table: HostTable, images: Sequence[PlacedImage], folder: Path, part: Part, faults: Faults
) -> Plan | None:
    """None where *faults* were told why not."""
    return _Maker(table, images, folder, part, faults).host()


class _Maker:
    def __init__(
        self,
        table: HostTable,
        images: Sequence[PlacedImage],
        folder: Path,
        part: Part,
        faults: Faults,
    ) -> None:
        self._table, self._folder, self._part, self._faults = table, folder, part, faults
        self._images = {image.name: image for image in images}

    def host(self) -> Plan | None:
        table = self._table
        given = [kind for kind in _KINDS if getattr(table, kind)]
        if len(given) != 1:
            what, expected = "does not say what it does", f"one of {', '.join(_KINDS)}"
            self._faults.add(("host",), what, expected, " and ".join(given) or "none")
            return None
        known = [unit.name for unit in chip_of(self._part).usart]
        if table.usart not in known:
            expected = f"one of {', '.join(known)}"
            self._faults.add(("host", "usart"), "is no USART of this chip", expected, table.usart)
        if table.xmodem is not None:
            return self._xmodem()
        if table.xcp is not None:
            return self._xcp()
        return self._python(table.python) if table.python is not None else self._script()

    @property
    def _common(self) -> Common:
        table = self._table
        again_s = table.again_ms / 1000
        return Common(table.survives, table.tries or Common.tries, again_s, table.away)

    # --- what it does

    def _script(self) -> Script:
        table = self._table
        steps = [self._step(index, step) for index, step in enumerate(table.steps)]
        return Script(
            table.usart,
            tuple(step for step in steps if step is not None),
            timeout_s=table.timeout_ms / 1000,
            on_timeout=table.on_timeout,
            retries=table.retries,
            baud=table.baud,
            common=self._common,
        )

    def _step(self, index: int, table: HostStepTable) -> Step | None:
        place = ("host", "steps", index)
        given = [key for key in _DOES if getattr(table, key) is not None]
        if len(given) != 1:
            expected = f"one of {', '.join(_DOES)}"
            found = " and ".join(given) or "none"
            self._faults.add(place, "is not one thing to do", expected, found)
            return None
        if table.timeout_ms is not None and table.expect is None:
            self._faults.add((*place, "timeout_ms"), "stands without", "expect beside it", given[0])
        if table.expect is not None:
            timeout_s = None if table.timeout_ms is None else table.timeout_ms / 1000
            return self._expected((*place, "expect"), table.expect, timeout_s)
        if table.wait_ms is not None:
            return Step(wait_s=table.wait_ms / 1000)
        data = self._data(place, table)
        return None if data is None else Step(send=data)

    def _expected(self, place: Place, pattern: str, timeout_s: float | None) -> Step | None:
        try:
            return Step(expect=pattern_of(pattern), timeout_s=timeout_s)
        except (re.error, UnicodeEncodeError) as error:
            expected = f"a regular expression over bytes, in Latin-1 ({error})"
            self._faults.add(place, "cannot be", expected, pattern)
            return None

    def _data(self, place: Place, table: HostStepTable) -> bytes | None:
        if table.send is not None:
            return table.send.encode()
        if table.hex is not None:
            return bytes.fromhex(table.hex)
        if table.file is not None:
            return self._bytes_of((*place, "file"), table.file)
        assert table.image is not None
        image = self._image((*place, "image"), table.image)
        return None if image is None else image.run.data

    def _bytes_of(self, place: Place, file: str) -> bytes | None:
        try:
            return (self._folder / file).read_bytes()
        except OSError as error:
            found = f"{self._folder / file}: {error.strerror or error}"
            self._faults.add(place, "cannot be read", "a file", found)
            return None

    def _image(self, place: Place, name: str) -> PlacedImage | None:
        image = self._images.get(name)
        if image is None:
            known = ", ".join(map(repr, self._images)) or "an image"
            self._faults.add(place, "is no image", known, name)
        return image

    def _xmodem(self) -> Talk | None:
        table, asked = self._table, self._table.xmodem
        assert asked is not None
        if not is_installed():
            expected = "pip install 'mcu-updater[hosts]'"
            self._faults.add(("host", "xmodem"), "needs the package xmodem", expected)
            return None
        image = self._image(("host", "xmodem", "image"), asked.image)
        if image is None:
            return None
        return xmodem_host(
            table.usart,
            image.run.data,
            mode=asked.mode,
            retries=table.retries,
            timeout_s=table.timeout_ms / 1000,
            baud=table.baud,
            survives=table.survives,
            tries=table.tries or Common.tries,
            away=table.away,
        )

    def _xcp(self) -> Talk | None:
        table, asked = self._table, self._table.xcp
        assert asked is not None
        found = [
            self._image(("host", "xcp", "images", index), name)
            for index, name in enumerate(asked.images)
        ]
        pieces = [piece for image in found if image is not None for piece in image.pieces]
        update = XcpUpdate(
            tuple((piece.address, piece.data) for piece in pieces),
            checksum=asked.checksum,
            connect_mode=asked.connect_mode,
            clear_most=asked.clear_most,
            resets=asked.resets,
        )
        tries = {} if table.tries is None else {"tries": table.tries}
        return xcp_host(
            table.usart,
            update,
            baud=table.baud,
            survives=table.survives,
            away=table.away,
            **tries,
        )

    def _python(self, told: str) -> Talk | None:
        place = ("host", "python")
        file, _, name = told.rpartition(":")
        if not file or not name.isidentifier():
            self._faults.add(place, "cannot be", '"FILE.py:FUNCTION"', told)
            return None
        text = self._bytes_of(place, file)
        if text is None:
            return None
        path = (self._folder / file).resolve()
        made = FileFunction(path, name, sha256(text).hexdigest()[:16])
        try:
            function = made.function()
        except Exception as error:  # whatever the file does
            found = f"{type(error).__name__}: {error}"
            self._faults.add(place, f"{file} cannot be executed", f"a function {name}", found)
            return None
        is_blocking = not inspect.isgeneratorfunction(function)
        table = self._table
        return Talk(table.usart, made, is_blocking, baud=table.baud, common=self._common)
