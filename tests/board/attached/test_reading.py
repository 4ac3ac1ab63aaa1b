"""How firmware is read: fitted to USB packets, ahead, and as fast as the benchmark says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError
from mcu_updater.core.session import SessionOutcome
from mcu_updater.quectel.at import answer_size
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.link import DEFAULT_DIALECT
from tests import worlds
from tests.board.attached.attached_bench import ATTACHED, Bench, codes
from tests.board.attached.test_attached import slow_bench
from tests.places import ROOT, load_script

AHEAD = replace(ATTACHED, read_ahead=True)
FITTED = replace(ATTACHED, usb_packet=62)
BOTH = replace(AHEAD, usb_packet=62)
BENCHMARK = ROOT / "benchmarks" / "at_leg.py"


@pytest.fixture(scope="module")
def at_leg():
    return load_script("at_leg", BENCHMARK)


@pytest.mark.parametrize("baud", [115_200, 921_600])
@pytest.mark.parametrize("latency_ms", [1, 16])
def test_the_at_leg_is_as_fast_as_the_protocol_allows(at_leg, baud, latency_ms):
    figure = at_leg.measure(64 * 1024, baud, latency_ms, fitted=True)
    assert at_leg.AIMS[latency_ms] <= figure.percent_of_limit <= 101


def test_without_fitting_it_would_not(at_leg):
    assert at_leg.measure(64 * 1024, 921_600, 16, fitted=False).percent_of_limit < 60


def test_reading_ahead_hides_the_flash(at_leg):
    """The flash is busy for as long as a read takes: half the time, then."""
    given = {"fitted": True, "busy_s": 1024 * 10 / 115_200}
    in_turn = at_leg.measure(32 * 1024, 115_200, 1, ahead=False, **given)
    ahead = at_leg.measure(32 * 1024, 115_200, 1, ahead=True, **given)
    assert ahead.bytes_per_s > 1.8 * in_turn.bytes_per_s


class Reads:
    """Which reads a client sends, and the module it sends them to."""

    def __init__(self, dialect, size=20_000, **options):
        plan = Plan("STM32", "2.0.0", Package(bytes(i % 251 for i in range(size))))
        self.center = SingleDeviceCloud([plan])
        self.faults = options.pop("faults", Faults())
        self.bench = Bench()
        clock = self.bench.clock
        self.module = EmulatedModule(
            self.center, ModuleOptions(**options), self.faults, clock.now_s()
        )
        self.pipe = ModulePipe(self.module, clock)
        self.sent = []
        self.client = AtClient(self, clock, dialect)
        self.data = plan.package.data

    def write(self, data):
        if data.startswith(b"AT+QIOTOTARD=") and b"?" not in data:
            self.sent.append(tuple(map(int, data[13:].split(b","))))
        self.pipe.write(data)

    def read(self, timeout_s):
        return self.pipe.read(timeout_s)

    def until(self, kind):
        while not isinstance(event := self.client.next_event(60), kind):
            assert event is not None
        return event

    def start(self):
        self.client.connect()
        self.client.report_version("STM32", "1.0.0")
        self.client.request_plan()
        self.until(ota.PlanOffered)
        self.client.confirm()
        return self.until(ota.PieceReady)

    def all(self):
        data = b""
        piece = self.start()
        while True:
            end = piece.start + piece.size
            while len(data) < end:
                part = self.client.read(len(data), min(1024, end - len(data)))
                assert part is not None
                data += part
            if len(data) == piece.length:
                return data
            self.client.next_piece()
            piece = self.until(ota.PieceReady)


def test_fitted_reads_fill_whole_packets():
    reads = Reads(FITTED)
    assert reads.all() == reads.data
    assert all(answer_size(*read) % 62 == 0 for read in reads.sent[:-1])
    assert all(1024 - 62 < size <= 1024 for _, size in reads.sent[:-1])


def test_an_echo_spoils_the_fit_so_it_is_not_tried():
    reads = Reads(replace(FITTED, echo=True))
    assert reads.all() == reads.data
    assert {size for _, size in reads.sent[:-1]} == {1024}


@pytest.mark.parametrize("dialect", [AHEAD, BOTH])
@pytest.mark.parametrize("piece_size", [None, 3000, 1024, 1])
def test_each_byte_is_asked_for_once(dialect, piece_size):
    size = 20_000 if piece_size != 1 else 20
    reads = Reads(dialect, size, piece_size=piece_size)
    assert reads.all() == reads.data
    assert len(set(reads.sent)) == len(reads.sent)
    assert sum(size for _, size in reads.sent) == len(reads.data)
    assert reads.client.retries == 0


@pytest.mark.parametrize("nth", range(1, 7))
@pytest.mark.parametrize("fault", ["lose_command", "lose_answer", "answer_error_to"])
def test_a_read_ahead_that_is_lost_is_asked_for_again(nth, fault):
    lost: dict[str, Any] = {fault: frozenset({("+QIOTOTARD", nth + 1)})}
    faults = Faults(**lost)
    reads = Reads(AHEAD, 6000, piece_size=3000, faults=faults)
    assert reads.all() == reads.data
    assert reads.client.retries >= 1


@pytest.mark.parametrize("position", range(700, 4500, 37))
def test_a_byte_that_is_lost_under_a_read_ahead(position):
    reads = Reads(AHEAD, 6000, faults=Faults(drop_sent=frozenset({position})))
    try:
        assert reads.all() == reads.data
    except (LinkError, AssertionError):
        assert position < 760  # an event before the firmware


@pytest.mark.parametrize("piece_size", [None, 1000])
def test_any_other_command_waits_for_it(piece_size):
    reads = Reads(AHEAD, 6000, piece_size=piece_size)
    reads.start()
    first = reads.client.read(0, 400)
    assert reads.client.csq() == 20
    assert reads.client.next_event(1.0) is None
    assert reads.client.read(400, 400) == reads.data[400:800]
    assert reads.sent[:2] == [(0, 400), (400, 400)]
    assert first == reads.data[:400]
    assert reads.client.read(100, 50) == reads.data[100:150]  # elsewhere: asked for anew
    assert reads.client.retries == 0


@pytest.mark.parametrize("dialect", [AHEAD, BOTH])
@pytest.mark.parametrize("fmt", ["bin", "hex", "s19"])
def test_upgrades(dialect, fmt):
    plan = Plan("STM32", "2.0.0", Package(worlds.package(fmt, "2.0.0")))
    bench = Bench(plan, ModuleOptions(piece_size=2000), dialect=dialect)
    bench.run()
    assert bench.board.result.outcome is SessionOutcome.UPDATED
    assert bench.board.banks()[1].slot.read(0, 4500) == worlds.image("2.0.0")


def test_slow_flash_and_a_read_ahead():
    bench, _ = slow_bench(AHEAD)
    assert codes(bench.run()) == [10700, 10700, 10701, 10702, 10703, 10704, 10705]


def test_the_default_reads_as_ever():
    assert (DEFAULT_DIALECT.usb_packet, DEFAULT_DIALECT.read_ahead) == (None, False)
