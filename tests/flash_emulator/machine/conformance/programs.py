"""Cases from a seed: one to four instructions of encodings.txt, or a hand-made turn of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.flash_emulator.machine.conformance.frame import WINDOW, WINDOW_SIZE, Case, Core

V6M, V7M = frozenset({"v6m"}), frozenset({"v6m", "v7m"})
FP = frozenset({"fp"})
CORES = [
    Core("m0", V6M),
    Core("m3", V7M),
    Core("m4", V7M | {"dsp"}),
    Core("m4", V7M | {"dsp"} | FP, floats=True),
    Core("m7", V7M | {"dsp"}),
    Core("m7", V7M | {"dsp", "fp5"} | FP, floats=True),
    Core("m33", V7M | {"dsp", "v8m"}, ram=0x3800_0000),
    Core("m33", V7M | {"dsp", "v8m", "fp5"} | FP, floats=True, ram=0x3800_0000),
]
FLOATING = frozenset({"fp", "fp5"})

_OPCODES = (0, 1, 2, 3, 4, 8, 10, 11, 13, 14)  # AND BIC ORR ORN EOR ADD ADC SBC SUB RSB
_REGISTERS = "dnmatuh"
_WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000)
_FLOATS = (
    *(0, 0x8000_0000, 0x3F80_0000, 0xBF80_0000, 0x7F80_0000, 0xFF80_0000),  # 0, 1, infinity
    *(0x7FC0_0000, 0xFFC1_2345, 0x7F80_0001, 0xFFA0_0000),  # not a number
    *(1, 0x807F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0xFF7F_FFFF),  # smallest, largest
    *(0x4F00_0000, 0xCF00_0000, 0x4F80_0000, 0x3F00_0000, 0x4020_0000, 0xBFC0_0000, 0x4B00_0001),
)
_MODES = (0, 0, 0, 1 << 25, 1 << 24, 1 << 22, 2 << 22, 3 << 22, 0x03C0_0000)  # of FPSCR


@dataclass(frozen=True, slots=True)
class Encoding:
    name: str
    needs: str
    rule: str
    bits: str

    def places(self, letter: str) -> list[int]:
        """Bit numbers of a field, its lowest first."""
        return [n for n, bit in enumerate(reversed(self.bits)) if bit == letter]


def _read() -> list[Encoding]:
    lines = Path(__file__).with_name("encodings.txt").read_text(encoding="utf-8").splitlines()
    return [Encoding(*line.split()) for line in lines if line and not line.startswith("#")]


ENCODINGS = _read()


class Instruction:
    """One, as it is made: fields by letter."""

    def __init__(self, encoding: Encoding, rng: random.Random) -> None:
        self.encoding = encoding
        self.value = 0
        for n, bit in enumerate(reversed(encoding.bits)):
            self.value |= (rng.getrandbits(1) if bit not in "01" else int(bit)) << n

    def __getitem__(self, letter: str) -> int:
        places = self.encoding.places(letter)
        return sum((self.value >> place & 1) << n for n, place in enumerate(places))

    def __setitem__(self, letter: str, field: int) -> None:
        for n, place in enumerate(self.encoding.places(letter)):
            self.value = self.value & ~(1 << place) | (field >> n & 1) << place

    @property
    def half_words(self) -> tuple[int, ...]:
        if len(self.encoding.bits) == 16:
            return (self.value,)
        return self.value >> 16, self.value & 0xFFFF


class Maker:
    """One case. *fixed*: registers that hold an address, which nothing may change."""

    def __init__(self, core: Core, rng: random.Random) -> None:
        self.core, self.rng = core, rng
        self.code: list[int] = []
        self.names: list[str] = []
        self.registers = [self.word() for _ in range(13)]
        self.used: set[int] = set()
        self.fixed: set[int] = set()

    def word(self) -> int:
        rng = self.rng
        kind = rng.randrange(4)
        if kind == 0:
            return rng.choice(_WORDS)
        if kind == 1:
            return -rng.choice(_WORDS) & 0xFFFF_FFFF
        return rng.randrange(40) if kind == 2 else rng.getrandbits(32)

    def case(self, name: str) -> Case:
        rng = self.rng
        floats: tuple[int, ...] = ()
        if self.core.floats:
            floats = (*(self._float() for _ in range(32)), rng.choice(_MODES))
        flags = rng.getrandbits(5) << 27
        if "dsp" in self.core.has:
            flags |= rng.getrandbits(4) << 16
        window = tuple(rng.getrandbits(32) for _ in range(WINDOW_SIZE // 4))
        return Case(name, tuple(self.code), tuple(self.registers), flags, window, floats)

    def _float(self) -> int:
        kind = self.rng.randrange(3)
        if kind == 0:
            return self.rng.choice(_FLOATS)
        small = 127 + self.rng.randrange(-4, 5) << 23 | self.rng.getrandbits(23)
        return self.rng.getrandbits(32) if kind == 1 else small | self.rng.getrandbits(1) << 31

    # --- one instruction

    def add(self, encoding: Encoding) -> None:
        """Raises IndexError where no register is left for an address."""
        instruction = Instruction(encoding, self.rng)
        rule, *numbers = (
            encoding.rule.split("_", 1) if encoding.rule[-1].isdigit() else (encoding.rule,)
        )
        self._choose_registers(instruction, distinct=rule != "-")
        given = [int(number) for number in "".join(numbers).split("_") if number]
        if rule != "-" and rule != "distinct":
            getattr(self, "_" + rule)(instruction, *given)
        self.used |= {instruction[letter] for letter in _REGISTERS if encoding.places(letter)}
        self.code += instruction.half_words
        self.names.append(encoding.name)

    def _choose_registers(self, instruction: Instruction, *, distinct: bool) -> None:
        taken = set(self.fixed)
        for letter in _REGISTERS:
            width = len(instruction.encoding.places(letter))
            if width:
                count = 8 if width == 3 else 13
                register = self.rng.choice([n for n in range(count) if n not in taken])
                instruction[letter] = register | register << 4 if width == 8 else register
                taken |= {register} if distinct else set()

    # --- rules of data processing

    def _modified(self, instruction: Instruction) -> None:
        places = instruction.encoding.places("i")
        instruction["i"] = instruction["i"] | (not instruction["i"] & 0xFF)
        assert places[:8] == list(range(8))
        self._shifted(instruction)

    def _shifted(self, instruction: Instruction) -> None:
        if instruction.encoding.places("o"):
            instruction["o"] = self.rng.choice(_OPCODES)

    def _high(self, instruction: Instruction) -> None:
        """One of the two is R8 or behind."""
        instruction["n"] = self.rng.randrange(8, 13)

    def _to_bit(self, instruction: Instruction) -> None:
        instruction["w"] = self.rng.randrange(instruction["i"], 32)

    def _width(self, instruction: Instruction) -> None:
        instruction["w"] = self.rng.randrange(32 - instruction["i"])

    def _saturate(self, instruction: Instruction) -> None:
        instruction["i"] = instruction["i"] or 31

    def _parallel(self, instruction: Instruction) -> None:
        instruction["o"] = self.rng.choice((0, 1, 2, 4, 5, 6))
        instruction["p"] = self.rng.choice((0, 1, 2, 4, 5, 6))

    def _divides(self, instruction: Instruction) -> None:
        """Any registers; now and then what is divided by nothing, or does not fit."""
        if instruction["m"] not in self.used and self.rng.random() < 0.3:
            self.registers[instruction["m"]] = self.rng.choice((0, 0xFFFF_FFFF, 1))
            self.registers[instruction["n"]] = 0x8000_0000

    # --- rules of floating point

    def _two(self, instruction: Instruction) -> None:
        if instruction.value & 0x2F == 0x2F:  # S31 and nothing
            instruction.value &= ~1

    def _fpscr(self, instruction: Instruction) -> None:
        if instruction["t"] in self.used:
            raise IndexError
        self.registers[instruction["t"]] &= 0xF7C0_009F

    def _floats(self, instruction: Instruction) -> None:
        """VLDM and VSTM of up to 8."""
        first = self.rng.randrange(32)
        count = self.rng.randrange(1, min(8, 32 - first) + 1)
        instruction["?"] = first >> 1 | (first & 1) << 4
        instruction["l"] = count
        self._base(instruction, self.rng.randrange(0, 28, 4))

    # --- rules of memory

    def _base(self, instruction: Instruction, offset: int) -> None:
        """The base register holds what reaches *offset* of the scratch memory."""
        self._fix(instruction["n"], self.core.ram + WINDOW + offset & 0xFFFF_FFFF)

    def _fix(self, register: int, value: int) -> None:
        if register in self.used or register in self.fixed:
            raise IndexError
        self.registers[register] = value
        self.fixed.add(register)

    def _place(self, size: int, *, aligned: bool) -> int:
        place = self.rng.randrange(16, 44)
        return place - place % size if aligned else place

    def _is_aligned(self, scale: int) -> bool:
        return self.core.simple or scale > 1 or self.rng.random() < 0.5

    def _load(self, instruction: Instruction, size: int, scale: int) -> None:
        place = self._place(size, aligned=self._is_aligned(scale))
        self._base(instruction, place - instruction["i"] * scale)

    _store = _load

    def _down(self, instruction: Instruction, size: int, scale: int) -> None:
        instruction["i"] = instruction["i"] | 1
        place = self._place(size, aligned=self._is_aligned(scale))
        self._base(instruction, place + instruction["i"] * scale)

    def _at(self, instruction: Instruction, size: int) -> None:
        self._base(instruction, self._place(size, aligned=True))

    _post = _at

    def _index(self, instruction: Instruction, size: int) -> None:
        index = self.rng.getrandbits(self.rng.randrange(1, 30)) & ~(size - 1)
        self._fix(instruction["m"], index)
        shift = instruction["i"] if instruction.encoding.places("i") else 0
        self._base(instruction, self._place(size, aligned=True) - (index << shift))

    def _double_up(self, instruction: Instruction) -> None:
        self._base(instruction, self._place(4, aligned=True) - 4 * instruction["i"])

    def _double_down(self, instruction: Instruction) -> None:
        self._base(instruction, self._place(4, aligned=True) + 4 * instruction["i"])

    def _multiple(self, instruction: Instruction) -> None:
        self._choose_list(instruction)
        self._base(instruction, 0)

    def _multiple_db(self, instruction: Instruction) -> None:
        self._choose_list(instruction)
        self._base(instruction, WINDOW_SIZE)

    def _choose_list(self, instruction: Instruction) -> None:
        width = len(instruction.encoding.places("l"))
        free = [n for n in range(width) if n not in self.fixed and n != instruction["n"]]
        chosen = self.rng.sample(free, self.rng.randrange(2, len(free) + 1))
        instruction["l"] = sum(1 << n for n in chosen)
        self.used |= set(chosen)


def cases(core: Core, seed: int, count: int) -> list[Case]:
    """*count* cases; each encoding that the core has comes first once by itself."""
    rng = random.Random(f"{core.key} {seed}")
    own = [each for each in ENCODINGS if each.needs in core.has]
    if core.floats:
        own = [each for each in own if each.needs in FLOATING] * 4 + own
    first = list(dict.fromkeys(own))
    found: list[Case] = []
    while len(found) < count:
        turn = len(found)
        if turn < len(first):
            found.append(_plain(core, rng, [first[turn]]))
        elif turn % 6 == 0:
            found.append(_turn(core, rng))
        else:
            found.append(_plain(core, rng, rng.choices(own, k=rng.randrange(1, 5))))
    return found


def _plain(core: Core, rng: random.Random, chosen: list[Encoding]) -> Case:
    while True:
        maker = Maker(core, rng)
        covered = not core.simple and rng.random() < 0.35
        if covered and all(encoding.bits[:8] != "11111110" for encoding in chosen):
            maker.code.append(it(rng, len(chosen)))
            maker.names.append("IT")
        try:
            for encoding in chosen:
                maker.add(encoding)
        except IndexError:  # no register is left for an address: try others, or less
            chosen = chosen[:-1] or chosen
            continue
        return maker.case(" ".join(maker.names))


def it(rng: random.Random, count: int) -> int:
    """IT over *count* instructions, each of them THEN or ELSE."""
    condition = rng.randrange(14)
    mask = 1 << 4 - count
    for n in range(count - 1):
        mask |= (condition & 1 ^ rng.getrandbits(1)) << 3 - n
    return 0xBF00 | condition << 4 | mask


def _turn(core: Core, rng: random.Random) -> Case:
    from tests.flash_emulator.machine.conformance.turns import turns

    maker = Maker(core, rng)
    chosen: Callable[[Maker], tuple[int, ...]] = rng.choice(turns(core))
    maker.code += chosen(maker)
    return maker.case(chosen.__name__)
