"""Reports of all searches of a test run, for ``--powerloss-html``, ``-junit``, ``-certificates``.

Each search leaves its result in a folder; whoever runs the tests (with xdist, the process that
started the workers) puts them together in the end.
"""

from __future__ import annotations

import pickle
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

if TYPE_CHECKING:
    from flash_emulator.explore.campaign import Campaign, Result

OPTIONS = ("powerloss_html", "powerloss_junit")
_FOLDER = "powerloss_results"  # in the input of xdist's workers


@dataclass(frozen=True, slots=True)
class Reports:
    """What is asked for beside the test's own outcome; folders, or None."""

    results: Path | None = None
    certificates: Path | None = None

    def keep(self, result: Result) -> None:
        """For the reports of the whole run."""
        if self.results is not None:
            name = sha256(result.name.encode()).hexdigest()
            (self.results / name).write_bytes(pickle.dumps(result))

    @contextmanager
    def certificate(self, name: str) -> Iterator[BinaryIO | None]:
        """A file for the certificate of the search in that test, beside its place until it is
        whole; None where none is wanted."""
        if self.certificates is None:
            yield None
            return
        self.certificates.mkdir(parents=True, exist_ok=True)
        path = self.certificates / f"{file_name(name)}.certificate.gz"
        beside = path.with_name(f"{path.name}.part")
        try:
            with beside.open("w+b") as file:
                yield file
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def file_name(name: str) -> str:
    """Of a test: without what file systems do not take; two tests never have the same."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    return plain if plain == name else f"{plain[:150]}-{sha256(name.encode()).hexdigest()[:8]}"


class ReportPlugin:
    """Collects results, and writes the reports when all tests have run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._unwritten: list[str] = []
        given: str | None = getattr(config, "workerinput", {}).get(_FOLDER)
        self._is_worker = hasattr(config, "workerinput")
        self._own: tempfile.TemporaryDirectory[str] | None = None
        if given is None and not self._is_worker and self._files():
            self._own = tempfile.TemporaryDirectory(prefix="powerloss-")
            given = self._own.name
        certificates = config.getoption("powerloss_certificates")
        self._results = Path(given) if given is not None else None
        self.reports = Reports(self._results, _from_here(config, certificates))

    def _files(self) -> dict[str, Path]:
        files = {name: _from_here(self._config, self._config.getoption(name)) for name in OPTIONS}
        return {name: path for name, path in files.items() if path is not None}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: pytest.Session) -> None:
        """xdist starts a worker."""
        if self._results is not None:
            node.workerinput[_FOLDER] = str(self._results)  # type: ignore[attr-defined]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_worker or not self._files():
            return
        from flash_emulator.explore.render import campaign_html, campaign_junit

        renders = {"powerloss_html": campaign_html, "powerloss_junit": campaign_junit}
        campaign = self._campaign()
        for name, path in self._files().items():
            self._write(path, renders[name], campaign)
        if self._unwritten and session.exitstatus in (pytest.ExitCode.OK, 0):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._own is not None:
            self._own.cleanup()

    def _campaign(self) -> Campaign:
        from flash_emulator.explore.campaign import Campaign

        assert self._results is not None
        found = [pickle.loads(file.read_bytes()) for file in self._results.iterdir()]  # noqa: S301
        return Campaign(
            "Power loss, explored",
            tuple(sorted(found, key=lambda result: result.name)),
            datetime.now(UTC).isoformat(timespec="seconds"),
            tool=f"mcu-updater {version('mcu-updater')}, pytest {pytest.__version__}",
            command_line=shlex.join(["pytest", *self._config.invocation_params.args]),
        )

    def _write(self, path: Path, render: Callable[[Campaign], str], campaign: Campaign) -> None:
        """Beside and renamed: a report is whole, or it is the old one."""
        beside = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(render(campaign), encoding="utf-8")
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            self._unwritten.append(f"{path} cannot be written: {error.strerror or error}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._unwritten:
            terminalreporter.write_line(f"power loss: {line}", red=True)


def _from_here(config: pytest.Config, path: str | None) -> Path | None:
    """Relative paths are those of whoever typed them."""
    return None if path is None else Path(config.invocation_params.dir, path)
