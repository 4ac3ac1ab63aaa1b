"""What may help where a boot does not end as it must: a word on each way to end wrong."""

from __future__ import annotations

from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.first_boot import SeenBoot

_OF_KIND = {
    "sleep": "It sleeps, and nothing that is modelled wakes it. Where it waits for a button, give "
    "its level in [pins]; where that is its place to rest, say questions.rests_in = ['sleep']",
    "loop": "It stays in a loop that nothing ends. Where that is its place to rest, say "
    "questions.rests_in = ['loop']; else firmware run --trace FILE shows the way there",
    "budget": "It goes on for ever, or limits.instructions is too low. --trace FILE shows where it "
    "is; what it waits for may be a register that nobody models",
    "resets": "It resets itself again and again; limits.resets is how often it may",
    "breakpoint": "Where that is its place to rest, say questions.rests_in = ['breakpoint']",
    "exit": "Where that is its place to rest, say questions.rests_in = ['exit']",
}
_LOCK_UP = "A fault that nothing handles. Is it the right part, and is machine.ram right?"


def advice_on(read: BoardFile, seen: SeenBoot) -> str:
    """A sentence; empty where there is none."""
    ended, wrong = seen.ended, seen.violation
    if wrong is None or ended is None or wrong.question != "live":
        return ""
    if ended.kind == "lock-up":
        return _LOCK_UP
    if ended.kind not in read.board.questions.rests_in:
        return _OF_KIND.get(ended.kind, "")
    return ""
