"""``mcu-updater center``: check a center file, ask what it would offer, watch, act as its owner."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from mcu_updater.cli import answers, paths
from mcu_updater.cli.emulators.center_serve import serve_command
from mcu_updater.cli.exits import code_for, complain
from mcu_updater.cli.names import NameChoice
from mcu_updater.cli.params import component as check_component
from mcu_updater.cli.params import version as check_version
from mcu_updater.cli.screen import console, show
from mcu_updater.cli.unused import refuse
from mcu_updater.cloud.center import device_session, lifecycle, rules
from mcu_updater.cloud.center.control import DeviceAction, act_on_device, act_on_plan
from mcu_updater.cloud.center.followed import FollowedFile
from mcu_updater.cloud.center.load import BadCenterFile, CenterFile, read_center
from mcu_updater.cloud.center.model import Center, Device
from mcu_updater.cloud.center.monitoring import monitor
from mcu_updater.cloud.center.store import Store
from mcu_updater.core.errors import UsageError
from mcu_updater.report import center as report

file_argument = click.argument("file", type=paths.INPUT)
db_option = click.option(
    "--db", type=paths.KEPT, metavar="DB", help="State file.  [default: FILE with the suffix .db]"
)
_json_option = answers.json_option("One JSON object.")


@click.group("center")
def commands() -> None:
    """An emulated Developer Center: plans for many devices, and what became of them."""


commands.add_command(serve_command)


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no moment, such as 2026-03-02T08:00") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_at_option = click.option(
    "--at",
    "at_s",
    callback=_moment,
    metavar="TIME",
    help="As if it were TIME, in ISO 8601; UTC unless it says otherwise.",
)


# --- check


@commands.command("check")
@file_argument
@click.pass_context
def check(ctx: click.Context, /, file: Path) -> None:
    """Read FILE and all its packages; say everything that is wrong with them."""
    try:
        read = read_center(file)
    except BadCenterFile as error:
        for fault in error.faults:
            complain(f"{file}: {fault}")
        ctx.exit(code_for(error))
    center = read.center
    sizes = {name: sum(map(len, files)) for name, files in read.contents.items()}
    show(report.center_table(center, sizes))
    counts = {
        "products": len(center.products),
        "packages": len(center.packages),
        "plans": len(center.plans),
        "devices": len(center.devices),
    }
    for warning in read.warnings:
        click.echo(f"warning: {file}: {warning}", err=True)
    click.echo(f"{file}: good: " + ", ".join(f"{name} {n}" for name, n in counts.items()))


# --- offer


@commands.command("offer")
@file_argument
@click.option("--device", "device_id", required=True, metavar="ID", help="The device that asks.")
@click.option(
    "--version",
    "given",
    multiple=True,
    metavar="C=V",
    help="Component C reports version V.  [default: as it reported last, or as FILE says]",
)
@click.option("--pushed", is_flag=True, help="The device does not ask: would it be sent to it?")
@_at_option
@db_option
@_json_option
def offer(
    file: Path,
    device_id: str,
    given: tuple[str, ...],
    pushed: bool,
    at_s: float | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Say what a device would be offered now, and why not the rest. Changes nothing."""
    read = read_center(file)
    device = device_session.device_of(read.center, device_id)
    path = db or device_session.state_path(file)
    judged = _judge(
        read, device, _versions(given), path if path.exists() or db else None, at_s, pushed
    )
    offered = rules.choose(judged)
    if as_json:
        answers.result(report.offer_json(judged, offered))
    else:
        show(report.offer_table(judged, offered))


def _judge(
    read: CenterFile,
    device: Device,
    versions: dict[str, str],
    path: Path | None,
    at_s: float | None,
    pushed: bool,
) -> list[rules.Judged]:
    """With what the state file knows, where there is one."""
    if path is None:
        now_s = time.time() if at_s is None else at_s
        plans = device_session.fresh_states(read.center, now_s)
        known = {**device.versions, **versions}
        situation = rules.Situation(device.product, device.id, known, now_s, pushed, plans=plans)
        return rules.judge(read.center, situation)
    with closing(Store.open(path, read_only=True)) as store, store.snapshot():
        device_session.check_plans(read, store)
        now_s = device_session.now_of(store) if at_s is None else at_s
        known = {**device.versions, **store.versions(device.id), **versions}
        return device_session.look(read.center, store, device, known, now_s, pushed=pushed)


def _versions(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, version = text.partition("=")
        if not equals:
            raise UsageError("bad --version", expected="COMPONENT=VERSION", found=text)
        ctx = click.get_current_context()
        parameter = next(p for p in ctx.command.params if p.name == "given")
        check_component(ctx, parameter, name)
        check_version(ctx, parameter, version)
        found[name] = version
    return found


# --- monitor


@commands.command("monitor")
@file_argument
@click.option("--device", "device_id", metavar="ID", help="The whole log of one device.")
@click.option("--all", "everyone", is_flag=True, help="Also devices that are done, and well.")
@click.option(
    "--watch",
    "every_s",
    type=click.FloatRange(min=0.1),
    metavar="S",
    help="Again every S seconds, until it is interrupted.",
)
@_at_option
@db_option
@_json_option
def monitor_command(
    file: Path,
    device_id: str | None,
    everyone: bool,
    every_s: float | None,
    at_s: float | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Show plans, devices and components of FILE, while a campaign runs or afterwards."""
    ctx = click.get_current_context()
    if device_id is not None:
        refuse(ctx, ("everyone", "every_s", "at_s"), "with --device: all of its log is shown")
    if as_json:
        refuse(ctx, ("everyone",), "with --json, which has all devices")
    followed = FollowedFile(file)
    with closing(Store.open(db or device_session.state_path(file), read_only=True)) as store:
        shown = _Shown(followed, store)
        if device_id is not None:
            _show_log(store, device_id, as_json)
            return
        _show(shown.center, store, at_s, everyone, as_json, clear=every_s is not None)
        while every_s is not None:
            time.sleep(every_s)
            shown.follow()
            _show(shown.center, store, at_s, everyone, as_json, clear=True)


class _Shown:
    """The center file as it is now; where that cannot be, as it was, and a warning."""

    def __init__(self, followed: FollowedFile, store: Store) -> None:
        self._followed, self._store = followed, store
        self._fault: BadCenterFile | None = None
        self._read = followed.now()
        self._check()
        self.center = self._read.center

    def follow(self) -> None:
        read = self._followed.now()
        fault = self._followed.fault
        if read is not self._read:
            self._read = read
            try:
                self._check()
                self.center = read.center
            except BadCenterFile as error:
                fault = error
        if fault is not None and fault is not self._fault:
            text = f"warning: {fault.message}. What it held before is shown"
            click.echo(text, err=True)
        self._fault = fault

    def _check(self) -> None:
        with self._store.snapshot():
            device_session.check_plans(self._read, self._store)


def _show(
    center: Center, store: Store, at_s: float | None, everyone: bool, as_json: bool, clear: bool
) -> None:
    seen = monitor(center, store, at_s)
    if as_json:
        (answers.event if clear else answers.result)(report.monitoring_json(seen))
        return
    if clear:
        console().clear()
    show(*report.monitoring_tables(seen, everyone=everyone, more="--all shows them"))


def _show_log(store: Store, device_id: str, as_json: bool) -> None:
    with store.snapshot():
        if device_id not in store.devices():
            raise UsageError("the center knows no such device", where=device_id)
        lines = store.log(device_id)
    if as_json:
        answers.result(report.log_json(lines))
    else:
        show(report.log_table(lines))


# --- control

_PLAN_ACTIONS = [action.value for action in lifecycle.Action]
_DEVICE_ACTIONS = [action.value for action in DeviceAction]


@commands.command("control")
@file_argument
@click.argument("action", type=NameChoice([*_PLAN_ACTIONS, *_DEVICE_ACTIONS]))
@click.option("--plan", "plan_name", required=True, metavar="NAME", help="The plan to act on.")
@click.option(
    "--device", "device_id", metavar="ID", help=f"For {', '.join(_DEVICE_ACTIONS)}: the device."
)
@_at_option
@db_option
def control(
    file: Path,
    action: str,
    plan_name: str,
    device_id: str | None,
    at_s: float | None,
    db: Path | None,
) -> None:
    """Act as the plan's owner, while devices upgrade or not.

    A plan can be activated, paused, resumed and terminated. For one device its user can confirm,
    and an upgrade that is not under way can be cancelled, or tried again once it has failed for
    good.
    """
    if (action in _DEVICE_ACTIONS) != (device_id is not None):
        what = (
            "--device ID with it" if action in _DEVICE_ACTIONS else "no --device: it is of a plan"
        )
        raise UsageError(f"bad {action}", expected=what)
    read = read_center(file)
    with closing(device_session.open_state(read, db or device_session.state_path(file))) as store:
        with store.snapshot():
            now_s = device_session.now_of(store) if at_s is None else at_s
        click.echo(_act(read.center, store, action, plan_name, device_id, now_s))


def _act(
    center: Center, store: Store, action: str, plan: str, device: str | None, now_s: float
) -> str:
    if device is None:
        state = act_on_plan(center, store, plan, lifecycle.Action(action), now_s)
        return f"plan {plan}: {state}"
    wanted = DeviceAction(action)
    changed = act_on_device(center, store, plan, device, wanted, now_s)
    components = ", ".join(component for _, component in changed)
    return f"plan {plan}, device {device}: {action} {components}"
