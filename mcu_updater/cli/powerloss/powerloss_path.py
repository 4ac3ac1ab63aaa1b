"""``powerloss --replay`` and ``--check``: one path, one certificate."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from flash_emulator import load_part
from flash_emulator.certificate_check import NotACertificate, NotConfirmed, Verdict, confirm
from flash_emulator.explore import Film, PathLeft, SearchOptions, tag_of
from flash_emulator.explore.campaign import parse_replay_id
from flash_emulator.explore.render import film_lines
from flash_emulator.explore.render.steps import played
from flash_emulator.explore.render.values import film_values
from flash_emulator.player import FlashMap
from mcu_updater.cli import answers, exits
from mcu_updater.cli.powerloss.film_page import FilmPage
from mcu_updater.cli.reading import read_for_device
from mcu_updater.core.errors import ImageRejected, UsageError, VerificationFailed
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import hazard
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import SCENARIOS, filled, scenario, small_size, with_file
from mcu_updater.powerloss.images import FORMATS
from mcu_updater.powerloss.in_c import subject_of
from mcu_updater.powerloss.questions import OPTIONS_LOST
from mcu_updater.powerloss.scenario import Core, Scenario

_NARROWEST = 60  # columns in which a film can be read
_IN_C = f"/{Core.C}"


def _scenario_of(image: Path | None, world: dict[str, str]) -> Scenario:
    """The scenario that an ID or a certificate names. Raises UsageError where it cannot be made,
    ValueError where it names none."""
    _check(world)
    strategy, tag = Strategy(world["strategy"]), world["image"]
    made_up = tag.endswith("b") and tag[:-1].isascii() and tag[:-1].isdigit()
    size = int(tag[:-1]) if made_up else small_size(load_part(world["part"]), strategy)
    target = filled(world["part"], size, world["format"], strategy)  # type: ignore[arg-type]
    if not made_up:
        if image is None:
            raise UsageError("this was explored with an image of your own", then="Give IMAGE too")
        target = with_file(target, read_for_device(image))
        if target.tag != tag:
            raise UsageError("another image", expected=f"SHA-256 {tag}...", found=target.tag)
    core = Core(world.get("core", Core.PYTHON))
    return scenario(world["scenario"], target, seed=int(world["seed"]), core=core)


def _check(world: dict[str, str]) -> None:
    """Of another program, or touched: ValueError says what cannot be."""
    known = {
        "strategy": [each.value for each in Strategy],
        "scenario": SCENARIOS,
        "format": FORMATS,
        "core": [each.value for each in Core],
    }
    world = {"core": Core.PYTHON, **world}
    for key in ("part", "strategy", "scenario", "format", "image", "seed", "core"):
        value = world.get(key)
        if not isinstance(value, str):
            raise ValueError(f"it does not say which {key}")
        if key in known and value not in known[key]:
            raise ValueError(f"no {key} {value!r}; expected one of {', '.join(known[key])}")
    if not re.fullmatch(r"-?[0-9]{1,18}", world["seed"]):
        raise ValueError(f"no seed: s{world['seed']}; expected a number, such as s0")


def _world_of(name: str) -> dict[str, str]:
    """What a replay ID says before its path. The core comes last, where it is named."""
    name, is_in_c = name.removesuffix(_IN_C), name.endswith(_IN_C)
    keys = ("part", "strategy", "scenario", "format", "image", "seed")
    words = name.rsplit("/", len(keys) - 1)  # a part may be the path of a part file
    if len(words) != len(keys) or not words[-1].startswith("s"):
        raise UsageError("no replay ID", expected="part/strategy/scenario/format/image/sN:path")
    world = dict(zip(keys, [*words[:-1], words[-1][1:]], strict=True))
    return {**world, "core": Core.C} if is_in_c else world


def replay_path(
    image: Path | None,
    text: str,
    options: SearchOptions,
    page: FilmPage,
    *,
    shrink: bool,
    as_json: bool = False,
) -> None:
    """Print what happens on the path of this ID; with *shrink*, on one with fewer cuts.

    *options* are those of the search that found it.
    """
    page.claim(as_json=as_json)
    try:
        name, path = parse_replay_id(text)
        scenario = _scenario_of(image, _world_of(name))
        subject = subject_of(scenario)
        if shrink:
            path = campaign.shrink(subject, path, options)
        film = campaign.film(subject, path, options)
    except (ValueError, PathLeft) as error:
        raise UsageError("this path cannot be run", where=text, found=str(error)) from error
    array = campaign.map_of(subject.part, scenario.strategy)
    tell_film(film, array, f"{name}:{path}", page, as_json=as_json)


def tell_film(
    film: Film, array: FlashMap, replay_id: str, page: FilmPage, *, as_json: bool
) -> None:
    """Print it, and write it as *page* says. Raises VerificationFailed where something goes wrong
    in it."""
    lines = list(film_lines(film))
    if page.is_wanted:
        page.write(played(film, array), replay_id, lines)
    if as_json:
        values = film_values(film)
        answers.result({"event": "replay", "id": replay_id, "film": lines, **values})
    elif not page.has_stdout:
        click.echo("\n".join([*_fitted(lines), f"ID: {replay_id}"]))
    if film.violation is not None:
        question, found = film.violation
        raise VerificationFailed(tag_of(question), where=replay_id, found=found)


def _fitted(lines: list[str]) -> Iterator[str]:
    """For a terminal: lines that are too long for it go on below their text. For a file, as they
    are."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in lines:
        if len(line) <= columns or columns < _NARROWEST:
            yield line
        else:
            indent = " " * 24
            yield from textwrap.wrap(
                line, columns, subsequent_indent=indent, break_on_hyphens=False
            )


World = Callable[[dict[str, str]], tuple[Any, Any, Any]]
"""From what a certificate says of its world to subject, flash and external state."""


def check_certificate(
    image: Path | None, certificate: Path, sample: int | None, seed: int, *, as_json: bool = False
) -> None:
    """Run all states of *certificate* again, or a *sample*. Raises VerificationFailed.

    Exits with NARROWER or SAMPLED where it holds and says less than that all is well.
    """

    def world(header: dict[str, str]) -> tuple[Any, Any, Any]:
        try:
            scenario = _scenario_of(image, header)
            subject = subject_of(scenario)
        except ValueError as error:
            raise ImageRejected(
                "no certificate of this command", where=str(certificate), found=str(error)
            ) from error
        if scenario.world != header:
            raise ImageRejected(
                "no certificate of this command",
                where=str(certificate),
                expected=f"the world {scenario.world}",
                found=str(header),
            )
        return subject, subject.flash, subject.external

    verdict = confirmed(certificate, world, sample, seed)
    conclude_check(verdict, certificate, as_json=as_json, is_excused=not _unexplained(verdict))


def confirmed(certificate: Path, world: World, sample: int | None, seed: int) -> Verdict:
    """What becomes of *certificate*, of the subject that *world* makes."""
    try:
        return confirm(str(certificate), world, sample=sample or 0, seed=seed)
    except NotACertificate as error:
        raise ImageRejected(
            "no whole certificate", where=str(certificate), found=str(error)
        ) from error
    except NotConfirmed as error:
        raise VerificationFailed(
            "not confirmed", where=str(certificate), found=str(error)
        ) from error


def conclude_check(
    verdict: Verdict, certificate: Path, *, as_json: bool, is_excused: bool = False
) -> None:
    """Tell it, and end with the code that it comes to: what was found counts first, unless it is
    excused."""
    if as_json:
        event = "sampled" if verdict.is_sample else "confirmed"
        answers.result({"event": event, **_values(verdict)})
    else:
        click.echo(str(verdict))
    if verdict.violations and not is_excused:
        raise VerificationFailed(
            "the certificate holds, and lists violations",
            where=str(certificate),
            found=f"{verdict.violations}, the first of them {': '.join(verdict.kinds[0])}",
        )
    if verdict.missing:
        raise click.exceptions.Exit(exits.NARROWER)
    if verdict.is_sample:
        raise click.exceptions.Exit(exits.SAMPLED)


def _values(verdict: Verdict) -> dict[str, Any]:
    return {
        "text": verdict.summary,
        "checked": verdict.checked,
        "states": verdict.states,
        "cuts": verdict.cuts,
        "violations": verdict.violations,
        "missing": list(verdict.missing),
        "taken_for_granted": list(verdict.assumed),
        "world": dict(verdict.world),
        "head": verdict.head,
    }


def _unexplained(verdict: Verdict) -> bool:
    """Whether it lists any violation but those of the strategy's known hazard."""
    world = verdict.world
    risk = hazard(load_part(world["part"]), Strategy(world["strategy"]))
    explained = all(text.startswith(OPTIONS_LOST) for _, text in verdict.kinds)
    return bool(verdict.violations) and (risk.harmless or not explained)
