"""States and boots per second of the explorer, beside littlefs's own test runner in the same run.

The two do not do the same work: ours are distinct states of an update that hashes and verifies an
image, closed under any number of cuts; littlefs's runner repeats tests of a file system in C, cut
once or twice, and counts equal states again. The figures say how each one fares at its own task.
"""

from __future__ import annotations

import peers

from flash_emulator.explore import Limits, Processes, SearchOptions
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.searching import SearchSettings

SIZES = (1900, 3900, 7900)  # bytes: one, two and four sectors of the L476
JOBS = 2


def main() -> None:
    options = SearchOptions(limits=Limits(states=None))
    with Processes(JOBS) as executor:
        settings = SearchSettings(options, executor)
        for size in SIZES:
            world = scenario("good", filled("STM32L476xG", size, "bin"))
            result = campaign.explore(world, settings)
            report = result.report
            assert report is not None, result.error
            assert report.passed, report.violations[:1]
            print(
                f"{size:6d} bytes: {report.states:6,} states, {report.boots:6,} boots, "
                f"{report.cuts:10,} cuts in {report.elapsed_s:6.1f} s on {JOBS} processes: "
                f"{report.states / report.elapsed_s:6.0f} states/s, "
                f"{report.boots_per_s:6.0f} boots/s, {report.cuts / report.elapsed_s:8.0f} cuts/s"
            )
    peer = peers.measure()
    if peer is not None:
        print(
            f"{peer.name} {peer.version}: {peer.what}: {peer.interrupted_states:,} states, "
            f"{peer.boots:,} boots in {peer.wall_s:.1f} s on one process: "
            f"{peer.states_per_s:.0f} states/s, {peer.boots_per_s:.0f} boots/s"
        )


if __name__ == "__main__":
    main()
