"""``StubFlasher`` from the boot ROM to the boot ROM: its code is executed, on a line in virtual
time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, SteadySupply
from flash_emulator.bootrom import Noise
from flash_emulator.bootrom.chip import State
from mcu_updater.core.errors import ChipRefused, NoBootloader, Remedy, VerificationFailed
from mcu_updater.host.stub_folder import StubFolder
from mcu_updater.stm32.connection import ConnectOptions
from mcu_updater.stm32.events import Planned, Problem, Started, StubStarted, Verified
from mcu_updater.stm32.firmware import Firmware, Segment
from mcu_updater.stm32.flasher import FlashOptions
from mcu_updater.stm32.plan import EraseKind
from mcu_updater.stm32.stub import StubFlasher, StubOptions, StubState
from mcu_updater.stm32.stub.images import STUBS
from tests.stm32.emulated_chip import World, image, revive, world
from tests.stm32.stub.stub_line import WIRING, KeptRecords, StubLine, stub_world
from tests.stm32.stub.stubs import PARTS, noise_of

BASE = 0x0800_0000
IMAGE = image(5000)
BESIDE = noise_of(64)


class Bench:
    """A chip with something beside the image, and a host that remembers."""

    def __init__(self, part: str = "STM32L476xG", *, wired: bool = True, noise=None) -> None:
        self.world = stub_world(part, wired=wired, noise=noise)
        assert isinstance(self.world.line, StubLine)
        self.line = self.world.line
        self.device = self.world.chip.device
        self.records = KeptRecords()
        self.last = self.device.part.base + self.device.part.size - 64
        self.device.program(self.last, BESIDE)

    def stub(self, *, read_back: bool = False) -> StubFlasher:
        wirings = (WIRING,) if self.line.wired else ()
        flasher = self.world.connect(options=ConnectOptions(wirings=wirings))
        return StubFlasher(flasher, self.records, StubOptions(read_back))

    def flash(
        self,
        firmware: Firmware = IMAGE,
        options: FlashOptions | None = None,
        *,
        read_back: bool = False,
    ) -> list[object]:
        return list(self.stub(read_back=read_back).flash(firmware, options or FlashOptions()))

    @property
    def state(self) -> StubState:
        (state,) = self.records.kept.values() or (StubState.UNKNOWN,)
        return state

    def check(self, firmware: Firmware = IMAGE) -> None:
        assert self.world.holds(firmware)
        assert self.device.read(self.last, 64) == BESIDE


def of(kind: type, events: Sequence[object]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def problems(events: Sequence[object]) -> str:
    return "; ".join(problem.text for problem in of(Problem, events))


@pytest.mark.parametrize("part", PARTS)
def test_first_use_reads_back_and_later_ones_believe_the_stub(part: str) -> None:
    bench = Bench(part)
    first = bench.flash()
    assert [event.by for event in of(Verified, first)] == ["read-back"]
    assert of(StubStarted, first)[0].name == STUBS[part].name
    assert of(StubStarted, first)[0].baud > 115_200
    assert problems(first) == ""
    bench.check()
    assert bench.state is StubState.PROVEN and bench.world.chip.state is State.ROM
    reads = len(bench.line.writes)
    other = image(5000, seed=2)
    second = bench.flash(other)
    assert [event.by for event in of(Verified, second)] == ["the stub's CRC"]
    assert len(bench.line.writes) - reads < reads
    bench.check(other)
    bench.line.settle()
    assert bench.line.ended == "reset" and bench.world.chip.state is State.ROM
    third = bench.flash(other, read_back=True)
    assert [event.by for event in of(Verified, third)] == ["read-back"]
    assert of(Planned, third)[0].plan.touched == ()
    (cache,) = bench.world.cache_store.kept.values()
    assert not cache.doubtful


def test_without_lines_the_way_back_is_tried_before_anything_is_written() -> None:
    bench = Bench(wired=False)
    events = bench.flash()
    assert "its way back into the boot ROM works" in problems(events)
    assert bench.line.stub_runs == 2
    bench.check()
    assert bench.state is StubState.PROVEN


def test_where_no_way_leads_back_nothing_was_changed() -> None:
    bench = Bench(wired=False)
    stub = bench.stub()
    bench.world.chip.boot0 = False  # somebody has let go of the button
    before = bytes(bench.device.cells.raw_data(0, bench.device.part.size))
    with pytest.raises(NoBootloader, match="BOOT0 high"):
        list(stub.flash(IMAGE, FlashOptions()))
    assert bytes(bench.device.cells.raw_data(0, bench.device.part.size)) == before
    assert bench.state is StubState.UNKNOWN


def test_a_stub_that_never_answers() -> None:
    """Its code is a loop that hangs: the boot ROM writes the image within some seconds."""
    bench = Bench()
    bench.line.deaf_after = 0
    hang = b"\x10\xbf\xfd\xe7"  # yield; b .-2
    entry = (0x2000_4041).to_bytes(4, "little")
    bench.line.patch = lambda code: code[:4] + entry + code[8:64] + hang + code[68:]
    stub = bench.stub()
    began_s = bench.world.clock.now
    times: dict[type, float] = {}
    for event in stub.flash(IMAGE, FlashOptions()):
        times.setdefault(type(event), bench.world.clock.now - began_s)
    assert times[Problem] < 5
    bench.check()
    assert bench.state is StubState.UNKNOWN, "silence proves nothing"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("bytes_through", [400, 4500])
def test_silence_in_the_middle(part: str, bytes_through: int) -> None:
    bench = Bench(part)
    bench.flash(image(5000, seed=9))
    bench.line.deaf_after = bytes_through + bench.line._wanted
    stub = bench.stub()
    events = list(stub.flash(IMAGE, FlashOptions()))
    assert of(StubStarted, events)[0].baud > stub.baud == 115_200, "the speed of the ROM's writes"
    assert "the stub does not answer: the boot ROM writes the image" in problems(events)
    assert [event.by for event in of(Verified, events)][-1] in ("read-back", "checksum")
    bench.check()


def test_silence_where_nobody_can_reset_claims_nothing() -> None:
    bench = Bench(wired=False)
    bench.flash(image(5000, seed=9))
    bench.line.deaf_after = 1000 + bench.line._wanted
    with pytest.raises(NoBootloader, match="press reset"):
        bench.flash()
    bench.line.deaf_after = None
    bench.line.stub = None
    revive(bench.world)
    again = bench.flash()
    plans = of(Planned, again)
    assert plans[0].plan.kept == (), "what was begun is written anew"
    bench.check()


def test_a_watchdog_that_resets_the_chip_into_its_rom() -> None:
    bench = Bench(wired=False)
    bench.flash(image(5000, seed=9))
    bench.line.reset_after = 3000 + bench.line._wanted
    events = bench.flash()
    assert "the boot ROM writes the image" in problems(events)
    bench.check()


@pytest.mark.parametrize("outcome", [*Outcome])
def test_power_that_goes_while_the_stub_writes(outcome: Outcome) -> None:
    """The chip is off: nothing is claimed. The next run writes anew what was begun."""
    bench = Bench()
    bench.flash(image(5000, seed=9))
    bench.device.supply = CutAt(150, outcome)
    with pytest.raises(Exception, match=r"does not answer|stopped answering"):
        bench.flash()
    bench.device.supply = SteadySupply()
    revive(bench.world)
    events = bench.flash()
    assert of(Planned, events)[0].plan.kept == ()
    bench.check()


@pytest.mark.parametrize("read_back", [False, True])
def test_a_stub_that_says_what_is_not_so(read_back: bool) -> None:
    """A bit of flash is not what its CRC was of. The boot ROM finds it, and writes the image."""
    bench = Bench()
    if read_back:
        bench.flash(image(5000, seed=9))

    def damage(device: EmulatedFlash) -> None:
        bench.line.on_end = lambda _: None
        held = device.read(BASE + 2048, 2048)
        device.erase(BASE + 2048)
        device.program(BASE + 2048, bytes((held[0] ^ 1,)) + held[1:])

    stub = bench.stub(read_back=read_back)
    bench.line.on_end = damage
    told: list[object] = []
    with pytest.raises(VerificationFailed, match="the loader stub said") as raised:
        told.extend(stub.flash(IMAGE, FlashOptions()))
    assert "The boot ROM has written the image" in raised.value.message
    assert "0x0800_0800" in str(raised.value)
    assert [event.by for event in of(Verified, told)] != []
    bench.check()
    assert bench.state is StubState.FAILED
    runs = bench.line.stub_runs
    assert "has failed on this chip before" in problems(bench.flash(image(5000, seed=3)))
    assert bench.line.stub_runs == runs, "it is not started again"


def test_an_erase_beside_the_image_is_found() -> None:
    bench = Bench()
    bench.device.program(BASE + 3 * 2048, BESIDE)
    stub = bench.stub()
    bench.line.on_end = lambda device: device.erase(BASE + 3 * 2048)
    with pytest.raises(VerificationFailed, match="hit another sector"):
        list(stub.flash(IMAGE, FlashOptions()))
    assert bench.state is StubState.FAILED


def test_another_chip_is_refused_by_the_stub_and_left_to_the_rom() -> None:
    bench = Bench()
    stub = bench.stub()
    bench.line.patch = lambda code: code
    original = bench.world.chip.memory.read

    def read(address: int, size: int) -> bytes:
        found = original(address, size)
        return b"another chip" if (address, size) == (0x1FFF_7590, 12) else found

    bench.world.chip.memory.read = read  # type: ignore[method-assign]
    events = list(stub.flash(IMAGE, FlashOptions()))
    assert "the stub read UID" in problems(events)
    bench.check()


@pytest.mark.parametrize("noise", [Noise(flip=0.001), Noise(lose=0.001), Noise(double=0.002)])
def test_a_bad_line_costs_time_only(noise: Noise) -> None:
    bench = Bench(noise=noise)
    events = bench.flash()
    assert [event.by for event in of(Verified, events)][-1] == "read-back"
    bench.check()
    assert bench.line.stub is None


def test_go_starts_the_program_by_the_rom_first_and_by_the_stub_then() -> None:
    bench = Bench()
    for seed, ended in ((1, "reset"), (2, "application")):
        events = bench.flash(image(3000, seed=seed), FlashOptions(go=BASE))
        assert of(Started, events) == [Started(BASE)]
        bench.line.settle()
        assert bench.line.ended == ended
        assert bench.world.chip.state is State.APPLICATION


@pytest.mark.parametrize("part", ["STM32L476xG", "STM32G0B1xE"])
def test_a_blank_bank_is_erased_at_one_stroke(part: str) -> None:
    """Nothing beside the image in its bank: one erase of the bank, which the other outlives."""
    bench = Bench(part)
    whole = image(12 * 2048)
    events = bench.flash(whole)
    kinds = [event.plan.erase.kind for event in of(Planned, events)]
    expected = EraseKind.BANK if part == "STM32L476xG" else EraseKind.SECTORS
    assert kinds == [expected], "the part file of a G0B1 has no time of an erase of a bank"
    bench.check(whole)


def test_the_whole_chip_is_given_up_where_that_is_asked_for() -> None:
    bench = Bench()
    bench.flash(options=FlashOptions(erase_chip=True))
    assert bench.world.holds(IMAGE)
    assert bench.device.read(bench.last, 64) == b"\xff" * 64


def test_a_protected_sector_is_left_to_the_rom_which_says_so() -> None:
    bench = Bench()
    bench.device.protect_sectors(BASE + 2048)
    with pytest.raises(Exception, match="protect") as raised:
        bench.flash()
    assert raised.type.__name__ in ("VerificationFailed", "ChipRefused")
    assert bench.state is StubState.UNKNOWN


@pytest.mark.parametrize("part", PARTS)
def test_a_chip_that_is_read_out_protected_is_refused_before_anything_is_sent(part: str) -> None:
    bench = Bench(part)
    bench.world.chip.memory.protect_readout()
    bench.world.chip.reload()
    before = bench.device.digest()
    with pytest.raises(ChipRefused, match="read-out protected") as raised:
        bench.flash()
    assert raised.value.remedies == (Remedy.LIFT_READOUT,)
    assert bench.line.stub_runs == 0 and bench.device.digest() == before
    assert bench.state is StubState.UNKNOWN


@pytest.mark.parametrize("uid", [b"\xff" * 12, bytes(12)], ids=["FF", "00"])
def test_a_chip_that_cannot_be_told_apart_is_new_each_time(uid: bytes) -> None:
    bench = Bench()
    original = bench.world.chip.memory.read

    def read(address: int, size: int) -> bytes:
        return uid if (address, size) == (0x1FFF_7590, 12) else original(address, size)

    bench.world.chip.memory.read = read  # type: ignore[method-assign]
    for seed in (1, 2):
        events = bench.flash(image(5000, seed=seed))
        assert [event.by for event in of(Verified, events)] == ["read-back"]
    assert bench.line.stub_runs == 2 and bench.records.kept == {}


def test_there_is_no_stub_for_other_chips() -> None:
    one: World = world("STM32H743xI")
    with pytest.raises(ChipRefused, match="no loader stub for this chip"):
        StubFlasher(one.connect(), KeptRecords())


def test_segments_with_gaps() -> None:
    bench = Bench()
    parts = Firmware(
        (*image(300).segments, Segment(BASE + 5000, noise_of(33)), Segment(BASE + 9000, b"end"))
    )
    bench.flash(parts)
    bench.check(parts)


def test_an_interrupt_leaves_no_stub_behind() -> None:
    bench = Bench()

    def until_it_writes() -> Iterator[object]:
        for event in bench.stub().flash(IMAGE, FlashOptions()):
            yield event
            if isinstance(event, Planned):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(until_it_writes())
    bench.line.settle()
    assert bench.line.ended == "reset" and bench.world.chip.state is State.ROM


# --- what is remembered


def test_what_is_remembered_of_a_chip(tmp_path) -> None:
    folder = StubFolder(tmp_path / "chips")
    uid, other = b"twelve bytes", b"other twelve"
    assert folder.load(0x415, uid, "a") is StubState.UNKNOWN
    folder.store(0x415, uid, "a", StubState.PROVEN)
    folder.store(0x415, uid, "b", StubState.FAILED)
    assert StubFolder(tmp_path / "chips").load(0x415, uid, "a") is StubState.PROVEN
    assert folder.load(0x415, uid, "b") is StubState.FAILED
    assert folder.load(0x415, other, "a") is folder.load(0x413, uid, "a") is StubState.UNKNOWN
    (path,) = (tmp_path / "chips").iterdir()
    for nonsense in ("", "[]", "{", '{"a": "better"}', '{"a": 1}'):
        path.write_text(nonsense)
        assert folder.load(0x415, uid, "a") is StubState.UNKNOWN
