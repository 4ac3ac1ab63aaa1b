"""``mcu-updater module``: the emulated Quectel module for clients in other processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from mcu_updater.cli import values
from mcu_updater.errors import UsageError
from mcu_updater.quectel.center import DeveloperCenter, Package, Plan
from mcu_updater.quectel.module import EmulatedModule
from mcu_updater.quectel.options import Faults, ModuleOptions
from mcu_updater.serve import (
    Instance,
    PtyWire,
    RealClock,
    StateFile,
    StdioWire,
    Stopper,
    TcpWire,
    Wire,
    serve,
)

FILE = click.Path(path_type=Path)


@click.group("module")
def commands() -> None:
    """The emulated Quectel module."""


@commands.command("serve", short_help="Serve a module on a pty, a TCP port, or standard input.")
@click.option(
    "--package",
    type=FILE,
    callback=values.image,
    required=True,
    metavar="FILE",
    help="What the cloud gives.",
)
@click.option(
    "--component",
    default="STM32",
    show_default=True,
    callback=values.component,
    metavar="NAME",
    help="Component that the plan is for.",
)
@click.option(
    "--target-version",
    required=True,
    callback=values.version,
    metavar="V",
    help="Version that the package is announced as.",
)
@click.option(
    "--source-version",
    callback=values.version,
    metavar="V",
    help="Offer the plan to devices at V only.",
)
@click.option(
    "--piece-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Bytes that the module holds at a time.  [default: the whole package]",
)
@click.option("--link", type=FILE, metavar="PATH", help="A stable name for the pty.")
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
    type=FILE,
    metavar="FILE",
    help="Keeps module and cloud when this process ends. The next one boots from it.",
)
@click.option(
    "--paused", is_flag=True, help="Go on from --state as if no time had passed: no boot."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Let the module's time run X times as fast.",
)
def serve_command(**given: Any) -> None:
    """Serve an emulated module with one upgrade plan, until it is interrupted.

    Prints one line for each module: what a client opens, a device path or a socket:// address.
    """
    _check(given)
    center = _center(given)
    with ExitStack() as stack, Stopper().at_signals() as stopper:
        instances = []
        for at in range(1, given["count"] + 1):
            wire = _wire(given, at)
            stack.callback(wire.close)
            instances.append(_instance(center(), wire, at, given))
        for instance in instances:
            click.echo(instance.wire.where, err=instance.wire.carries_output)
        serve(instances, RealClock(given["speed"]), stopper)


def _center(given: dict[str, Any]) -> Callable[[], DeveloperCenter]:
    """Makes the cloud of one module."""
    plan = Plan(
        component=given["component"],
        target_version=given["target_version"],
        package=Package(given["package"]),
        source_version=given["source_version"] or "",
    )
    return lambda: DeveloperCenter([plan])


def _instance(center: DeveloperCenter, wire: Wire, at: int, given: dict[str, Any]) -> Instance:
    options = ModuleOptions(piece_size=given["piece_size"], push_interval_s=600.0)
    faults = Faults()
    if given["state"] is None:
        return Instance(EmulatedModule(center, options, faults), center, wire)
    state = StateFile(_numbered(given["state"], at, given["count"]))
    module, center = state.open(center, options, faults, given["paused"])
    return Instance(module, center, wire, state)


def _wire(given: dict[str, Any], at: int) -> Wire:
    if given["stdio"]:
        return StdioWire()
    if given["tcp"] is not None:
        host, port = wire_address(given["tcp"])
        return TcpWire(host, port + at - 1 if port else 0, given["once"])
    link = given["link"]
    return PtyWire(link and _numbered(link, at, given["count"]), given["once"])


def _check(given: dict[str, Any]) -> None:
    chosen = [name for name in ("link", "tcp", "stdio") if given[name]]
    if len(chosen) > 1:
        names = " and ".join(f"--{name}" for name in chosen)
        raise UsageError("a module has one wire", expected="one of them", found=names)
    if given["stdio"] and given["count"] > 1:
        raise UsageError("only one module can have standard input", found=f"{given['count']}")
    if given["paused"] and given["state"] is None:
        raise UsageError("--paused says how to go on", expected="--state FILE with it")


def wire_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError("bad --tcp", expected="HOST:PORT, such as 127.0.0.1:4321", found=text)
    return host, int(port)


def _numbered(path: Path, at: int, count: int) -> Path:
    return path if count == 1 else path.with_name(f"{path.name}-{at}")
