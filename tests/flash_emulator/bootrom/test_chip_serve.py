"""``chip serve`` in a process of its own: wires, files that survive a kill, cuts, control."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from flash_emulator import load_part
from flash_emulator.bootrom.chip_file import unpack
from mcu_updater.board import Board, load_board, save_board
from mcu_updater.cli.main import cli
from mcu_updater.core.errors import PortError
from mcu_updater.host.serial_port import SerialPort, open_port
from mcu_updater.stm32 import an3155 as host
from mcu_updater.stm32.an3155 import Accepted, Answer, Exchange, ReplyReader, SyncReader
from tests.flash_emulator.bootrom.served_chip import PATIENCE_S, ServedChip, serving

PART, BASE = "STM32L476xG", 0x0800_0000
DATA = bytes(range(256))


class Host:
    """The least that speaks to a port."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self._rest = b""

    def connect(self) -> bool:
        """A ROM that listens already takes the first of two for half a command."""
        reader = SyncReader()
        for _ in range(2):
            if not reader.is_alive:
                self._port.write(SyncReader.FRAME)
                reader.feed(self._port.read(0.3))
        return reader.is_alive

    def ask(self, exchange: Exchange) -> Answer | None:
        for step in exchange:
            if step.frame:
                self._port.write(step.frame)
            reader = ReplyReader(step.reply)
            data, self._rest = self._rest, b""
            while reader.answer is None:
                data = data or self._port.read(10.0)
                if not data:
                    return None
                reader.feed(data)
                data = b""
            self._rest = reader.rest
            if not isinstance(reader.answer, Accepted):
                break
        return reader.answer


@contextlib.contextmanager
def connected(chip: ServedChip) -> Iterator[Host]:
    port = open_port(chip.where)
    try:
        one = Host(port)
        assert one.connect()
        yield one
    finally:
        port.close()


def flash_in(file: Path) -> bytes:
    device, _ = unpack(file.read_bytes())
    device.power_on()
    return device.read(BASE, 1024)


# --- wires


@pytest.mark.parametrize("wire", [(), ("--tcp", "127.0.0.1:0"), ("--link", "LINK")])
def test_a_chip_on_each_wire(wire, tmp_path: Path) -> None:
    wire = tuple(str(tmp_path / "tty") if word == "LINK" else word for word in wire)
    with serving(PART, *wire) as chip:
        expected = {"--tcp": "socket://", "--link": str(tmp_path)}
        assert chip.where.startswith(expected[wire[0]] if wire else "/dev/")
        with connected(chip) as one:
            assert one.ask(host.write(BASE, DATA)) == Accepted(b"")
            assert one.ask(host.read(BASE, 256)) == Accepted(DATA)
        with connected(chip) as one:  # again, without a reset
            assert one.ask(host.get_id()) == Accepted(b"\x04\x15")
        assert chip.end() == 0


def test_once_ends_with_its_client() -> None:
    with serving(PART, "--once", "--tcp", "127.0.0.1:0") as chip:
        name, port = chip.where.removeprefix("socket://").split(":")
        with socket.create_connection((name, int(port))) as client:
            client.sendall(b"\x7f")
            assert client.recv(1) == b"\x79"
        assert chip.process.wait(PATIENCE_S) == 0


# --- files


def test_a_killed_chip_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "chip"
    for round_ in range(2):
        with serving(PART, "--file", file) as chip, connected(chip) as one:
            if round_:
                assert one.ask(host.read(BASE, 256)) == Accepted(DATA)
            assert one.ask(host.extended_erase([0])) == Accepted(b"")
            assert one.ask(host.write(BASE, DATA)) == Accepted(b"")
            chip.end(signal.SIGKILL)
    with (tmp_path / "chip.log").open("ab") as log:
        log.write(b"\0\0\0\0\x08\xff")  # a record that a kill cut short
    with serving(PART, "--file", file) as chip:
        with connected(chip) as one:
            assert one.ask(host.read(BASE, 256)) == Accepted(DATA)
        assert chip.end() == 0
    assert flash_in(file)[:256] == DATA
    assert not (tmp_path / "chip.log").exists()


def test_options_and_protection_survive_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "chip"
    with serving("STM32F103x8", "--file", file) as chip, connected(chip) as one:
        assert one.ask(host.readout_protect()) == Accepted(b"")
        chip.end(signal.SIGKILL)
    with serving("STM32F103x8", "--file", file) as chip, connected(chip) as one:
        assert isinstance(one.ask(host.read(BASE, 4)), host.Refused)


def test_a_board_file_is_a_chip_too(tmp_path: Path) -> None:
    from flash_emulator import load_part

    file = tmp_path / "my.board"
    save_board(Board(load_part(PART)), file)
    with serving(PART, "--file", file) as chip:
        with connected(chip) as one:
            assert one.ask(host.write(BASE + 0x4_0000, DATA)) == Accepted(b"")
        chip.end(signal.SIGKILL)
    with serving(PART, "--file", file) as chip:
        assert chip.end() == 0
    device = load_board(file).device
    device.power_on()
    assert device.read(BASE + 0x4_0000, 256) == DATA


@pytest.mark.parametrize(
    ("content", "part", "code"), [(b"no chip", PART, 4), (None, "STM32F429xI", 4)]
)
def test_a_file_that_is_none(content, part, code, tmp_path: Path) -> None:
    file = tmp_path / "chip"
    if content is None:
        with serving(PART, "--file", file) as chip:
            chip.end()
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    result = CliRunner().invoke(cli, ["chip", "serve", part, "--file", str(file)])
    assert result.exit_code == code, result.output
    assert file.read_bytes() == before


# --- power


@pytest.mark.parametrize(("after", "code"), [("exit", 9), ("on", 0), ("off", 9)])
def test_power_goes_at_an_operation(after, code, tmp_path: Path) -> None:
    file = tmp_path / "chip"
    cut = ("--cut-at", 5, "--outcome", "before", "--after-cut", after, "--file", file)
    with serving(PART, *cut) as chip, contextlib.suppress(PortError):
        with connected(chip) as one:
            with contextlib.suppress(PortError):  # the pty ends with the process
                assert one.ask(host.write(BASE, DATA)[:-1]) == Accepted(b"")
                port = one._port
                port.write(host.write(BASE, DATA)[-1].frame)
                assert port.read(0.3) == b""
            if after == "on":
                assert one.connect()
                assert one.ask(host.read(BASE, 32)) == Accepted(DATA[:32])
                assert one.ask(host.read(BASE + 32, 4)) == Accepted(b"\xff" * 4)
            if after == "off":
                assert not one.connect()
                assert chip.status()["state"] == "off"
        if after == "exit":
            assert chip.process.wait(PATIENCE_S) == code
        else:
            assert chip.end() == code
    assert flash_in(file)[:36] == DATA[:32] + b"\xff" * 4


def test_power_goes_on_request_by_a_signal() -> None:
    with serving(PART, "--after-cut", "on") as chip, connected(chip) as one:
        assert one.ask(host.write(0x2000_4000, DATA)) == Accepted(b"")
        chip.process.send_signal(signal.SIGUSR1)
        assert chip.process.stderr is not None
        assert "power was cut" in chip.process.stderr.readline()
        assert one.connect()
        assert one.ask(host.read(0x2000_4000, 4)) == Accepted(bytes(4))
    with serving(PART) as chip:
        assert chip.end(signal.SIGUSR1) == 9


def test_control_lines() -> None:
    with serving(PART, "--after-cut", "off") as chip, connected(chip) as one:
        assert chip.status()["state"] == "rom"
        chip.control("fault nack:get-id:2")
        assert isinstance(one.ask(host.get_id()), Accepted)
        assert isinstance(one.ask(host.get_id()), host.Refused)
        chip.control("heal")
        chip.control("boot0 low")
        chip.control("reset")
        assert chip.status()["state"] == "application"
        assert not one.connect()
        chip.control("boot0 high")
        chip.control("cut")
        assert one.connect()
        chip.control("cut-at 1 after")
        assert one.ask(host.write(BASE, DATA)[:2]) == Accepted(b"")
        one._port.write(host.write(BASE, DATA)[2].frame)
        assert one._port.read(0.3) == b""
        assert chip.status()["cut"] == "program@0x0800_0000"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wink", "none of"),
        ("", "none of"),
        ("boot0 sideways", "high or low"),
        ("fault burn:write", "none of"),
        ("cut-at x", "invalid"),
        ("spoil", "range"),
    ],
)
def test_control_lines_that_are_wrong(line: str, said: str) -> None:
    from flash_emulator.bootrom import Line, Speed
    from mcu_updater.cli.emulators.chip_control import Control
    from tests.flash_emulator.bootrom.rom_host import chip_of

    answer = Control(Line(chip_of(), Speed())).obey(line)
    assert answer.startswith("error: ")
    assert said in answer


# --- speed


def test_bytes_take_their_time_at_the_clients_speed() -> None:
    """4 KiB at 115200, 11 bits a byte: 0.39 s; at 921600 an eighth, once the machine is quiet."""
    floor_s = 16 * 268 * 11 / 115_200
    with serving(PART, "--baud", "auto") as chip:
        assert seconds_of_reads(chip, 115_200) >= floor_s
        fast = (seconds_of_reads(chip, 921_600) for _ in range(50))
        assert floor_s / 8 <= next(took for took in fast if took < floor_s)


def seconds_of_reads(chip: ServedChip, baud: int) -> float:
    """16 reads of 256 bytes."""
    chip.control("reset")
    with serial.Serial(chip.where, baud, timeout=5) as port:
        one = Host(SerialPort(port, chip.where, polled=False))
        assert one.connect()
        start_s = time.monotonic()
        for _ in range(16):
            assert isinstance(one.ask(host.read(BASE, 256)), Accepted)
        return time.monotonic() - start_s


@pytest.mark.parametrize(
    "options",
    [
        ("--link", "x", "--tcp", "localhost:0"),
        ("--tcp", "localhost:0", "--baud", "auto"),
        ("--max-baud", "9600"),
        ("--baud", "fast"),
        ("--fault", "burn:write"),
        ("--noise", "flip=2"),
        ("--noise", "hum=1"),
        ("--rom-version", "three"),
        ("--wiring", "nrst=cts"),
        ("--tcp", "nowhere"),
    ],
)
def test_options_that_cannot_be(options) -> None:
    result = CliRunner().invoke(cli, ["chip", "serve", PART, *options])
    assert result.exit_code == 2, result.output


@pytest.mark.parametrize(
    ("part", "size", "kib"),
    [("STM32F407xG", "512K", 512), ("STM32L476xG", "512K", 512), ("STM32H743xI", "1M", 1024)],
)
def test_less_flash_of_the_same_die(part: str, size: str, kib: int) -> None:
    register = load_part(part).identity.flash_size_reg
    assert register is not None
    with serving(part, "--flash-size", size) as chip, connected(chip) as one:
        assert one.ask(host.read(register, 2)) == Accepted(kib.to_bytes(2, "little"))
        stop = load_part(part).base + (0x18_0000 if "H7" in part else kib * 1024)
        assert isinstance(one.ask(host.read(stop, 4)), host.Refused)


@pytest.mark.parametrize(
    ("part", "size", "said"),
    [
        ("STM32L476xG", "384K", "256K, 512K, 1024K"),
        ("STM32F429xI", "x", "no size"),
        ("STM32F103x8", "0", "no size"),
    ],
)
def test_a_size_that_no_part_of_the_die_has(part: str, size: str, said: str) -> None:
    result = CliRunner().invoke(cli, ["chip", "serve", part, "--flash-size", size])
    assert result.exit_code == 2 and said in result.output
