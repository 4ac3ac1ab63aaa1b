"""The table as a picture: a sign and words in each cell, colour only beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from examples.strategies.cells import PARTS, Outcome
from examples.strategies.table import NAMES, by_place, counts, rows, variant_key, worst

_LEFT, _TOP, _WIDE, _HIGH = 250, 96, 146, 52
_GAP = 6
_STYLE = """
    :root { --ink: #1f2933; --soft: #52606d; --paper: #f7f9fb;
            --passed: #e0f2ee; --passed-edge: #0f766e; --failed: #fde4e1; --failed-edge: #b42318;
            --hazard: #fff3d6; --hazard-edge: #9a6408; --none: #eef1f4; --none-edge: #7b8794; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e6edf3; --soft: #9fb0c0; --paper: #0f151c;
              --passed: #12352f; --passed-edge: #3fb59f; --failed: #43191a; --failed-edge: #f08a80;
              --hazard: #3b2c10; --hazard-edge: #e0a93f; --none: #1b222b; --none-edge: #6b7a89; }
    }
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
           fill: var(--ink); font-size: 14.5px; }
    .name { font-weight: 600; }
    .small { font-size: 12.5px; fill: var(--soft); }
    .middle { text-anchor: middle; }
    .cell { stroke-width: 1.5; }
    .sign { fill: none; stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
"""
_LOOKS = {
    "passed": ("passed", "M-5 0 L-1.5 4 L5 -5"),
    "failed": ("failed", "M-4.5 -4.5 L4.5 4.5 M4.5 -4.5 L-4.5 4.5"),
    "known hazard": ("hazard", "M0 -6 L6 5 H-6 Z M0 -2 V1.5"),
    "not closed": ("hazard", "M-5 0 H-4 M0 0 H0.5 M4 0 H5"),
    "does not fit": ("none", "M-5 0 H5"),
}


def picture(outcomes: Sequence[Outcome]) -> str:
    """An SVG that follows the reader's choice of light and dark."""
    wide = _LEFT + len(PARTS) * _WIDE + 14
    high = _TOP + len(rows()) * _HIGH + 58
    body = "\n".join(f"  {line}" for line in _body(outcomes, high))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" \
aria-labelledby="title desc">
  <title id="title">Which strategy bricks which part</title>
  <desc id="desc">{escape(_described(outcomes))}</desc>
  <style>{_STYLE}  </style>
  <rect width="{wide}" height="{high}" rx="10" style="fill: var(--paper)"/>
{body}
</svg>
"""


def _described(outcomes: Sequence[Outcome]) -> str:
    places = by_place(outcomes)
    told = [
        f"{NAMES[strategy]}, {variant}: "
        + ", ".join(
            f"{_short(part)} {_words(places[strategy, variant_key(variant), part])}"
            for part in PARTS.values()
        )
        for strategy, variant in rows()
    ]
    return f"{counts(outcomes)} {'; '.join(told)}."


def _body(outcomes: Sequence[Outcome], high: int) -> Iterator[str]:
    yield _text(20, 34, "Which strategy bricks which part", "name")
    for column, (family, part) in enumerate(PARTS.items()):
        middle = _LEFT + column * _WIDE + (_WIDE - _GAP) // 2
        yield _text(middle, 66, _short(part), "name middle")
        yield _text(middle, 84, f"class {family}", "small middle")
    places = by_place(outcomes)
    for row, (strategy, variant) in enumerate(rows()):
        top = _TOP + row * _HIGH
        yield _text(20, top + 20, NAMES[strategy], "name")
        yield _text(20, top + 38, variant, "small")
        for column, part in enumerate(PARTS.values()):
            pair = places[strategy, variant_key(variant), part]
            yield from _cell(_LEFT + column * _WIDE, top, pair)
    legend = "The worse of two searches: a good image is installed, a bad one is reverted. "
    yield _text(
        20,
        high - 30,
        legend
        + "Cuts: the fewest to a counterexample, with a good and a bad image where they differ.",
        "small",
    )
    yield _text(20, high - 12, counts(outcomes), "small")


def _cell(left: int, top: int, pair: Sequence[Outcome]) -> Iterator[str]:
    found = worst(pair)
    look, sign = _LOOKS[found.verdict]
    colours = f"fill: var(--{look}); stroke: var(--{look}-edge)"
    high, wide = _HIGH - _GAP, _WIDE - _GAP
    yield (
        f'<rect class="cell" x="{left}" y="{top}" width="{wide}" height="{high}" rx="7" '
        f'style="{colours}"/>'
    )
    yield (
        f'<path class="sign" transform="translate({left + 16} {top + high // 2})" d="{sign}" '
        f'style="stroke: var(--{look}-edge)"/>'
    )
    yield _text(left + 28, top + 20, found.verdict, "")
    yield _text(left + 28, top + 37, _second(pair), "small")


def _words(pair: Sequence[Outcome]) -> str:
    verdict, second = worst(pair).verdict, _second(pair)
    return f"{verdict} ({second})" if second else verdict


def _second(pair: Sequence[Outcome]) -> str:
    """Cuts to what went wrong, with each image where both did; else how many states that took."""
    wrong = [each for each in pair if each.cuts is not None]
    if len(wrong) == 2 and wrong[0].cuts != wrong[1].cuts:
        return f"good {wrong[0].cuts}, bad {wrong[1].cuts}"
    if wrong:
        cuts = wrong[0].cuts
        return f"{cuts or 'no'} cut{'s' if cuts and cuts > 1 else ''}, {wrong[0].question}"
    states = sum(sum(each.searched) for each in pair)
    return f"{states:,} states" if states else ""


def _short(part: str) -> str:
    return part.removeprefix("STM32")


def _text(x: int, y: int, words: str, kind: str) -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x}" y="{y}">{escape(words)}</text>'
