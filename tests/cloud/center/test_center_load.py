"""The center file: what is good, and every fault by its place, what was expected and found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_updater.cli import exits
from mcu_updater.cloud.center import load
from mcu_updater.cloud.center.load import BadCenterFile, read_center
from tests.cloud.center.centers import EXAMPLE
from tests.cloud.center.files import GOOD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "full.bin").write_bytes(b"package")
    return tmp_path


def read(folder: Path, text: str):
    path = folder / "center.toml"
    path.write_text(text, encoding="utf-8")
    return read_center(path)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadCenterFile) as caught:
        read(folder, text)
    assert exits.code_for(caught.value) == 3
    assert str(folder) in caught.value.message
    return [str(fault) for fault in caught.value.faults]


def test_a_good_file(folder: Path):
    found = read(folder, GOOD)
    assert [d.id for d in found.center.devices] == ["a-001", "a-002", "a-003"]
    assert found.contents["full"] == (b"package",)
    assert found.center.plans[0].strategy.min_signal == -113
    assert [str(warning) for warning in found.warnings] == ['packages "delta": no plan uses it']


def test_the_example_is_good():
    found = read_center(EXAMPLE)
    assert not found.warnings
    assert len(found.center.devices) == 20


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "retries = 5",
            'retries = "5"',
            r'plans\[1\] "spring", strategy.retries: .*integer, found \'5\'',
        ),
        (
            "retries = 5",
            "retries = -1",
            r"strategy.retries: .*a number of at least 0, found -1",
        ),
        ("retries = 5", "retry = 5", r"strategy.retry: is not known here, found 5"),
        ('name = "spring"', 'name = ""', r"plans\[1\].*, name: cannot be; expected .* at least 1"),
        ('name = "spring"\n', "", r"plans\[1\], name: is missing"),
        (
            'product = "p1"\nbegin',
            'product = "p9"\nbegin',
            r'plans "spring", product: .*one of p1, found \'p9\'',
        ),
        (
            'component = "STM32"',
            'component = "x"',
            r"no such component; expected one of STM32, modem",
        ),
        (
            'component = "STM32"',
            'component = "modem"',
            r"another type of component; expected module, found mcu",
        ),
        (
            'package = "full"',
            'package = "none"',
            r"package: is not known; expected one of full, delta",
        ),
        (
            'kind = "delta"\n',
            "",
            r'packages\[2\] "delta": cannot be; expected a source version for a delta',
        ),
        ('source = "1.0"', 'source = "2.0"', r"other than the target version"),
        (
            'target = "2.0"\nfiles',
            'target = "2 0"\nfiles',
            r"target: cannot be; .*64 letters, digits.* found '2 0'",
        ),
        (
            'files = ["full.bin"]\n\n[[packages]]',
            'files = ["full.elf"]\n\n[[packages]]',
            r"takes no such file; expected .bin .* found full.elf",
        ),
        (
            'files = ["full.bin"]\n\n[[packages]]',
            'files = ["none.bin"]\n\n[[packages]]',
            r"none.bin cannot be read",
        ),
        (
            'files = ["full.bin"]\n\n[[packages]]',
            "files = []\n\n[[packages]]",
            r"files: .*at least 1 item",
        ),
        (
            'files = ["full.bin"]\n\n[[packages]]',
            f"files = {['a.bin'] * 6}\n\n[[packages]]",
            r"files: .*at most 5 items",
        ),
        ("2026-04-01T00:00:00Z", "2026-02-01T00:00:00Z", r"an end after the begin"),
        (
            "2026-04-01T00:00:00Z",
            '"soon"',
            r"end: cannot be; expected a date with its time, .* found 'soon'",
        ),
        (
            "count = 3",
            "count = 0",
            r"devices\[1\], count: cannot be; expected a number from 1 to 10000, found 0",
        ),
        ("count = 3", 'count = "3"', r"count: cannot be"),
        ('STM32 = "1.0"', "STM32 = 1.0", r"versions"),
        (
            'whitelist = ["a-001"]',
            'whitelist = ["a", "a"]',
            r"whitelist: cannot be; expected no name twice",
        ),
        ('key = "p1"', 'key = "p1"\nprotocol = "http"', r"'mqtt' or 'lwm2m', found 'http'"),
        ('id = "STM32"', 'id = "ST:M32"', r"without : ; and"),
        (
            'id = "a"\ncount = 3\nproduct = "p1"',
            'id = "a"\nproduct = "p2"',
            r'devices "a", product: is not known',
        ),
        (
            'name = "delta"',
            'name = "full"',
            r"packages: a name stands twice; expected each name once, found 'full'",
        ),
        ("[[plans]]", "timezone = 5\n[[plans]]", r"timezone: is not known here"),
        (
            'name = "spring"',
            'name = "spring"\ntimezone = "Mars/Base"',
            r"timezone: .*Europe/Berlin",
        ),
        ('name = "spring"', 'name = "spring"\npush_hours = [3, 3]', r"push_hours of one hour"),
        (
            'name = "spring"',
            'name = "spring"\nrejection_minutes = 9',
            r"rejection_minutes: .*10, found 9",
        ),
        ("[[products]]", "[[products]", r"is no TOML; expected TOML 1.0 in UTF-8, found .*line 2"),
    ],
)
def test_faults_have_their_place(old: str, new: str, expected: str, folder: Path):
    assert old in GOOD
    found = faults(folder, GOOD.replace(old, new, 1))
    assert re.search(expected, "\n".join(found)), found


def test_all_faults_at_once(folder: Path):
    text = GOOD.replace("retries = 5", "retries = -1").replace('source = "1.0"', 'source = "1 0"')
    assert len(faults(folder, text)) == 2


def test_sizes_of_files(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "full.bin").write_bytes(b"")
    assert "1 to 104857600 bytes, found 0 bytes" in faults(folder, GOOD)[0]
    (folder / "full.bin").write_bytes(b"12345678")
    monkeypatch.setattr(load, "MAX_FILE_SIZE", 7)
    assert "found 8 bytes" in faults(folder, GOOD)[0]
    monkeypatch.setattr(load, "MAX_FILE_SIZE", 8)
    assert read(folder, GOOD)


def test_files_that_are_none(folder: Path):
    with pytest.raises(BadCenterFile, match="cannot be read"):
        read_center(folder / "none.toml")
    with pytest.raises(BadCenterFile, match="cannot be read"):
        read_center(folder)
    (folder / "latin.toml").write_bytes(b'a = "\xe4"')
    with pytest.raises(BadCenterFile, match="UTF-8"):
        read_center(folder / "latin.toml")
    (folder / "full.bin").unlink()
    (folder / "full.bin").mkdir()
    assert "is no file" in faults(folder, GOOD)[0]


def test_warnings(folder: Path):
    text = GOOD.replace('whitelist = ["a-001"]', 'whitelist = ["z"]\nblacklist = ["z"]')
    texts = [str(warning) for warning in read(folder, text).warnings]
    assert any("whitelist: names devices that are not described, found ['z']" in t for t in texts)
    assert any("no device is left" in t for t in texts)


@pytest.mark.parametrize("suffix", [".rar", ".pack", ".PY"])
def test_files_that_no_device_reads_are_taken_with_a_warning(folder: Path, suffix: str):
    (folder / f"app{suffix}").write_bytes(b"1")
    text = GOOD.replace('"full.bin"', f'"app{suffix}"')
    assert text != GOOD
    said = " ".join(map(str, read(folder, text).warnings))
    assert ("a device cannot unpack RAR" in said) == (suffix == ".rar")
    assert ("nobody can interpret it" in said) == (suffix != ".rar")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = ["products", "packages", "plans", "devices", "components", "name", "count", "id", "files"]


TABLES = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES))


SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(suppress_health_check=SLOW, max_examples=80)
@given(raw=st.dictionaries(st.sampled_from(KEYS), VALUES | TABLES))
def test_whatever_a_file_holds_it_is_read_or_its_faults_are_told(raw, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(load, "_raw", lambda _: raw)
    try:
        read_center(tmp_path / "center.toml")
    except BadCenterFile as error:
        assert error.faults
        assert all(fault.where and fault.what for fault in error.faults)
