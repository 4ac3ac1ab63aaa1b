"""What docstrings say of the model, for reports: one source for those who read code and who read
reports."""

from __future__ import annotations


def bullets(text: str | None, heading: str) -> list[str]:
    """The list behind *heading* of a docstring, one string for each of its points."""
    _, _, behind = (text or "").partition(heading)
    found: list[str] = []
    for line in behind.splitlines()[1:]:
        if line.startswith("* "):
            found.append(line[2:])
        elif line.startswith("  ") and found:
            found[-1] += " " + line.strip()
        elif line and found:
            break
    return [point.replace("``", "").replace("`", "") for point in found]


def paragraph(text: str | None, heading: str) -> str:
    """The paragraph that begins with *heading*, in one line, without the heading."""
    _, _, behind = (text or "").partition(heading)
    return " ".join(behind.partition("\n\n")[0].split()).strip(" :").replace("`", "")
