"""What the tests do to a device: write with a model beside it, look, and cut its power."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from flash_emulator.contract.layout import ERASED, Expected, Layout, Sector
from flash_emulator.contract.shape import Cuttable, Flash, Switchable
from flash_emulator.power import CutAt, Outcome, SteadySupply


def hexed(address: int) -> str:
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


def fill(device: Flash, expected: Expected, addresses: Sequence[int], salt: int = 0) -> None:
    """Program one unit at each address, in the device and in the model."""
    for address in addresses:
        data = expected.layout.data(address, salt=salt)
        device.program(address, data)
        expected.put(address, data)


def fill_sector(device: Flash, expected: Expected, sector: Sector, salt: int = 0) -> None:
    """Program all of a sector in one call."""
    layout = expected.layout
    data = layout.data(sector.address, sector.size // layout.unit, salt)
    device.program(sector.address, data)
    expected.put(sector.address, data)


def check(device: Flash, expected: Expected, without: range | None = None) -> None:
    """Fail where the device reads anything else than the model; *without* is not looked at."""
    for span in expected.spans(without):
        check_span(device, span, expected.get(span))


def check_span(device: Flash, span: range, wanted: bytes) -> None:
    found = device.read(span.start, len(span))
    if found == wanted:
        return
    if len(found) != len(wanted):
        pytest.fail(f"read {len(found)} bytes at {hexed(span.start)}, asked for {len(wanted)}")
    first = next(i for i in range(len(wanted)) if found[i] != wanted[i])
    count = sum(1 for i in range(len(wanted)) if found[i] != wanted[i])
    pytest.fail(
        f"{count} bytes are wrong, the first at {hexed(span.start + first)}: expected "
        f"{wanted[first : first + 16].hex(' ')}, found {found[first : first + 16].hex(' ')}"
    )


def ending(call: Callable[[], object]) -> BaseException | None:
    """How *call* ended; None when it returned."""
    try:
        call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return error
    return None


def refusal(call: Callable[[], object], what: str) -> None:
    """*call* must raise ValueError: it is the caller's mistake, not the device's."""
    error = ending(call)
    if not isinstance(error, ValueError) or isinstance(error, OSError):
        pytest.fail(f"{what}: expected ValueError, found {said(error)}")


def said(error: BaseException | None) -> str:
    return "no error" if error is None else f"{type(error).__name__}: {error}"


# --- power


def cut(
    device: Cuttable, operation: int, outcome: Outcome, call: Callable[[], object]
) -> BaseException:
    """Lose power in the *operation*-th operation of *call*; what ended it. The device is dead."""
    supply = CutAt(operation, outcome)
    device.supply = supply
    loss = ending(call)
    if loss is None:
        pytest.fail(f"power was cut at operation {operation}, and the call returned")
    if isinstance(loss, Exception):
        pytest.fail(
            f"a cut ended the call with {said(loss)}, which an `except Exception` catches; "
            "expected a BaseException"
        )
    if not supply.fired:
        pytest.fail(f"{said(loss)}, but the supply was asked for {supply.taken} operations only")
    device.supply = SteadySupply()
    return loss


def cut_and_restart(
    device: Cuttable, operation: int, outcome: Outcome, call: Callable[[], object]
) -> None:
    cut(device, operation, outcome, call)
    device.power_on()


def operations(device: Cuttable, call: Callable[[], object]) -> int:
    """For how many operations *call* asks the supply."""
    supply = SteadySupply()
    device.supply = supply
    call()
    return supply.taken


def reads_or_oserror(device: Flash, address: int, size: int) -> bytes | None:
    """What a read gives; None for OSError. Anything else fails, and so does a wrong length."""
    try:
        data = device.read(address, size)
    except OSError:
        return None
    except Exception as error:  # what else there is, is what the clause is about
        pytest.fail(f"read of {size} bytes at {hexed(address)} raised {said(error)}")
    if len(data) != size:
        pytest.fail(f"read {len(data)} bytes at {hexed(address)}, asked for {size}")
    return data


def is_erased(device: Flash, span: range) -> bool:
    return device.read(span.start, len(span)) == ERASED * len(span)


# --- banks


def show_bank(device: Switchable, bank: int) -> bool:
    """Let the CPU see *bank*; whether that took effect at once, without a new power-on."""
    device.map_bank(bank)
    if device.mapped_bank == bank:
        return True
    power_on = getattr(device, "power_on", None)
    if power_on is None:
        pytest.fail(f"map_bank({bank}) has no effect, and there is no power_on to give it one")
    power_on()
    if device.mapped_bank != bank:
        pytest.fail(f"map_bank({bank}) and power_on: bank {device.mapped_bank} is mapped")
    return False


def layout_of(device: Flash) -> Layout:
    return Layout.of(device.geometry)
