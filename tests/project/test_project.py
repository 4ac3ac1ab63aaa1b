"""What the project's own files say of it, held against each other: version, pins, licences."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mcu_updater
from mcu_updater.core.delta import container
from mcu_updater.core.image import BinaryDecoder, HexDecoder, SrecDecoder, TiTxtDecoder
from mcu_updater.core.journal import snapshot
from mcu_updater.core.package import manifest
from tests.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
LICENCES = next(ROOT.glob("docs/**/licences.md")).read_text(encoding="utf-8")
PINNED = {  # file in requirements/: groups, extras
    "dev": (("dev", "interop"), ("cluster", "console", "cpu", "hosts", "native", "rar")),
    "delta": ((), ("delta",)),
    "bench": (("bench",), ()),
    "docs": (("docs",), ()),
    "fuzz": (("fuzz",), ()),
    "mutation": (("mutation",), ()),
}
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]


# --- one version


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "mcu_updater/__init__.py"
    stated = rf"(?:version|release)[\W_]{{0,7}}{re.escape(mcu_updater.__version__)}(?![\w.])"
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "pyproject.toml"]
    code = [*ROOT.glob("mcu_updater/**/*.py"), *ROOT.glob("flash_emulator/**/*.py")]
    found = {
        path.name
        for path in (*pages, *code)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(stated, line, flags=re.IGNORECASE)
    }
    assert found == {"__init__.py"}


def test_what_is_installed_says_the_same_version() -> None:
    assert metadata.version("mcu-updater") == mcu_updater.__version__


# --- what is on flash


def test_the_changelogs_compatibility_table_is_what_this_release_does() -> None:
    """In its newest row."""
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \|(.*)\|$", CHANGELOG, flags=re.MULTILINE)
    release, cells = rows[0]
    assert release == mcu_updater.__version__
    headers = f"{snapshot.FORMAT_VERSION}, {snapshot.SIGNED_FORMAT_VERSION}"
    plain = (BinaryDecoder.CODE, HexDecoder.CODE, SrecDecoder.CODE, TiTxtDecoder.CODE)
    assert plain == (1, 2, 3, 4)
    assert [cell.strip() for cell in cells.split("|")] == [
        headers,
        headers,
        "1 to 6",
        str(container.FORMAT),
        str(manifest.FORMAT),
    ]


def test_the_changelog_keeps_its_shape() -> None:
    titles = re.findall(r"^## (.*)$", CHANGELOG, flags=re.MULTILINE)
    assert titles[:2] == ["What is on flash, and who reads it", "[Unreleased]"]
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", title) for title in titles[2:])
    kinds = set(re.findall(r"^### (.*)$", CHANGELOG, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


# --- dependencies


def wanted(file: str) -> list[Requirement]:
    groups, extras = PINNED[file]
    texts = [text for group in groups for text in GROUPS[group]]
    texts += [text for extra in extras for text in EXTRAS[extra]]
    return [Requirement(text) for text in (*texts, *PROJECT["project"]["dependencies"])]


def test_every_group_and_extra_is_pinned() -> None:
    assert {group for groups, _ in PINNED.values() for group in groups} == set(GROUPS)
    assert {extra for _, extras in PINNED.values() for extra in extras} == set(EXTRAS)
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == set(PINNED)


@pytest.mark.parametrize("file", PINNED)
def test_the_pins_are_what_the_project_asks_for(file: str) -> None:
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
    pins: dict[str, list[str]] = {}  # more than one where it depends on the interpreter
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE):
        pins.setdefault(name, []).append(version)
    wrong = [
        str(requirement)
        for requirement in wanted(file)
        if not any(
            requirement.specifier.contains(version, prereleases=True)
            for version in pins.get(canonicalize_name(requirement.name), ())
        )
    ]
    assert wrong == [], "make lock"
    assert "://" not in text  # which registry is a matter of the machine
    heads = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in head for head in heads)


def test_what_is_for_development_only_is_no_extra() -> None:
    assert set(EXTRAS) == {"delta", "cluster", "console", "cpu", "hosts", "native", "rar"}
    declared = " ".join(metadata.requires("mcu-updater") or ())
    assert not [name for name in ("pytest", "mypy", "ruff", "mutmut") if name in declared]


def test_the_page_of_licences_has_every_dependency_that_is_shipped() -> None:
    shipped = [
        *PROJECT["project"]["dependencies"],
        *(text for texts in EXTRAS.values() for text in texts),
    ]
    names = {Requirement(text).name for text in shipped}
    assert names - set(re.findall(r"`([\w-]+)`", LICENCES)) == set()
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    assert PROJECT["project"]["license"] == "MIT"


def test_no_dependency_that_is_shipped_is_under_the_gpl() -> None:
    """Those of the installed releases, and what they need in turn."""
    to_see = {Requirement(text).name for text in PROJECT["project"]["dependencies"]}
    seen: set[str] = set()
    while to_see:
        name = to_see.pop()
        seen.add(name)
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:  # for another platform
            continue
        stated = found.get_all("License-Expression") or []
        stated += [text[:80] for text in found.get_all("License") or ()]
        stated += [c for c in found.get_all("Classifier") or () if c.startswith("License")]
        assert not re.search(r"GPL|General Public", " ".join(stated)), name
        needs = [Requirement(text) for text in metadata.requires(name) or ()]
        to_see |= {
            need.name
            for need in needs
            if (need.marker is None or need.marker.evaluate({"extra": ""}))
            and need.name not in seen
        }
    assert len(seen) >= 15


# --- tools of a work tree


def test_hooks_run_what_make_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = {hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]}
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    for entry in entries:
        tool = entry.removeprefix(".venv/bin/").replace(" --force-exclude", "")
        assert f"$(BIN)/{tool}" in make, entry
    assert len(entries) == 4
