"""A film as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from flash_emulator.explore import Film, Frame
from flash_emulator.explore.render.moment import moment_lines
from flash_emulator.printable import printable

MOST_SECTORS = 32  # in a drawing
_WIDTH = 86  # of what is told below a cut
LEGEND = "sectors: . erased, # programmed, + partly, ! spoilt by a cut"


def cuts_in_words(film: Film) -> Iterator[str]:
    """The cuts one by one, and what goes wrong behind them."""
    for frame in film.frames:
        if frame.kind == "cut":
            yield f"boot {frame.boot}: {_cut(frame)}"
            if frame.moment is not None and frame.moment.running is not None:
                yield f"        in {printable(str(frame.moment.running))}"
    if film.violation is not None:
        last = film.frames[-1]
        yield f"boot {last.boot}: {last.text}"


def _cut(frame: Frame) -> str:
    text = frame.text.removeprefix("CUT").removeprefix(":").strip()
    return text if text.startswith("power lost") else f"power lost {text}"


def drawn(film: Film) -> Iterator[str]:
    """A line for each frame: boot, what happens, and the sectors that change in the film."""
    columns = _columns(film)
    if columns:
        yield LEGEND
    for frame in film.frames:
        signs = "".join(frame.sectors[column] for column in columns)
        yield f"boot {frame.boot}  {signs}  {frame.text}".rstrip()
        if frame.moment is not None and frame.kind != "end":
            lines = moment_lines(frame.moment, _WIDTH, is_end=frame.kind == "violation")
            yield from (f"            {printable(line)}" for line in lines)


def _columns(film: Film) -> list[int]:
    """Sectors that do not look the same in all frames; none where they are too many to draw."""
    rows = [frame.sectors for frame in film.frames]
    changing = [i for i, signs in enumerate(zip(*rows, strict=True)) if len(set(signs)) > 1]
    return changing if len(changing) <= MOST_SECTORS else []
