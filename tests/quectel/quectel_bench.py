"""What the tests of this room share: a clock, a module on a wire, and a whole upgrade."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core import ota
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.link import Dialect

COMPONENT, OLD, NEW = "STM32", "1_0_0", "2_0_0"


class TestClock:
    __test__ = False

    def __init__(self) -> None:
        self.time_s = 0.0

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.time_s += duration_s


def package_bytes(size: int) -> bytes:
    """Noise that holds what a parser might trip over."""
    traps = b"\r\nOK\r\n\r\n+QIOTEVT: 7,10706\r\n\r\nERROR\r\n"
    data = random.Random(size).randbytes(size)
    return (data[:100] + traps + data)[:size] if size > 200 else data


def make_plan(size: int = 2500, **fields) -> Plan:
    return Plan(
        **{
            "component": COMPONENT,
            "target_version": NEW,
            "package": Package(package_bytes(size)),
            **fields,
        }
    )


class Terminal:
    """A module under hand control: a command in, the bytes out, time in explicit steps."""

    def __init__(self, plan=None, options=None, faults=None, plans=None) -> None:
        self.plan = plan or make_plan()
        self.center = SingleDeviceCloud(plans if plans is not None else [self.plan])
        self.now_s = 0.0
        self.options = options or ModuleOptions(echo=False)
        self.faults = faults or Faults()
        self.module = EmulatedModule(self.center, self.options, self.faults)

    def send(self, command: str) -> bytes:
        self.module.receive(command.encode() + b"\r\n", self.now_s)
        return self.module.transmit()

    def ok(self, command: str) -> bytes:
        answer = self.send(command)
        assert answer.startswith(b"\r\nOK\r\n") or b"\r\n\r\nOK\r\n" in answer, answer
        return answer

    def wait(self, duration_s: float) -> bytes:
        self.now_s += duration_s
        self.module.advance(self.now_s)
        return self.module.transmit()

    def until(self, text: bytes) -> bytes:
        """Wait from deadline to deadline, no longer than it takes."""
        said = b""
        while text not in said:
            deadline_s = self.module.next_deadline()
            assert deadline_s is not None, said
            self.now_s = deadline_s
            said += self.wait(0)
        return said

    def reload(self) -> None:
        """Save everything and go on with a copy."""
        later_s = self.now_s + 1000
        saved, cloud = self.module.save(self.now_s), self.center.save(self.now_s)
        packages = [plan.package for plan in self.center.plans]
        self.center = SingleDeviceCloud.load(cloud, *packages, now_s=later_s)
        self.module = EmulatedModule.load(saved, self.center, self.options, self.faults, later_s)
        self.now_s = later_s

    # --- ways to a state ----------------------------------------------------------------

    def online(self) -> Terminal:
        self.ok(f'AT+QIOTMCUVER="{COMPONENT}","{OLD}"')
        self.ok("AT+QIOTREG=2")
        assert b"3,10200" in self.wait(1)
        return self

    def offered(self) -> Terminal:
        self.online()
        self.ok("AT+QIOTOTAREQ=1")
        assert b"7,10700" in self.wait(0.2)
        return self

    def confirmed(self) -> Terminal:
        self.offered()
        assert self.send("AT+QIOTUPDATE=1") == b"\r\nOK\r\n"
        return self

    def starting(self) -> Terminal:
        self.confirmed()
        assert b"7,10701" in self.wait(0.5)
        return self

    def downloading(self) -> Terminal:
        self.starting()
        assert b"7,10702" in self.wait(0.2)
        return self

    def downloaded(self) -> Terminal:
        self.downloading()
        assert b"7,10703" in self.until(b"7,10703")
        return self

    def updating(self) -> Terminal:
        self.downloaded()
        assert b"7,10704" in self.send("AT+QIOTUPDATE=3")
        return self


@dataclass
class Session:
    """A client on a wire to a module, and the upgrade that an updater would make of it."""

    plan: Plan = field(default_factory=make_plan)
    options: ModuleOptions = field(default_factory=ModuleOptions)
    faults: Faults = field(default_factory=Faults)
    dialect: Dialect = field(default_factory=Dialect)

    def __post_init__(self) -> None:
        self.clock = TestClock()
        self.center = SingleDeviceCloud([self.plan])
        self.module = EmulatedModule(self.center, self.options, self.faults)
        self.pipe = ModulePipe(self.module, self.clock)
        self.client = AtClient(self.pipe, self.clock, self.dialect)

    def event(self, kind, timeout_s: float = 60.0):
        while (event := self.client.next_event(timeout_s)) is not None:
            if isinstance(event, kind):
                return event
        raise AssertionError(f"no {kind}")

    # --- ways to a state, as of ``Terminal``

    def offered(self) -> None:
        self.client.connect()
        self.client.report_version(COMPONENT, OLD)
        self.client.request_plan()
        self.event(ota.PlanOffered)

    def downloaded(self) -> None:
        """As far as the first piece."""
        self.offered()
        self.client.confirm()
        self.event(ota.PieceReady)

    def upgrade(self) -> tuple[bytes, ota.DownloadStarted]:
        client = self.client
        self.offered()
        client.confirm()
        started = self.event(ota.DownloadStarted)
        data = self.read_all()
        client.announce_update()
        self.event(ota.Updating)
        client.report_version(COMPONENT, NEW)
        self.event(ota.UpdateSucceeded)
        return data, started

    def read_all(self) -> bytes:
        data = b""
        while True:
            piece = self.event(ota.PieceReady)
            assert piece.start == len(data)
            while len(data) < piece.start + piece.size:
                part = self.client.read(len(data), 1024)
                assert part is not None
                data += part
            if len(data) == piece.length:
                return data
            self.client.next_piece()
