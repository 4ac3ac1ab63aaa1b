"""``mcu-updater module``: the emulated Quectel module for clients in other processes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.table import Table

from mcu_updater.cli import params, paths
from mcu_updater.cli.emulators.module_behaviour import (
    Behaviour,
    behaviour_options,
    faults_of,
    options_of,
)
from mcu_updater.cli.given import given_as
from mcu_updater.cli.options import component_option, piece_size_option
from mcu_updater.cli.reading import join_option, package_options
from mcu_updater.cli.screen import show
from mcu_updater.cli.unused import READING, refuse
from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.cloud.center.device_session import device_of, open_to_serve, state_path
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.cloud import KeptCloud
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.delta import parse_header
from mcu_updater.core.errors import ImageRejected, PortError, UsageError
from mcu_updater.core.image import DELTA_MAGIC
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.quectel.emulated.fault_text import KINDS
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import option_rows
from mcu_updater.quectel.emulated.transcript import Playback, Recorder, parse_transcript
from mcu_updater.serve import (
    Instance,
    PtyWire,
    StateFile,
    StdioWire,
    Stopper,
    TcpWire,
    Wire,
    serve,
)


@click.group("module")
def commands() -> None:
    """The emulated Quectel module."""


@dataclass(frozen=True, kw_only=True)
class WireOptions:
    """Where modules are served."""

    link: Path | None
    tcp: str | None
    stdio: bool
    once: bool = True
    count: int = 1  # of modules


@dataclass(frozen=True, kw_only=True)
class ServeOptions(WireOptions, Behaviour):
    """Of ``module serve``. *package*, *full*: the bytes of these files."""

    package: bytes | None
    component: str
    center: Path | None
    devices: tuple[str, ...]
    db: Path | None
    target_version: str | None
    source_version: str | None
    full: bytes | None
    piece_size: int | None
    state: Path | None
    paused: bool
    record: Path | None
    force: bool


@dataclass(frozen=True, kw_only=True)
class PlayOptions(WireOptions):
    """Of ``module play``."""

    file: Path


@commands.command("serve", short_help="Serve a module on a pty, a TCP port, or standard input.")
@click.option(
    "--package",
    type=paths.INPUT,
    callback=params.image,
    metavar="FILE",
    help="What the cloud gives, as one plan; or --center.",
)
@package_options
@join_option
@component_option("Component that the plan is for.")
@click.option(
    "--center",
    type=paths.INPUT,
    metavar="FILE",
    help="The Developer Center behind the module, with its plans for many devices.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="ID",
    help="With --center: the device that the module is in; again for each further module.",
)
@click.option(
    "--db",
    type=paths.KEPT,
    metavar="DB",
    help="With --center: its state file.  [default: the center's with the suffix .db]",
)
@click.option(
    "--target-version",
    callback=params.version,
    metavar="V",
    help="Version that the package is announced as.",
)
@click.option(
    "--source-version",
    callback=params.version,
    metavar="V",
    help="Offer the plan to devices at V only.",
)
@click.option(
    "--full",
    type=paths.INPUT,
    callback=params.image,
    metavar="FILE",
    help="With a delta package as --package: the same version in full, for devices at other "
    "versions, and after the delta failed.",
)
@piece_size_option
@click.option("--link", type=paths.OUTPUT, metavar="PATH", help="A stable name for the pty.")
@click.option("--tcp", metavar="HOST:PORT", help="Listen there instead; port 0: any free one.")
@click.option("--stdio", is_flag=True, help="Standard input and output instead.")
@click.option("--once", is_flag=True, help="End when the client leaves.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="So many modules; links and state files get -1, -2 ..., ports count up.",
)
@click.option(
    "--state",
    type=paths.KEPT,
    metavar="FILE",
    help="Keeps module and cloud when this process ends. The next one boots from it.",
)
@click.option(
    "--paused", is_flag=True, help="Go on from --state as if no time had passed: no boot."
)
@behaviour_options
@click.option(
    "--record", type=paths.OUTPUT, metavar="FILE", help="Write down the conversation, as text."
)
@click.option("--force", is_flag=True, help="Replace the file of --record if it exists.")
@given_as(ServeOptions)
def serve_command(given: ServeOptions) -> None:
    """Serve an emulated module with one upgrade plan, or a center's, until it is interrupted.

    Prints one line for each module: what a client opens, a device path or a socket:// address.
    """
    _refuse_unused(click.get_current_context(), given)
    given = replace(given, count=max(given.count, len(given.devices)))
    _check(given)
    with ExitStack() as stack, Stopper().at_signals() as stopper:
        clouds = _clouds(given, stack)
        instances = []
        for at, cloud in enumerate(clouds, 1):
            wire = _wire(given, at)
            stack.callback(wire.close)
            instances.append(_instance(cloud, wire, at, given, stack))
        for instance in instances:
            click.echo(instance.wire.where, err=instance.wire.carries_output)
        serve(instances, MonotonicClock(given.speed), stopper)


def _clouds(given: ServeOptions, stack: ExitStack) -> list[KeptCloud]:
    """One for each module."""
    if given.center is None:
        return [SingleDeviceCloud(_plans(given)) for _ in range(given.count)]
    file = read_center(given.center)
    devices = [device_of(file.center, name) for name in given.devices]
    path = given.db or state_path(given.center)
    store = open_to_serve(file, path, simulated=given.speed != 1)
    stack.callback(store.close)
    now_s = time.time()
    return [DeviceCenter(file, store, device, now_s) for device in devices]


def _plans(given: ServeOptions) -> list[Plan]:
    """One; or a delta's, which is tried once, and that of the full package behind it."""
    package, version = given.package, given.target_version
    assert package is not None and version is not None, "see _check_cloud"
    plan = Plan(given.component, version, Package(package), given.source_version or "")
    if not package.startswith(DELTA_MAGIC):
        if given.full is not None:
            raise UsageError(
                "--full stands behind a delta package", expected="a delta package as --package"
            )
        return [plan]
    source = given.source_version or parse_header(package).base_version
    if not source:
        raise UsageError(
            "a delta package is for devices at one version, and does not say which",
            expected="--source-version V",
        )
    delta = replace(plan, source_version=source)
    if given.full is None:
        return [delta]
    return [
        replace(delta, retry_times=0),
        replace(plan, package=Package(given.full), source_version=""),
    ]


def _instance(
    center: KeptCloud, wire: Wire, at: int, given: ServeOptions, stack: ExitStack
) -> Instance:
    options = options_of(given.assignments, **_sizes(given))
    faults = faults_of(given.faults, given.seed)
    state = None
    module = EmulatedModule(center, options, faults)
    if given.state is not None:
        state = StateFile(_numbered(given.state, at, given.count))
        module, center = state.open(center, options, faults, given.paused)
        stack.callback(state.close)
    return Instance(module, wire, _recorder(given, at, stack), state, center)


def _sizes(given: ServeOptions) -> dict[str, int]:
    return {} if given.piece_size is None else {"piece_size": given.piece_size}


def _recorder(given: ServeOptions, at: int, stack: ExitStack) -> Recorder | None:
    if given.record is None:
        return None
    path = _numbered(given.record, at, given.count)
    paths.claim(path, force=given.force)
    try:
        file = path.open("w", encoding="ascii", buffering=1)
    except OSError as error:
        raise PortError(
            "cannot be written", where=str(path), found=error.strerror or str(error)
        ) from error
    stack.callback(_remove_empty, path)
    recorder = Recorder(stack.enter_context(file).write)
    stack.callback(recorder.close)
    return recorder


def _remove_empty(path: Path) -> None:
    """Nobody has said anything: as if it had not been begun."""
    if path.is_file() and path.stat().st_size == 0:
        path.unlink()


def _wire(given: WireOptions, at: int) -> Wire:
    if given.stdio:
        return StdioWire()
    if given.tcp is not None:
        host, port = wire_address(given.tcp)
        return TcpWire(host, port + at - 1 if port else 0, given.once)
    link = given.link
    return PtyWire(link and _numbered(link, at, given.count), given.once)


def _refuse_unused(ctx: click.Context, given: ServeOptions) -> None:
    if given.center is not None:
        one = ("component", "source_version", "full", *READING)
        refuse(ctx, one, "with --center: its plans say it")
    if not given.faults:
        refuse(ctx, ("seed",), "without --fault")
    if given.stdio:
        refuse(ctx, ("once",), "with --stdio, which ends with its client")


def _check(given: ServeOptions) -> None:
    _check_wire(given)
    _check_cloud(given)
    if given.stdio and given.count > 1:
        raise UsageError("only one module can have standard input", found=f"{given.count}")
    if given.paused and given.state is None:
        raise UsageError("--paused says how to go on", expected="--state FILE with it")


def _check_cloud(given: ServeOptions) -> None:
    one = {"package": given.package, "target-version": given.target_version}
    many = {"center": given.center, "device": given.devices}
    if given.full is not None and given.package is None:
        raise UsageError("--full stands behind a delta package", expected="--package with it")
    found = ", ".join(f"--{name}" for name, value in {**one, **many}.items() if value)
    if all(one.values()) and not any(many.values()) and given.db is None:
        return
    if not all(many.values()) or any(one.values()):
        expected = "--package and --target-version, or --center and --device"
        raise UsageError("a module has one cloud", expected=expected, found=found or "neither")
    if given.count != len(given.devices):
        raise UsageError("one module for each device", expected="no --count with --device")


def _check_wire(given: WireOptions) -> None:
    wires = {"link": given.link, "tcp": given.tcp, "stdio": given.stdio}
    chosen = [name for name, value in wires.items() if value]
    if len(chosen) > 1:
        names = " and ".join(f"--{name}" for name in chosen)
        raise UsageError("a module has one wire", expected="one of them", found=names)


def wire_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError("bad --tcp", expected="HOST:PORT, such as 127.0.0.1:4321", found=text)
    return host, int(port)


def _numbered(path: Path, at: int, count: int) -> Path:
    return path if count == 1 else path.with_name(f"{path.name}-{at}")


@commands.command("play", short_help="Play the module's side of a recorded conversation.")
@click.argument("file", type=paths.INPUT)
@click.option("--link", type=paths.OUTPUT, metavar="PATH", help="A stable name for the pty.")
@click.option("--tcp", metavar="HOST:PORT", help="Listen there instead; port 0: any free one.")
@click.option("--stdio", is_flag=True, help="Standard input and output instead.")
@given_as(PlayOptions)
def play_command(given: PlayOptions) -> None:
    """Answer as the module in FILE did, to a client that says what the host in FILE said.

    Ends when that client leaves. One that says something else, or less, is an error.
    """
    file = given.file
    try:
        entries = parse_transcript(file.read_text(encoding="ascii"))
        if not entries:
            raise ImageRejected("is no transcript", where=str(file), found="nobody says anything")
        playback = Playback(entries)
    except OSError as error:
        raise PortError("cannot be read", where=str(file), found=str(error.strerror)) from error
    except ValueError as error:
        raise ImageRejected("is no transcript", where=str(file), found=str(error)) from error
    _check_wire(given)
    with ExitStack() as stack, Stopper().at_signals() as stopper:
        wire = _wire(given, 1)
        stack.callback(wire.close)
        click.echo(wire.where, err=wire.carries_output)
        serve([Instance(playback, wire)], MonotonicClock(), stopper)
    playback.finish()


@commands.command("options")
def options_command() -> None:
    """List what --set can change in a module: option, default, meaning, source."""
    show(_table(("Option", "Default", "Meaning", "Source"), option_rows()))


@commands.command("faults")
def faults_command() -> None:
    """List what --fault can let go wrong. N counts from 1, positions from 0."""
    show(_table(("Fault", "What happens"), [(k + form, text) for k, (form, text) in KINDS.items()]))


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    return table
