"""A decoder in C that is asked as the one in Python is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Decoder, Extent, ImageFormat, open_decoder, restore
from mcu_updater.core_c.native import Native
from tests.core_c.faults import Fault, expected, name_of

FORMATS: Final = {ImageFormat.BIN: 1, ImageFormat.HEX: 2, ImageFormat.SREC: 3}
"""Values of enum fwu_format."""

Step = tuple[list[Extent], bytes] | Fault
"""What one part of the input came to: extents and the state behind it; or what is wrong."""


class RefusedInC(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class DecoderInC:
    """*taken*: a decoder in C, or a state to go on from."""

    def __init__(self, core: Native, fmt: ImageFormat, base: int, state: bytes | None = None):
        self._core, self._ffi, self._lib = core, core.ffi, core.lib
        self.c: Any = self._ffi.new("struct fwu_decoder *")
        self._ffi.memmove(
            self.c, b"\xa5" * self._ffi.sizeof(self.c[0]), self._ffi.sizeof(self.c[0])
        )
        if state is None:
            self._lib.fwu_decoder_begin(self.c, FORMATS[fmt], base)
        else:
            self._restore(state)

    def _restore(self, state: bytes) -> None:
        head = state[: self._head_max()]
        used = self._lib.fwu_decoder_restore(self.c, self.memory(head), len(state))
        if not used:
            raise ValueError("no decoder gave this state")
        assert used + self.c.state.held == len(state)
        self._ffi.memmove(self.c.text, state[used:], len(state) - used)

    def _head_max(self) -> int:
        """FWU_DECODER_HEAD_MAX: no macro is visible from here."""
        return len(self._ffi.new("struct fwu_checkpoint *").decoder)

    def memory(self, data: bytes) -> Any:
        """Of exactly as many bytes: a sanitizer sees one that is too many."""
        return self._ffi.new("uint8_t[]", data) if data else self._ffi.NULL

    def feed(self, data: bytes) -> list[Extent]:
        """Checks and then takes, as the loader does."""
        before, bytes_of = self.state(), self._ffi.new("struct fwu_bytes *")
        memory = self.memory(data)
        bytes_of.data, bytes_of.size = memory, len(data)
        if self._lib.fwu_decoder_check(self.c, bytes_of[0]):
            self._refuse()
        assert self.state() == before
        extents, extent = [], self._ffi.new("struct fwu_extent *")
        while self._lib.fwu_decoder_next(self.c, bytes_of, extent):
            found = bytes(self._ffi.buffer(extent.data, extent.size))
            extents.append(Extent(extent.address, found, self.c.state.line))
        assert not self.c.fault, "found by taking, and not by checking"
        assert bytes_of.size == 0
        return extents

    def finish(self) -> None:
        if self._lib.fwu_decoder_finish(self.c):
            self._refuse()

    def _refuse(self) -> None:
        is_text = self.c.state.format != FORMATS[ImageFormat.BIN]
        line = self.c.state.line if is_text else 0
        raise RefusedInC(Fault(name_of(self._core, self.c.fault), line, self.c.column))

    def state(self) -> bytes:
        head = self._ffi.new("uint8_t[]", self._head_max())
        size = self._lib.fwu_decoder_save(self.c, head)
        held = self._ffi.buffer(self.c.text, self.c.state.held)
        return bytes(self._ffi.buffer(head, size)) + bytes(held)


def parts_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """*data*, cut at *cuts* as far as they lie in it; there may be empty parts."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


def in_python(fmt: ImageFormat, base: int, parts: Sequence[bytes]) -> list[Step]:
    steps: list[Step] = []
    decoder: Decoder = open_decoder(fmt, base)
    try:
        for part in parts:
            extents = [line for run in decoder.feed(part) for line in run.each_line()]
            steps.append((extents, decoder.state()))
        decoder.finish()
    except ImageRejected as error:
        steps.append(expected(error))
    return steps


def in_c(core: Native, fmt: ImageFormat, base: int, parts: Sequence[bytes]) -> list[Step]:
    steps: list[Step] = []
    decoder = DecoderInC(core, fmt, base)
    try:
        for part in parts:
            extents = decoder.feed(part)
            steps.append((extents, decoder.state()))
        decoder.finish()
    except RefusedInC as refused:
        steps.append(refused.fault)
    return steps


def check(
    core: Native, fmt: ImageFormat, parts: Sequence[bytes], base: int = 0x0800_8000
) -> list[Step]:
    """Both come to the same, part by part; also where each goes on from the other's states."""
    steps = in_python(fmt, base, parts)
    assert in_c(core, fmt, base, parts) == steps
    for number, step in enumerate(steps):
        if isinstance(step, Fault):
            break
        _, state = step
        assert DecoderInC(core, fmt, base, state).state() == restore(state).state() == state
        if number + 1 < len(parts):
            assert _goes_on(core, fmt, base, state, parts[number + 1]) == steps[number + 1]
    return steps


def _goes_on(core: Native, fmt: ImageFormat, base: int, state: bytes, part: bytes) -> Step:
    """The next step of a decoder in C that goes on from a state of Python."""
    decoder = DecoderInC(core, fmt, base, state)
    try:
        return decoder.feed(part), decoder.state()
    except RefusedInC as refused:
        return refused.fault
