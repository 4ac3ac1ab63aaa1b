"""Cases that random instructions do not come to: branches, stacks, exceptions, faults."""

from __future__ import annotations

from collections.abc import Callable

from tests.flash_emulator.machine.conformance.frame import WINDOW, Core
from tests.flash_emulator.machine.conformance.programs import Maker, it

Turn = Callable[[Maker], tuple[int, ...]]

_ICSR, _NOWHERE = 0xE000_ED04, 0xB000_0000
_DSB_ISB = (0xF3BF, 0x8F4F, 0xF3BF, 0x8F6F)
_NMI, _PENDSV, _SYSTICK = 1 << 31, 1 << 28, 1 << 26


def turns(core: Core) -> list[Turn]:
    found: list[Turn] = [
        conditional_branch,
        branch,
        call,
        call_by_register,
        push_and_pop,
        adr,
        load_of_literal,
        svc,
        pended,
        masked,
        nmi,
        nowhere,
        not_thumb,
        udf,
    ]
    if not core.simple:
        found += [
            wide_branch,
            compare_and_branch,
            table_branch,
            exclusive,
            svc_in_it,
            fault_in_it,
            undefined_32,
            base_mask,
            priority_mask,
            wide_push_and_pop,
            exclusive_unaligned,
            wide_literal,
            fault_mask,
            branch_in_it,
            no_thumb_loaded,
        ]
    return found


def _add(register: int, number: int) -> int:
    return 0x3000 | register << 8 | number


def conditional_branch(maker: Maker) -> tuple[int, ...]:
    """Over an addition, on any condition."""
    over = 0xD000 | maker.rng.randrange(14) << 8
    return over, _add(0, 1), _add(1, 1), over | 1, _add(2, 1), _add(3, 1), _add(4, 1)


def branch(maker: Maker) -> tuple[int, ...]:
    count = maker.rng.randrange(4)
    return 0xE000 | count, *[_add(0, 1)] * (count + 2)


def wide_branch(maker: Maker) -> tuple[int, ...]:
    condition = maker.rng.randrange(14)
    return (
        0xF000 | condition << 6,
        0x8001,
        _add(0, 1),
        0xBF00,
        _add(1, 3),
        0xF000,
        0xB801,
        _add(1, 4),
        0xBF00,
    )


def call(maker: Maker) -> tuple[int, ...]:
    """BL forward; the function adds to r1 and returns; then over it."""
    count = maker.rng.randrange(1, 5)
    return 0xF000, 0xF802, _add(0, 1), 0xE000 | count, 0xBF00, *[_add(1, 7)] * (count - 1), 0x4770


def call_by_register(maker: Maker) -> tuple[int, ...]:
    """adr r3; adds r3, #1; blx r3 -- r3 and LR are cleared then, since they hold an address."""
    del maker
    return (0xA302, 0x3301, 0x4798, 0x2300, 0xE002, 0xBF00, 0x3109, 0x4770, 0xBF00)


def push_and_pop(maker: Maker) -> tuple[int, ...]:
    wanted = maker.rng.randrange(1, 256)
    count = wanted.bit_count()
    others = sum(1 << n for n in maker.rng.sample(range(8), count))
    return 0xB400 | wanted, 0x4668, 0xBC00 | others


def wide_push_and_pop(maker: Maker) -> tuple[int, ...]:
    chosen = maker.rng.sample(range(13), maker.rng.randrange(2, 13))
    others = maker.rng.sample(range(13), len(chosen))
    return 0xE92D, sum(1 << n for n in chosen), 0xE8BD, sum(1 << n for n in others)


def adr(maker: Maker) -> tuple[int, ...]:
    """Two of them, and how far apart."""
    first, second = maker.rng.randrange(64), maker.rng.randrange(64)
    return 0xA000 | first, 0xBF00, 0xA100 | second, 0x1A08, 0x2100


def load_of_literal(maker: Maker) -> tuple[int, ...]:
    """ldr r2, [pc]; b over it. In both halves of a word."""
    data = maker.rng.getrandbits(16), maker.rng.getrandbits(16)
    return 0x4A01, 0x4B01, 0xE003, *data, *data


def wide_literal(maker: Maker) -> tuple[int, ...]:
    data = tuple(maker.rng.getrandbits(16) for _ in range(4))
    which = maker.rng.choice((0xF8DF, 0xF8BF, 0xF89F, 0xF9BF, 0xF99F))
    return which, 0x2000 | maker.rng.randrange(2, 9), which, 0x8004, 0xE003, *data


def table_branch(maker: Maker) -> tuple[int, ...]:
    """TBB or TBH [pc, r0] into additions."""
    maker.registers[0] = maker.rng.randrange(3)
    if maker.rng.getrandbits(1):
        return 0xE8DF, 0xF000, 0x0302, 0x0004, _add(1, 1), _add(2, 2), _add(3, 3), _add(4, 4)
    return 0xE8DF, 0xF010, 3, 5, 4, _add(1, 1), _add(2, 2), _add(3, 3), _add(4, 4)


def compare_and_branch(maker: Maker) -> tuple[int, ...]:
    register = maker.rng.randrange(8)
    maker.registers[register] = maker.rng.choice((0, 1, maker.word()))
    return 0xB100 | maker.rng.getrandbits(1) << 11 | 1 << 3 | register, 0xBF00, 0x4680, 0x4689


def exclusive(maker: Maker) -> tuple[int, ...]:
    """LDREX and STREX to the same word, with or without CLREX or another store between."""
    maker.registers[1] = maker.core.ram + WINDOW + 4 * maker.rng.randrange(16)
    between = maker.rng.choice(((), (0xF3BF, 0x8F2F), (0xBF00,), (0x1C40,)))
    return 0xE851, 0x2F00, *between, 0xE841, 0x3400, 0xE841, 0x5600


# --- exceptions


def svc(maker: Maker) -> tuple[int, ...]:
    return 0xDF00 | maker.rng.getrandbits(8), 0x4680, 0x46E1


def svc_in_it(maker: Maker) -> tuple[int, ...]:
    return it(maker.rng, 3), 0x4680, 0xDF11, 0x4689, 0x4692


def _pend(maker: Maker, bits: int) -> tuple[int, ...]:
    maker.registers[6], maker.registers[7] = _ICSR, bits
    return (0x6037, *_DSB_ISB)


def pended(maker: Maker) -> tuple[int, ...]:
    bits = maker.rng.choice((_PENDSV, _SYSTICK, _PENDSV | _SYSTICK))
    return *_pend(maker, bits), _add(0, 1)


def nmi(maker: Maker) -> tuple[int, ...]:
    return *_pend(maker, _NMI), _add(0, 1)


def masked(maker: Maker) -> tuple[int, ...]:
    """It comes when PRIMASK is clear, and not before; or is taken back."""
    clear = maker.rng.getrandbits(1)
    maker.registers[5] = _PENDSV >> 1
    return (
        0xB672,
        *_pend(maker, _PENDSV),
        _add(0, 1),
        *((0x6035,) if clear else ()),
        *_DSB_ISB,
        0xB662,
        0xBF00,
        _add(1, 1),
    )


def fault_mask(maker: Maker) -> tuple[int, ...]:
    return 0xB671, *_pend(maker, _PENDSV), 0xF3EF, 0x8413, 0xB661, 0xBF00, _add(1, 1)


def base_mask(maker: Maker) -> tuple[int, ...]:
    """PendSV has priority 0x80 for the time; BASEPRI is any."""
    maker.registers[4] = 0xE000_ED22
    maker.registers[5] = maker.rng.choice((0, 0x40, 0x80, 0xC0))
    maker.registers[3], maker.registers[2] = 0x80, 0
    return (
        0x7023,
        0xF385,
        0x8811,
        *_pend(maker, _PENDSV),
        0xF3EF,
        0x8811,
        _add(0, 1),
        0xF382,
        0x8811,
        *_DSB_ISB,
        0xBF00,
        0x7022,
        _add(1, 1),
    )


def priority_mask(maker: Maker) -> tuple[int, ...]:
    """MSR and MRS of PRIMASK, and what BASEPRI_MAX does."""
    maker.registers[5], maker.registers[6] = 0x60, maker.rng.choice((0x40, 0x80, 0))
    maker.registers[7] = 0
    return (
        0xF385,
        0x8811,
        0xF386,
        0x8812,
        0xF3EF,
        0x8011,
        0xF387,
        0x8811,
        0xF3EF,
        0x8111,
        0xB672,
        0xF3EF,
        0x8210,
        0xB662,
        0xF3EF,
        0x8310,
    )


# --- faults


def udf(maker: Maker) -> tuple[int, ...]:
    return _add(0, 1), 0xDE00 | maker.rng.getrandbits(8), _add(1, 1)


def undefined_32(maker: Maker) -> tuple[int, ...]:
    """UDF.W, or what is reserved."""
    which = maker.rng.choice(
        ((0xF7F0, 0xA000), (0xFB70, 0x0000), (0xFBC0, 0x0010), (0xFA80, 0xF070))
    )
    return *which, _add(1, 1)


def fault_in_it(maker: Maker) -> tuple[int, ...]:
    maker.registers[1] = _NOWHERE
    fault = maker.rng.choice((0xDE01, 0x6808, 0x6008))
    return it(maker.rng, 4), 0x4690, fault, 0x4699, 0x46A2


def branch_in_it(maker: Maker) -> tuple[int, ...]:
    """The last of a block may be one."""
    count = maker.rng.randrange(1, 4)
    return it(maker.rng, count), *[0x4690] * (count - 1), 0xE000, _add(0, 1), _add(1, 1), _add(2, 1)


def exclusive_unaligned(maker: Maker) -> tuple[int, ...]:
    maker.registers[1] = maker.core.ram + WINDOW + 17
    return *maker.rng.choice(((0xE851, 0x2F00), (0xE841, 0x2300))), _add(4, 1)


def nowhere(maker: Maker) -> tuple[int, ...]:
    maker.registers[1] = _NOWHERE + 4 * maker.rng.randrange(100)
    return maker.rng.choice((0x6808, 0x6008, 0x7808, 0x8008)), _add(4, 1)


def not_thumb(maker: Maker) -> tuple[int, ...]:
    """BX to an even address."""
    maker.registers[1] = maker.core.ram + WINDOW
    return (0x4708,)


def no_thumb_loaded(maker: Maker) -> tuple[int, ...]:
    """LDR PC of an even address; POP of one."""
    maker.registers[1] = maker.core.ram + WINDOW
    maker.registers[2] = maker.core.ram
    return 0x600A, 0xF8D1, 0xF000


# --- what unicorn does otherwise


def unaligned_word(maker: Maker) -> tuple[int, ...]:
    """Armv6-M faults, with every access."""
    maker.registers[1] = maker.core.ram + WINDOW + 17
    return (0x6808,)


def unaligned_words(maker: Maker) -> tuple[int, ...]:
    """All cores fault, where more than one word is moved: ldm r1!, {r2, r3}."""
    maker.registers[1] = maker.core.ram + WINDOW + 17
    return (0xC90C,)


def unaligned_double(maker: Maker) -> tuple[int, ...]:
    """ldrd r2, r3, [r1]."""
    maker.registers[1] = maker.core.ram + WINDOW + 18
    return 0xE9D1, 0x2300


def division_by_zero(maker: Maker) -> tuple[int, ...]:
    """With CCR.DIV_0_TRP."""
    maker.registers[1], maker.registers[2] = 0xE000_ED14, 0x210
    maker.registers[3] = 0
    return 0x600A, *_DSB_ISB, 0xFB90, 0xF5F3


def wide_data_processing(maker: Maker) -> tuple[int, ...]:
    """eor.w r1, r2, r3: Armv6-M has none."""
    del maker
    return 0xEA82, 0x0103


def dsp_multiplication(maker: Maker) -> tuple[int, ...]:
    """smulbb r1, r2, r3: of Armv7E-M."""
    del maker
    return 0xFB12, 0xF103


def load_acquire(maker: Maker) -> tuple[int, ...]:
    """lda r2, [r1]: of Armv8-M."""
    maker.registers[1] = maker.core.ram + WINDOW
    return 0xE8D1, 0x2FAF


def double_precision(maker: Maker) -> tuple[int, ...]:
    """vadd.f64 d0, d1, d2."""
    del maker
    return 0xEE31, 0x0B02


def fixed_point(maker: Maker) -> tuple[int, ...]:
    """vcvt.f32.s32 s0, s0, #4, of a number that has to be rounded, towards zero."""
    maker.registers[1], maker.registers[2] = 0x7FFF_FFFF, 3 << 22
    return 0xEE00, 0x1A10, 0xEEE1, 0x2A10, 0xEEBA, 0x0ACE


DIFFERENT: list[tuple[Turn, tuple[str, ...]]] = [
    (unaligned_word, ("m0",)),
    (unaligned_words, ("m0", "m3", "m4", "m7", "m33")),
    (unaligned_double, ("m3", "m4", "m7", "m33")),
    (division_by_zero, ("m3", "m4", "m7", "m33")),
    (wide_data_processing, ("m0",)),
    (dsp_multiplication, ("m3",)),
    (load_acquire, ("m3", "m4", "m7")),
    (double_precision, ("m7f",)),
    (fixed_point, ("m4f", "m7f", "m33f")),
]
"""With the cores that differ. Said in docs/reference/machine.md."""
