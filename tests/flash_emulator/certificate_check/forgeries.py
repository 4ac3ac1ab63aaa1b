"""Edits of a certificate whose chain fits again, so that only what it says can give them away.

Each takes the lines, parsed, and changes them. Those of ``COUNTED`` are followed by ``recount``: a
forger who can chain lines can count them, too.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

Lines = list[dict[str, Any]]
Edit = Callable[[Lines], None]


# --- reading and writing


def lines_of(file: Path) -> Lines:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def text_of(lines: Lines) -> bytes:
    """With a chain that fits."""
    chain, text = "0" * 64, b""
    for entry in lines:
        line = json.dumps(entry | {"chain": chain}, separators=(",", ":")).encode()
        chain, text = sha256(line).hexdigest(), text + line + b"\n"
    return text


def write(file: Path, lines: Lines) -> None:
    write_text(file, text_of(lines))


def write_text(file: Path, text: bytes) -> None:
    file.write_bytes(gzip.compress(text, mtime=0))


def chained(texts: list[str]) -> bytes:
    """Lines as they are written here, each with CHAIN where its chain belongs."""
    chain, text = "0" * 64, b""
    for each in texts:
        line = each.replace("CHAIN", chain).encode()
        chain, text = sha256(line).hexdigest(), text + line + b"\n"
    return text


def texts_of(lines: Lines) -> list[str]:
    return [json.dumps(e | {"chain": "CHAIN"}, separators=(",", ":")) for e in lines]


# --- parts of a certificate


def flip(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def start_of(state: str, reads: str = "") -> str:
    return blake2b(bytes.fromhex(state) + reads.encode(), digest_size=17).hexdigest()


def segments(lines: Lines) -> Iterator[dict[str, Any]]:
    return (segment for entry in lines[1:-1] for segment in entry["segments"])


def last_segment(lines: Lines) -> dict[str, Any]:
    return next(s for s in segments(lines) if s["next"] is None)


def violated(lines: Lines) -> dict[str, Any]:
    return next(s for s in segments(lines) if s["violation"] is not None)


def with_unknown(lines: Lines) -> dict[str, Any]:
    return next(entry for entry in lines[1:-1] if entry["unknown"])


def with_excluded(lines: Lines) -> dict[str, Any]:
    return next(entry for entry in lines[1:-1] if entry["excluded"])


def flipped(lines: Lines) -> int:
    return next(i for i, entry in enumerate(lines) if entry.get("flips"))


def rich(lines: Lines) -> dict[str, Any]:
    """A segment whose cuts come to several states."""
    return next(s for s in segments(lines) if len(s["edges"]) > 2)


def recount(lines: Lines) -> None:
    boots = lines[1:-1]
    lines[-1] |= {
        "states": len({entry["state"] for entry in boots}),
        "boots": len(boots),
        "edges": sum(len(c.split()) for s in segments(lines) for c in s["edges"].values()),
        "violations": sum(s["violation"] is not None for s in segments(lines)),
    }


def renamed(lines: Lines, old: str, new: str) -> None:
    lines[:] = json.loads(json.dumps(lines).replace(old, new))


def put(target: dict[str, Any], before: str, **fields: Any) -> None:
    """A new field in front of another."""
    kept = list(target.items())
    target.clear()
    for name, value in kept:
        if name == before:
            target.update(fields)
        target[name] = value


def sort_edges(segment: dict[str, Any]) -> None:
    segment["edges"] = {
        key: " ".join(sorted(segment["edges"][key].split())) for key in sorted(segment["edges"])
    }


# --- notation


def extra_in_header(lines: Lines) -> None:
    put(lines[0], "chain", note="all is well")


def extra_in_boot(lines: Lines) -> None:
    put(lines[2], "chain", note="all is well")


def extra_in_segment(lines: Lines) -> None:
    lines[2]["segments"][0]["note"] = "all is well"


def extra_in_totals(lines: Lines) -> None:
    put(lines[-1], "chain", note="all is well")


def missing_field(lines: Lines) -> None:
    del lines[2]["excluded"]


def other_order(lines: Lines) -> None:
    path = lines[2].pop("path")
    put(lines[2], "chain", path=path)


def older_version(lines: Lines) -> None:
    lines[0]["version"] = 2


def other_formula(lines: Lines) -> None:
    lines[0]["formulas"]["state"] = "crc32"


def yes_for_a_count(lines: Lines) -> None:
    last_segment(lines)["operations"] = True


def half_an_operation(lines: Lines) -> None:
    last_segment(lines)["operations"] = 1.0


def outcomes_mixed_up(lines: Lines) -> None:
    lines[0]["outcomes"] = dict(reversed(lines[0]["outcomes"].items()))


def outcome_called_otherwise(lines: Lines) -> None:
    lines[0]["outcomes"]["w"] = "after"


def unknown_reading(lines: Lines) -> None:
    lines[0]["readings"].append("guessed")


def path_with_zeros(lines: Lines) -> None:
    renamed(lines, f'"path": "{lines[-2]["path"]}"', f'"path": "0{lines[-2]["path"]}"')


def flips_mixed_up(lines: Lines) -> None:
    lines[flipped(lines)]["flips"] = [3, 1]


def flips_beside_a_reading(lines: Lines) -> None:
    lines[flipped(lines)]["reading"] = "drawn"


def spans_that_touch(lines: Lines) -> None:
    entry = with_unknown(lines)
    (low, end), *more = entry["unknown"]
    entry["unknown"] = [[low, low + 8], [low + 8, end], *more]


def edges_mixed_up(lines: Lines) -> None:
    segment = rich(lines)
    segment["edges"] = dict(reversed(segment["edges"].items()))


def the_same_cut_twice(lines: Lines) -> None:
    segment = rich(lines)
    first, second, *_ = segment["edges"]
    segment["edges"][second] = segment["edges"][first]


# --- counting


def one_state_more(lines: Lines) -> None:
    lines[-1]["states"] += 1


def one_boot_more(lines: Lines) -> None:
    lines[-1]["boots"] += 1


def one_edge_more(lines: Lines) -> None:
    lines[-1]["edges"] += 1


def no_violations(lines: Lines) -> None:
    lines[-1]["violations"] = 0


def stopped_and_complete(lines: Lines) -> None:
    lines[-1]["stopped_by"] = "states"


# --- what stands there once, and is reached


def two_states_under_one_path(lines: Lines) -> None:
    """The second hides the first, which is never built."""
    extra = copy.deepcopy(lines[-2])
    old, extra["state"] = extra["state"], flip(extra["state"])
    extra["segments"][0]["node"] = start_of(extra["state"])
    lines.insert(-2, extra)
    edge = next(s for s in segments(lines) if old in s["edges"])
    edge["edges"][extra["state"]] = "999b"
    sort_edges(edge)


def one_state_under_two_paths(lines: Lines) -> None:
    extra = copy.deepcopy(lines[-2])
    extra["path"] += "~other"
    lines.insert(-1, extra)


def the_same_boot_twice(lines: Lines) -> None:
    lines.insert(-1, copy.deepcopy(lines[-2]))


def a_node_twice(lines: Lines) -> None:
    entry = next(e for e in lines[1:-1] if len(e["segments"]) > 1)
    lines[-2]["segments"] = [lines[-2]["segments"][0], copy.deepcopy(entry["segments"][1])]
    lines[-2]["segments"][0] |= {"next": entry["segments"][1]["node"], "end": ""}


def another_start(lines: Lines) -> None:
    node = lines[-2]["segments"][0]["node"]
    renamed(lines, node, flip(node))


def another_state_under_the_start(lines: Lines) -> None:
    lines[1], lines[2] = lines[2], lines[1]


def lines_of_a_state_apart(lines: Lines) -> None:
    lines.insert(-1, lines.pop(flipped(lines)))


def a_longer_path_first(lines: Lines) -> None:
    lines.insert(2, lines.pop(-2))


def a_way_over_nothing(lines: Lines) -> None:
    lines[-2]["path"] = f"77b.{lines[-2]['path'].rpartition('.')[2]}"


def a_state_that_nothing_comes_to(lines: Lines) -> None:
    extra = copy.deepcopy(lines[-2])
    extra["state"] = flip(extra["state"])
    extra["path"] = f"{lines[-2]['path'].rpartition('.')[0]}.999b".removeprefix(".")
    extra["segments"] = [extra["segments"][0] | {"node": start_of(extra["state"])}]
    lines.insert(-1, extra)


def a_detour(lines: Lines) -> None:
    """A state is said to need one cut more than it does."""
    first = next(e for e in lines[1:-1] if e["path"] != "-" and "." not in e["path"])
    entries = [e for e in lines[1:-1] if e["state"] == first["state"]]
    for entry in entries:
        lines.remove(entry)
        entry["path"] = f"{lines[2]['path']}.{entry['path']}"
        lines.insert(-1, entry)


def a_state_removed(lines: Lines) -> None:
    gone = lines[-2]["state"]
    lines[1:-1] = [entry for entry in lines[1:-1] if entry["state"] != gone]


def a_state_removed_with_all_its_edges(lines: Lines) -> None:
    gone = lines[-2]["state"]
    a_state_removed(lines)
    for segment in segments(lines):
        segment["edges"].pop(gone, None)


def another_key(lines: Lines) -> None:
    lines[-2]["state"] = flip(lines[-2]["state"])


def another_key_everywhere(lines: Lines) -> None:
    """Of a state, and of the node where it begins."""
    old = lines[-2]["state"]
    renamed(lines, start_of(old), start_of(flip(old)))
    renamed(lines, old, flip(old))
    for segment in segments(lines):
        sort_edges(segment)


# --- what it is for


def another_tool(lines: Lines) -> None:
    lines[0]["made_of"]["tool"]["sources"] = "0" * 64


def another_part(lines: Lines) -> None:
    lines[0]["made_of"]["part"]["values"] = "0" * 64


def another_part_file(lines: Lines) -> None:
    lines[0]["made_of"]["part"]["file"] = "0" * 64


def another_subject(lines: Lines) -> None:
    lines[0]["made_of"]["subject"]["sources"] = "0" * 64


def another_seed(lines: Lines) -> None:
    lines[0]["made_of"]["start"]["seed"] = "7"


def another_image(lines: Lines) -> None:
    lines[0]["made_of"]["start"]["cells"] = "0" * 64


def another_rest(lines: Lines) -> None:
    lines[0]["made_of"]["start"]["rest"] = "0" * 64


def something_given(lines: Lines) -> None:
    lines[0]["made_of"]["given"]["image"] = "0" * 64


def another_toy(lines: Lines) -> None:
    lines[0]["world"]["toy"] = "late"


def without_ecc(lines: Lines) -> None:
    lines[0]["world"]["ecc"] = "no"


# --- what boots do


def another_end(lines: Lines) -> None:
    last_segment(lines)["end"] = "all is well"


def another_signature(lines: Lines) -> None:
    last_segment(lines)["signature"] = flip(last_segment(lines)["signature"])


def another_count(lines: Lines) -> None:
    last_segment(lines)["operations"] += 1


def invented_violation(lines: Lines) -> None:
    last_segment(lines).update({"end": "", "violation": ["safe", "it is not"]})


def hidden_violation(lines: Lines) -> None:
    violated(lines).update({"end": "at rest", "violation": None})


def another_question(lines: Lines) -> None:
    violated(lines)["violation"][0] = "reported"


def a_shortcut(lines: Lines) -> None:
    """The run is said to come to a point that it does not come to."""
    entry = next(e for e in lines[1:-1] if len(e["segments"]) > 2)
    entry["segments"][0]["next"] = entry["segments"][2]["node"]
    del entry["segments"][1]


def an_end_cut_off(lines: Lines) -> None:
    entry = next(e for e in lines[1:-1] if len(e["segments"]) > 1)
    entry["segments"][-2] |= {"next": None, "end": "at rest"}
    del entry["segments"][-1]


def a_boot_that_nobody_needs(lines: Lines) -> None:
    extra = copy.deepcopy(lines[1])
    extra["reading"] = "drawn"
    first = extra["segments"][0] | {"node": start_of(extra["state"], "!d")}
    extra["segments"] = [first]
    lines.insert(2, extra)


# --- where cuts lead


def dropped_edge(lines: Lines) -> None:
    segment = rich(lines)
    levels = {e["state"]: e["path"].count(".") for e in lines[1:-1]}
    deepest = max(segment["edges"], key=lambda key: levels[key])
    gone = next(k for k in segment["edges"] if k != deepest)
    del segment["edges"][gone]


def swapped_edges(lines: Lines) -> None:
    """Each of two cuts is said to leave what the other one leaves."""
    edges = rich(lines)["edges"]
    first, second, *_ = edges
    edges[first], edges[second] = edges[second], edges[first]


def invented_cut(lines: Lines) -> None:
    segment = rich(lines)
    key = next(iter(segment["edges"]))
    segment["edges"][key] += " 999b"
    sort_edges(segment)


def more_unknown(lines: Lines) -> None:
    lines[-2]["unknown"] = [[0, 512]]


def less_unknown(lines: Lines) -> None:
    entry = with_unknown(lines)
    state, entry["unknown"][0][0] = entry["state"], entry["unknown"][0][0] + 8
    for other in lines[1:-1]:
        if other["state"] == state:
            other["unknown"] = entry["unknown"]


def unknown_outside(lines: Lines) -> None:
    for entry in lines[1:-1]:
        if entry["state"] == lines[-2]["state"]:
            entry["unknown"] = [[1 << 20, 1 << 21]]


def nothing_excluded(lines: Lines) -> None:
    state = with_excluded(lines)["state"]
    for entry in lines[1:-1]:
        if entry["state"] == state:
            entry["excluded"] = []


def more_excluded(lines: Lines) -> None:
    state = with_excluded(lines)["state"]
    for entry in lines[1:-1]:
        if entry["state"] == state:
            entry["excluded"][0][1] = sorted([*entry["excluded"][0][1], [0, "fe"]])


def another_path(lines: Lines) -> None:
    for entry in lines[1:-1]:
        if entry["state"] == lines[-2]["state"] and entry is not lines[-2]:
            entry["path"] = "1b"
    lines[-2]["path"] = f"{lines[-2]['path'].rpartition('.')[0]}.999b".removeprefix(".")


# --- what was tried


def outcomes_not_tried(lines: Lines) -> None:
    """Of a search with two: all are said to have been tried."""
    names = ("before", "torn", "metastable", "blank", "weak", "after")
    lines[0]["outcomes"] = dict(zip("btmkwa", names, strict=True))


def outcomes_denied(lines: Lines) -> None:
    del lines[0]["outcomes"]["w"]


def reading_not_tried(lines: Lines) -> None:
    lines[0]["readings"] = ["drawn", "stable", "flipped", "turning"]


def reading_denied(lines: Lines) -> None:
    lines[0]["readings"].remove("flipped")


def not_merged(lines: Lines) -> None:
    lines[0]["merge"] = False


def fewer_operations(lines: Lines) -> None:
    lines[0]["operations"] = 3


def boot_removed(lines: Lines) -> None:
    """One in which a unit was flipped."""
    del lines[flipped(lines)]
