"""``--json``: one object a line on standard output, the last of which says how it ended.

The first object carries the schema's number. The last one has ``ok`` and ``exit_code``, and
``error`` where something went wrong, whatever that was: an option that there is none of, too. A
command that has one result puts both into it; else there is an object with the event ``end``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from mcu_updater.cli import interrupts
from mcu_updater.cli.decorators import Decorator
from mcu_updater.report.schema import SCHEMA

OPTION = "--json"


def json_option(help_text: str) -> Decorator:
    """The one kind of option for programs: a flag."""
    return click.option(OPTION, "as_json", is_flag=True, help=help_text)


@dataclass(slots=True)
class _Answers:
    """Of one run of the program."""

    is_wanted: bool = False
    is_first: bool = True
    result: dict[str, Any] | None = None
    complaints: list[str] = field(default_factory=list)

    def say(self, fields: dict[str, Any]) -> None:
        click.echo(self.text(fields))

    def text(self, fields: dict[str, Any]) -> str:
        head = {"schema": SCHEMA} if self.is_first else {}
        self.is_first = False
        return json.dumps({**head, **fields})


def _answers() -> _Answers:
    context = click.get_current_context(silent=True)
    if context is None:
        return _Answers()
    found: _Answers = context.find_root().meta.setdefault(__name__, _Answers())
    return found


def begin(arguments: Sequence[str]) -> None:
    """Of a command line that was not yet understood."""
    words = list(arguments)
    if "--" in words:
        words = words[: words.index("--")]
    _answers().is_wanted = OPTION in words


def event(fields: dict[str, Any]) -> None:
    """One thing that happened."""
    _answers().say(fields)


def result(fields: dict[str, Any]) -> None:
    """What came of it; printed when it is known how the command ended."""
    answers = _answers()
    if answers.is_wanted:
        answers.result = fields
    else:
        answers.say(fields)


def note_complaint(text: str) -> None:
    """An error that was told to people."""
    _answers().complaints.append(text)


def end(exit_code: int, meaning: str) -> None:
    """The last object, where objects are wanted. *meaning*: of a code that nothing was said of."""
    answers = _answers()
    if not answers.is_wanted:
        return
    ending: dict[str, Any] = {"ok": exit_code == 0, "exit_code": exit_code}
    if exit_code:
        ending["error"] = "; ".join(answers.complaints) or meaning
    text = answers.text({**(answers.result or {"event": "end"}), **ending})
    with interrupts.held_while_told(len(text)):
        click.echo(text)
        interrupts.let_pass()
