"""What each part's ROM does: who it is, what it refuses, what it acknowledges and does not do."""

from __future__ import annotations

import pytest

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Outcome,
    Part,
    PartError,
    load_part,
    load_part_file,
    part_names,
)
from flash_emulator.an3155 import ACK, CRC_INITIAL, Bulk, Command, crc32
from flash_emulator.bootrom import Chip, Fault, RomOptions, State, model_of, numbers
from flash_emulator.parts.part_file import package_toml
from mcu_updater.stm32 import an3155 as host
from mcu_updater.stm32.an3155 import Accepted, Refused
from tests.flash_emulator.bootrom.rom_host import BASE, ask, chip_of, connect, data_of

DATA = bytes(range(1, 129)) * 2


# --- who is there


@pytest.mark.parametrize("part", part_names())
def test_every_part_says_who_it_is_and_can_be_written(part: str) -> None:
    chip = chip_of(part)
    info = host.RomInfo.of(data_of(chip, host.get()))
    assert host.pid_of(data_of(chip, host.get_id())) == chip.device.part.identity.usart_pid
    assert data_of(chip, host.get_version())[0] == info.version
    assert info.has(Command.EXTENDED_ERASE) == (info.version >= 0x30)
    erased = host.extended_erase([1]) if info.has(Command.EXTENDED_ERASE) else host.erase([1])
    assert isinstance(ask(chip, erased), Accepted)
    assert chip.device.usage.erases == 1
    assert isinstance(ask(chip, host.write(BASE + 256, DATA)), Accepted)
    assert data_of(chip, host.read(BASE + 256, 256)) == DATA
    assert data_of(chip, host.read(BASE, 256)) == b"\xff" * 256
    assert chip.device.read(BASE + 256, 256) == DATA


@pytest.mark.parametrize("part", part_names())
def test_identity_and_flash_size_can_be_read(part: str) -> None:
    chip = chip_of(part)
    identity = chip.device.part.identity
    assert identity.flash_size_reg is not None and identity.uid is not None
    size = data_of(chip, host.read(identity.flash_size_reg, 2))
    assert int.from_bytes(size, "little") << 10 == chip.device.part.size
    assert data_of(chip, host.read(identity.uid, 12)) == chip.memory.uid
    other = Chip(EmulatedFlash(chip.device.part, seed=1))
    assert other.memory.uid != chip.memory.uid


def test_roms_of_the_table_belong_to_parts_and_name_their_sources() -> None:
    roms, documents = package_toml("bootrom/roms.toml"), package_toml("documents.toml")
    assert set(roms) == set(part_names())
    for name, rom in roms.items():
        assert rom["sources"], name
        assert set(rom["sources"]) <= set(documents), name
        assert set(rom["recalled"]) <= set(rom), name
    assert model_of(load_part("STM32F103x8")).commands.count(Command.ERASE) == 1


# --- addresses


@pytest.mark.parametrize(
    "exchange",
    [
        host.read(0x0900_0000, 4),
        host.write(0x0900_0000, bytes(4)),
        host.write(0x2000_3000, bytes(4)),  # the ROM's own RAM
        host.write(0x1FFF_7590, bytes(4)),  # the identity
        host.write(0x1FFF_7808, bytes(4)),  # option bytes, but not from their start
        host.go(0x1FFF_7800),
        host.go(0x2000_0000),
        host.read(BASE + 0x10_0000 - 4, 8),  # over the end
        host.write(BASE + 0x10_0000 - 4, bytes(8)),
    ],
)
def test_what_is_not_there_is_refused(exchange) -> None:
    chip = chip_of()
    assert ask(chip, exchange) == Refused()
    assert chip.state is State.ROM
    assert chip.device.usage.programs == 0


def test_ram_is_there_until_power_goes() -> None:
    chip = chip_of()
    assert isinstance(ask(chip, host.write(0x2000_3100, DATA)), Accepted)
    chip.reset()
    connect(chip)
    assert data_of(chip, host.read(0x2000_3100, 256)) == DATA
    chip.power_on()
    connect(chip)
    assert data_of(chip, host.read(0x2000_3100, 256)) == bytes(256)


def test_go_leaves_the_rom() -> None:
    chip = chip_of()
    assert isinstance(ask(chip, host.go(BASE)), Accepted)
    assert chip.state is State.APPLICATION
    assert connect(chip) == b""
    chip.reset()
    assert connect(chip) == bytes((ACK,))


# --- ACK is no proof


def test_units_written_in_part_are_acknowledged_and_dropped() -> None:
    """L471, F412, H503, H742: seen in the field."""
    chip = chip_of()
    for address, size in ((BASE, 12), (BASE + 0x104, 8), (BASE + 0x200, 4)):
        assert isinstance(ask(chip, host.write(address, DATA[:size])), Accepted)
    assert chip.device.read(BASE, 16) == DATA[:8] + b"\xff" * 8
    assert chip.device.read(BASE + 0x100, 16) == b"\xff" * 16
    assert chip.device.read(BASE + 0x200, 8) == b"\xff" * 8


def test_or_padded_where_the_rom_is_said_to_pad() -> None:
    chip = chip_of(options=RomOptions(short_writes="pad"))
    assert isinstance(ask(chip, host.write(BASE + 4, DATA[:8])), Accepted)
    assert chip.device.read(BASE, 16) == b"\xff" * 4 + DATA[:8] + b"\xff" * 4


def test_parts_of_small_units_take_short_writes() -> None:
    chip = chip_of("STM32F429xI")
    assert isinstance(ask(chip, host.write(BASE + 4, DATA[:4])), Accepted)
    assert chip.device.read(BASE + 4, 4) == DATA[:4]


@pytest.mark.parametrize("part", ["STM32F103x8", "STM32F429xI", "STM32L476xG", "STM32U575xI"])
def test_protected_sectors_are_passed_over_in_silence(part: str) -> None:
    chip = chip_of(part)
    chip.device.preload(BASE, DATA)
    assert isinstance(ask(chip, host.write_protect([0])), Accepted)
    assert (chip.state, chip.resets) == (State.ROM, 1)
    assert ask(chip, host.get()) is None  # it has reset
    connect(chip)
    modern = chip.model.extended_erase
    wiped = host.extended_erase_bulk(Bulk.MASS) if modern else host.erase_everything()
    for exchange in (host.write(BASE, bytes(256)), wiped):
        assert isinstance(ask(chip, exchange), Accepted)
    assert chip.device.read(BASE, 256) == DATA
    assert isinstance(ask(chip, host.write_unprotect()), Accepted)
    connect(chip)
    assert isinstance(ask(chip, wiped), Accepted)
    assert chip.device.read(BASE, 256) == b"\xff" * 256


def test_write_protect_replaces_what_was_protected_and_f1_codes_are_four_kilobytes() -> None:
    chip = chip_of("STM32F103xG")
    for codes in ([0], [1, 31]):
        assert isinstance(ask(chip, host.write_protect(codes)), Accepted)
        connect(chip)
    protected = {offset >> 11 for offset in chip.device.options.protected}
    assert protected == {2, 3, *range(62, 512)}


def test_a_refused_program_is_acknowledged_unless_asked_otherwise() -> None:
    for options, expected in (
        (None, Accepted(b"")),
        (RomOptions(refused_writes="nack"), Refused()),
    ):
        chip = chip_of(options=options)
        ask(chip, host.write(BASE, DATA))
        assert ask(chip, host.write(BASE, DATA[::-1])) == expected
        assert data_of(chip, host.read(BASE, 256)) == DATA


def test_f4_ands_and_h7_breaks_its_ecc_over_what_was_written() -> None:
    chip = chip_of("STM32F429xI")
    for byte in (0x0F, 0xFC):
        ask(chip, host.write(BASE, bytes((byte,)) * 16))
    assert data_of(chip, host.read(BASE, 16)) == b"\x0c" * 16
    chip = chip_of("STM32H743xI")
    for seed in (0x35, 0xA6):
        ask(chip, host.write(BASE, bytes((seed, seed ^ 0x11)) * 16))
    assert ask(chip, host.read(BASE, 32)) is None
    assert chip.state is State.HUNG


# --- units that cannot be read


@pytest.mark.parametrize(
    ("bad_read", "answer", "state"),
    [("hang", None, State.HUNG), ("nack", Refused(), State.ROM), ("reset", None, State.ROM)],
)
def test_a_double_error(bad_read, answer, state) -> None:
    chip = chip_of(options=RomOptions(bad_read=bad_read))
    chip.device.spoil(BASE + 0x800)
    assert isinstance(ask(chip, host.read(BASE, 256)), Accepted)
    assert ask(chip, host.read(BASE + 0x800, 256)) == answer
    assert chip.state is state
    if bad_read != "nack":
        assert ask(chip, host.get()) is None
        chip.reset()
        connect(chip)
    assert isinstance(ask(chip, host.extended_erase([1])), Accepted)
    assert data_of(chip, host.read(BASE + 0x800, 4)) == b"\xff" * 4


# --- erasing


def test_pages_count_through_both_banks() -> None:
    chip = chip_of()
    for address in (BASE, BASE + 0x8_0000):
        chip.device.preload(address, DATA)
    assert isinstance(ask(chip, host.extended_erase([256])), Accepted)
    assert chip.device.read(BASE + 0x8_0000, 4) == b"\xff" * 4
    assert chip.device.read(BASE, 256) == DATA


@pytest.mark.parametrize(("what", "left"), [(Bulk.BANK_1, 1), (Bulk.BANK_2, 0), (Bulk.MASS, None)])
def test_banks_and_everything(what: Bulk, left: int | None) -> None:
    chip = chip_of("STM32G474xE_dual")
    for bank in (0, 1):
        chip.device.preload(BASE + bank * 0x4_0000, DATA)
    assert isinstance(ask(chip, host.extended_erase_bulk(what)), Accepted)
    held = [chip.device.read(BASE + bank * 0x4_0000, 256) == DATA for bank in (0, 1)]
    assert held == [left == 0, left == 1]


def test_bank_2_of_a_part_with_one_is_refused() -> None:
    chip = chip_of("STM32F407xG")
    assert ask(chip, host.extended_erase_bulk(Bulk.BANK_2)) == Refused()


def test_pages_that_do_not_exist() -> None:
    chip = chip_of("STM32F407xG")
    assert ask(chip, host.extended_erase([0, 12])) == Refused()
    assert chip.device.usage.erases == 0
    chip = chip_of("STM32F407xG", RomOptions(bad_pages="ignore"))
    assert isinstance(ask(chip, host.extended_erase([0, 12])), Accepted)
    assert chip.device.usage.erases == 1


@pytest.mark.parametrize(
    ("part", "wiped"),
    [
        (load_part("STM32G0B1xE"), 0),
        (load_part("STM32U575xI"), 0),
        (load_part("STM32H563xI"), 0),
        (load_part("STM32H743xI"), 1),
        (load_part("STM32L552xE"), 1),
        (load_part("STM32L552xE").with_sector_erase_bank("physical"), 0),
    ],
    ids=["G0", "U5", "H5", "H7", "L5 as RM0438 was read", "L5 as its sisters"],
)
def test_pages_where_the_swap_option_has_swapped(part: Part, wiped: int) -> None:
    """BKER of G0, U5, H5 names physical banks. H7: register sets swap. L5: disputed."""
    chip = Chip(EmulatedFlash(part))
    connect(chip)
    chip.device.map_bank(1)
    chip.reload()
    connect(chip)
    half = chip.device.part.bank_size
    for address in (BASE, BASE + half):
        chip.device.preload(address, DATA)  # at the base: physical bank 1
    assert isinstance(ask(chip, host.extended_erase([0])), Accepted)
    physical = {1: chip.device.read(BASE, 256), 0: chip.device.read(BASE + half, 256)}
    assert physical == {wiped: b"\xff" * 256, 1 - wiped: DATA}


# --- options and read-out protection


def test_options_are_written_at_once_and_the_chip_resets() -> None:
    chip = chip_of()
    area = 0x1FFF_7800
    options = bytearray(data_of(chip, host.read(area, 16)))
    assert options[0] == 0xAA
    options[2] |= 1 << 4  # BFB2, bit 20
    assert isinstance(ask(chip, host.write_options(area, bytes(options))), Accepted)
    assert chip.resets == 1
    assert ask(chip, host.get()) is None
    connect(chip)
    assert chip.device.options.loaded["BFB2"] == 1
    assert data_of(chip, host.read(area, 16)) == options
    assert chip.device.mapped_bank == 0  # the ROM does not map, it jumps


def test_h7_has_no_option_bytes_in_memory() -> None:
    assert ask(chip_of("STM32H743xI"), host.read(0x1FFF_7800, 4)) == Refused()


@pytest.mark.parametrize("part", ["STM32F103x8", "STM32F429xI", "STM32L476xG", "STM32H743xI"])
def test_readout_protection_and_back(part: str) -> None:
    chip = chip_of(part)
    ask(chip, host.write(BASE, DATA))
    assert isinstance(ask(chip, host.readout_protect()), Accepted)
    assert ask(chip, host.get()) is None
    connect(chip)
    modern = chip.model.extended_erase
    for exchange in (
        host.read(BASE, 4),
        host.write(BASE, DATA),
        host.go(BASE),
        host.extended_erase([0]) if modern else host.erase([0]),
        host.write_protect([0]),
        host.write_unprotect(),
        host.readout_protect(),
    ):
        assert ask(chip, exchange) == Refused()
    for exchange in (host.get(), host.get_version(), host.get_id()):
        assert isinstance(ask(chip, exchange), Accepted)
    chip.power_on()
    connect(chip)
    assert ask(chip, host.read(BASE, 4)) == Refused()
    assert isinstance(ask(chip, host.readout_unprotect()), Accepted)
    connect(chip)
    assert data_of(chip, host.read(BASE, 256)) == b"\xff" * 256


def test_lifting_the_protection_keeps_user_options() -> None:
    """RM0440 3.5.1, as the device has it: the ROM has no rule of its own."""
    chip = chip_of()
    area = 0x1FFF_7800
    options = bytearray(data_of(chip, host.read(area, 16)))
    options[0], options[1], options[2] = 0xBB, options[1] & ~7 | 3, options[2] | 1 << 4
    options[8] = 0x5A  # stands for nothing in the model
    ask(chip, host.write_options(area, bytes(options)))
    connect(chip)
    assert chip.memory.readout_level == 1
    assert isinstance(ask(chip, host.readout_unprotect()), Accepted)
    connect(chip)
    options[0] = 0xAA
    assert data_of(chip, host.read(area, 16)) == options
    loaded = chip.device.options.loaded
    assert (loaded["BFB2"], loaded["BOR_LEV"], loaded["RDP"]) == (1, 3, 0xAA)


def test_a_cut_while_options_change_leaves_a_locked_chip_that_a_mass_erase_frees() -> None:
    chip = chip_of()
    ask(chip, host.write(BASE, DATA))
    area = 0x1FFF_7800
    options = bytearray(data_of(chip, host.read(area, 16)))
    options[2] |= 1 << 4
    chip.device.supply = CutAt(1, Outcome.TORN)
    assert ask(chip, host.write_options(area, bytes(options))) is None
    assert chip.state is State.OFF
    chip.power_on()
    connect(chip)
    assert ask(chip, host.read(BASE, 4)) == Refused()
    assert isinstance(ask(chip, host.readout_unprotect()), Accepted)
    connect(chip)
    assert data_of(chip, host.read(BASE, 8)) == b"\xff" * 8


# --- checksum


def test_get_checksum_in_both_dialects() -> None:
    chip = chip_of(options=RomOptions(version=0x33))
    assert host.RomInfo.of(data_of(chip, host.get())).has(Command.GET_CHECKSUM)
    ask(chip, host.write(BASE, DATA))
    assert host.crc_of(data_of(chip, host.get_checksum(BASE, 256))) == crc32(DATA)
    other = host.get_checksum(BASE, 256, polynomial=0x8005, initial=7)
    assert host.crc_of(data_of(chip, other)) == crc32(DATA, 0x8005, 7) != crc32(DATA)
    chip = chip_of(options=RomOptions(version=0x33, checksum_dialect="private"))
    ask(chip, host.write(BASE, DATA))
    assert host.crc_of(data_of(chip, host.get_checksum_private(BASE, 256))) == crc32(DATA)
    assert crc32(DATA) != CRC_INITIAL


def test_the_wrong_dialect_is_found_out_and_resync_mends_it() -> None:
    """An AN3155 host at a ROM of the older dialect: the second answer is a CRC's first bytes."""
    chip = chip_of(options=RomOptions(version=0x33, checksum_dialect="private"))
    answer = ask(chip, host.get_checksum(BASE, 256))
    assert not isinstance(answer, Accepted)
    assert isinstance(ask(chip, host.get()), Accepted)


def test_a_rom_without_it_refuses() -> None:
    assert ask(chip_of(), host.get_checksum(BASE, 256)) == Refused()


# --- resets, power, faults


def test_the_flash_empty_flag_keeps_the_rom_until_options_are_loaded() -> None:
    part = load_part("STM32G0B1xE")
    chip = Chip(EmulatedFlash(part), boot0=False)
    empty = chip.state
    assert empty is State.ROM  # nothing to run
    connect(chip)
    ask(chip, host.write(BASE, DATA))
    chip.reset()
    written = chip.state
    assert written is State.ROM  # there is something now, and the flag still stands
    chip.reload()
    assert chip.state is State.APPLICATION
    assert Chip(EmulatedFlash(load_part("STM32L476xG")), boot0=False).state is State.APPLICATION


def test_nrst_holds_the_chip() -> None:
    chip = chip_of()
    chip.set_nrst(False)
    assert ask(chip, host.get()) is None
    chip.set_nrst(True)
    assert connect(chip) == bytes((ACK,))
    chip.power_off()
    chip.set_nrst(False)
    chip.set_nrst(True)
    assert chip.state is State.OFF


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_cut_in_a_write_leaves_what_the_device_says(outcome: Outcome) -> None:
    chip = chip_of(options=RomOptions(bad_read="nack"))
    chip.device.supply = CutAt(3, outcome)
    assert ask(chip, host.write(BASE, DATA)) is None
    assert (chip.state, ask(chip, host.get())) == (State.OFF, None)
    assert chip.cut is not None
    assert chip.cut.address == BASE + 16
    chip.power_on()
    connect(chip)
    assert data_of(chip, host.read(BASE, 16)) == DATA[:16]
    assert data_of(chip, host.read(BASE + 24, 8)) == b"\xff" * 8


def test_time_passes_on_the_devices_clock() -> None:
    chip = chip_of()
    ask(chip, host.extended_erase([0]))
    erased_us = chip.device.clock.now_us
    assert erased_us == 24_470
    ask(chip, host.write(BASE, DATA))
    assert chip.device.clock.now_us - erased_us == 32 * 90


@pytest.mark.parametrize(
    ("fault", "answer", "state"),
    [
        ("nack:write:2", Refused(), State.ROM),
        ("hang:any:2", None, State.HUNG),
        ("reset:write:2", None, State.ROM),
        ("skip:write:2", Accepted(b""), State.ROM),
        ("busy:write:2", Accepted(b""), State.ROM),
    ],
)
def test_faults_on_order(fault, answer, state) -> None:
    chip = chip_of("STM32L476xG", None, Fault.parse(fault))
    assert ask(chip, host.write(BASE, DATA)) == Accepted(b"")
    assert ask(chip, host.write(BASE + 256, DATA)) == answer
    assert chip.state is state
    written = fault.startswith("busy")
    assert chip.device.read(BASE + 256, 256) == (DATA if written else b"\xff" * 256)
    if fault.startswith("nack"):
        assert ask(chip, host.write(BASE + 256, DATA)) == Accepted(b"")


def test_a_spoilt_read_and_faults_that_last() -> None:
    chip = chip_of("STM32L476xG", None, Fault.parse("spoil:read:1+"))
    for _ in range(3):
        assert data_of(chip, host.read(BASE, 2)) == b"\xfe\xff"


@pytest.mark.parametrize(
    "text", ["", "nack", "nack:wipe", "burn:write", "nack:write:0", "nack:write:x"]
)
def test_a_fault_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"none of|no number"):
        Fault.parse(text)


# --- what the erase commands call a page, and where options stand in the option bytes


@pytest.mark.parametrize("part", ["STM32F429xG_DB1M", "STM32F767xG_dual"])
def test_bank_2_of_512_kb_begins_with_sector_12(part: str) -> None:
    """RM0090 table 7: 8 to 11 are none."""
    chip = chip_of(part)
    device = chip.device
    for address in (0x080E_0000, 0x0808_0000, 0x0809_0000):
        device.preload(address, bytes(16))
    for number in (8, 11, 20):
        assert isinstance(ask(chip, host.extended_erase([number])), host.Refused)
    assert isinstance(ask(chip, host.extended_erase([12, 16])), Accepted)
    assert device.read(0x0808_0000, 16) == device.read(0x0809_0000, 16) == b"\xff" * 16
    assert device.read(0x080E_0000, 16) == bytes(16)


@pytest.mark.parametrize(
    ("part", "word", "bit", "value"),
    [
        ("STM32F429xG", 0x1FFF_C008, 14, 0),  # DB1M: RM0090 table 17
        ("STM32F429xG_DB1M", 0x1FFF_C008, 14, 1),
        ("STM32F767xI_dual", 0x1FFF_0008, 13, 0),  # nDBANK: ST's code of AN4667
        ("STM32F767xI_single", 0x1FFF_0008, 13, 1),
        ("STM32L476xE_single", 0x1FFF_7800, 21, 0),  # DUALBANK: CMSIS
        ("STM32G474xE_dual", 0x1FFF_7800, 22, 1),  # DBANK: RM0440
        ("STM32G0B1xE_single", 0x1FFF_7800, 21, 0),  # DUAL_BANK: CMSIS
    ],
)
def test_the_options_that_make_banks_are_read_where_documents_have_them(
    part: str, word: int, bit: int, value: int
) -> None:
    read = int.from_bytes(data_of(chip_of(part), host.read(word, 4)), "little")
    assert read >> bit & 1 == value


def test_a_table_of_sectors_for_another_flash_is_an_error(monkeypatch) -> None:
    rows = {"STM32L476xG": [[0, BASE, 256, 0x800], [256, 0x0804_0000, 256, 0x800]]}
    real = package_toml
    monkeypatch.setattr(
        numbers, "package_toml", lambda p: rows if p.endswith("erase_numbers.toml") else real(p)
    )
    with pytest.raises(PartError, match="for another flash"):
        chip_of("STM32L476xG")


def test_a_rom_of_a_part_of_ones_own_counts_as_its_file_says(tmp_path) -> None:
    text = (
        'name = "MINE"\nclass = "l4"\n[geometry]\nbase = 0x0800_0000\nsize = 0x8000\n'
        "bank_count = 2\nsectors = [[8, 2048]]\nrom_first_sectors = [0, 100]\n"
        'sources = ["CMSIS-L476"]\n[banks]\naliasing = "none"\nrww = true\n'
        'sources = ["CMSIS-L476"]\n[identity]\nusart_pid = 0x415\nsources = ["CMSIS-L476"]\n'
    )
    (tmp_path / "mine.toml").write_text(text)
    chip = Chip(EmulatedFlash(load_part_file(tmp_path / "mine.toml")))
    assert chip.memory.pieces[100] == range(0x0800_4000, 0x0800_4800)
    assert 8 not in chip.memory.pieces


def test_a_change_of_db1m_makes_two_banks_and_other_numbers() -> None:
    chip = chip_of("STM32F429xG")
    before = data_of(chip, host.read(0x1FFF_C000, 16))
    assert 12 not in chip.memory.pieces
    changed = bytearray(before)
    changed[9] |= 1 << 6  # bit 14 of the third word
    assert isinstance(ask(chip, host.write_options(0x1FFF_C000, bytes(changed))), Accepted)
    connect(chip)
    assert chip.device.part.name == "STM32F429xG_DB1M"
    assert chip.memory.pieces[12] == range(0x0808_0000, 0x0808_4000)
    assert data_of(chip, host.read(0x1FFF_C008, 8)) == bytes(changed[8:])
