"""A device of a fleet as a film: it did just that, and the map is what its cells hold."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from flash_emulator import EmulatedFlash
from flash_emulator.player import Signs, sector_signs
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.store import Ended, Ending, FleetRun, Store
from mcu_updater.core.errors import UsageError
from mcu_updater.fleet.fault_plan import FleetSettings
from mcu_updater.fleet.fleet import run_fleet, with_devices
from mcu_updater.fleet.recording import TooLong, received, record, record_again, record_apart
from tests.cloud.center.centers import EXAMPLE
from tests.flash_emulator.player.films import signs_of

ROUGH = FleetSettings(seed=3, cuts=4, faults=2, bad_trials=0.2, weak=0.2)


@pytest.fixture(scope="module")
def file() -> CenterFile:
    return read_center(EXAMPLE)


Ran = tuple[FleetRun, dict[str, Ending]]


@pytest.fixture(scope="module")
def ran(file: CenterFile, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A fleet of five that stand in no file; what its state file keeps."""
    path = tmp_path_factory.mktemp("fleet") / "fleet.db"
    list(run_fleet(with_devices(file, 5), path, ROUGH, 1, count=5))
    with closing(Store.open(path, read_only=True)) as store:
        run = store.fleet()
        assert run is not None
        assert (FleetSettings.from_json(run.settings), run.devices) == (ROUGH, 5)
        return run, {ending.device: ending for ending in store.endings()}


def test_every_device_is_replayed_exactly_and_the_map_is_what_its_cells_hold(
    file: CenterFile, ran: Ran, monkeypatch: pytest.MonkeyPatch
):
    run, endings = ran
    usual, flashes = Signs.look, list[EmulatedFlash]()

    def look(signs: Signs, flash: EmulatedFlash, spans: Any) -> str:
        found = usual(signs, flash, spans)
        if len({id(each) for each in flashes}) < 3:  # of two devices at every step
            assert found == sector_signs(flash)
        flashes.append(flash)
        return found

    monkeypatch.setattr(Signs, "look", look)
    for ending in endings.values():
        found = record_again(file, run, ending)
        assert (found.is_same, found.ending) == (True, ending)
        film = found.film
        assert list(signs_of(film))[-1] == sector_signs(flashes[-1])
        kinds = [frame[2] for frame in film["frames"]]
        assert kinds.count("cut") == ending.cuts
        assert kinds.count("boot") == ending.sessions
        assert kinds[-1] == "end"
        assert film["frames"][-1][3].startswith(ending.outcome)
        assert film["notes"][0].startswith("Replayed exactly")
        assert film["sections"][-1]["heading"] == "Decision"
        assert f"version {ending.version}" in film["sections"][-1]["lines"][0]
    assert sum(ending.cuts for ending in endings.values()) >= 6
    assert {ending.outcome for ending in endings.values()} >= {Ended.UPGRADED, Ended.FAILED}


def test_a_cut_says_what_it_left_and_when(file: CenterFile, ran: Ran):
    run, endings = ran
    ending = next(each for each in endings.values() if each.cuts)
    frames = record_again(file, run, ending).film["frames"]
    cut = next(frame for frame in frames if frame[2] == "cut")
    assert cut[3].startswith(f"CUT: power lost at flash operation {cut[1]} ")
    assert any("after:" in line for line in cut[7]["moment"]["flash"])
    times = [frame[6] for frame in frames]
    assert times == sorted(times)
    assert any(frame[3].startswith("journal ") for frame in frames)
    doing = {frame[7]["doing"][0] for frame in frames if frame[2] == "operation"}
    assert doing == {"erase", "program"}


def test_where_the_owner_acted_or_a_file_changed_it_is_another_history(file: CenterFile, ran: Ran):
    run, endings = ran
    ending = endings["device-001"]
    plans = tuple(replace(plan, blacklist=("device-001",)) for plan in file.center.plans)
    changed = replace(file, center=replace(file.center, plans=plans))
    found = record_again(changed, run, ending)
    assert (found.is_same, found.ending.outcome) == (False, Ended.NOT_OFFERED)
    (note,) = found.film["notes"]
    assert note.startswith("This is another history") and ending.digest in note


def test_the_time_is_that_of_the_fleet_though_plans_have_moved(file: CenterFile, ran: Ran):
    run, endings = ran
    (plan,) = file.center.plans
    assert plan.begin is not None
    moved = replace(plan, begin=plan.begin - timedelta(hours=1))
    earlier = replace(file, center=replace(file.center, plans=(moved,)))
    assert record_again(earlier, run, endings["device-002"]).is_same


def test_a_device_that_is_in_no_file_any_more(file: CenterFile, ran: Ran):
    run, endings = ran
    with pytest.raises(UsageError, match="no such device"):
        record_again(file, replace(run, devices=None), endings["device-001"])


@pytest.mark.parametrize(
    "settings",
    [
        *("", "[]", "null", '{"seed": "x"}', '{"seed": 1, "color": 2}', '{"kinds": 3}'),
        *('{"part": "none.toml"}', '{"part": "STM32X"}', '{"part": 7}', '{"weak": null}'),
    ],
)
def test_settings_that_cannot_be(file: CenterFile, ran: Ran, settings: str):
    """Of a state file that somebody touched, or whose part file is gone."""
    run, endings = ran
    with pytest.raises(UsageError, match="cannot be run again; found "):
        record_again(file, replace(run, settings=settings), endings["device-001"])


def test_in_a_process_of_its_own_with_a_limit(
    file: CenterFile, ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run, endings = ran
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ending = endings["device-003"]
    assert record_apart(file, run, ending) == record_again(file, run, ending)
    with pytest.raises(TooLong, match=r"an end within 0\.001 s\. It was ended"):
        record_apart(file, run, ending, 0.001)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_is_no_riddle(ran: Ran):
    receiver, sender = Pipe(duplex=False)
    sender.close()
    with closing(receiver):
        found = received(receiver, ran[1]["device-003"], 1)
    assert isinstance(found, TooLong) and "without a word" in str(found)


def test_a_film_of_a_whole_slot_stays_small(file: CenterFile):
    film = whole_slot(file)
    assert len(film["frames"]) > 700
    assert len(json.dumps(film, separators=(",", ":"))) < 300_000


def whole_slot(file: CenterFile) -> Mapping[str, Any]:
    """Of the largest image that the slot of an L476 takes, with a cut or two."""
    size = 224 * 2048
    image = bytearray(random.Random(1).randbytes(size))
    image[:8] = (0x2000_8000).to_bytes(4, "little") + (0x0800_8009).to_bytes(4, "little")
    (package,) = file.center.packages
    large = replace(package, files=(Path("large.bin"),))
    center = replace(file.center, packages=(large,))
    whole = replace(file, center=center, contents={large.name: (bytes(image),)})
    settings = replace(ROUGH, seed=5, faults=0, bad_trials=0, weak=0)
    found = record(whole, settings, "pump-001")
    assert found.ending.outcome is Ended.UPGRADED and found.is_same is None
    return found.film
