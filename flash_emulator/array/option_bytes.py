"""Option bytes: what is programmed, what is loaded, and what a cut leaves of a change.

A change counts when it is loaded: by OBL_LAUNCH or power-on on most families, by any system reset
on H7. Where options are atomic (H7, H5) a cut keeps the old ones. On all others they are erased and
then programmed; a cut leaves a mismatch, and the next load takes the values that the manual gives
for that: read-out protection level 1, everything PCROP. That is the end of the chip for whoever is
inside it: only a host at the boot ROM can mass-erase it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from flash_emulator.compiled import mypyc_attr
from flash_emulator.errors import AlignmentError
from flash_emulator.parts.part_model import OptionModel, OptionRole
from flash_emulator.power import Outcome


@mypyc_attr(allow_interpreted_subclasses=True, serializable=True)
class OptionBytes:
    """The option bytes of one device. Values by name, as the part file calls them."""

    def __init__(self, model: OptionModel) -> None:
        self.model = model
        # values that are replaced, never changed in place: forks share them
        self.programmed = dict(model)
        self.mismatch = False  # what is programmed fails its complement or its ECC
        self.spoiled: frozenset[str] = frozenset()  # the same of single bytes (F1)
        self.protected: frozenset[int] = frozenset()  # offsets of write-protected sectors
        self._digests: dict[str, bytes] = {}
        self._take_effect(self.programmed)

    def _take_effect(self, loaded: dict[str, int]) -> None:
        """These options count from now on. What every operation asks for is worked out here.

        ``read_protected``: all flash is PCROP, it may be executed, not read, programmed or erased.
        ``write_protected``: all sectors are write-protected, by WRP or by PCROP.
        """
        self.loaded = loaded
        self.read_protected = self._role(OptionRole.CODE_PROTECTION, 0) != 0
        self.write_protected = (
            self.read_protected or self._role(OptionRole.WRITE_PROTECTION, 0) != 0
        )

    # --- changing

    def check(self, fields: Mapping[str, int]) -> None:
        """Raises AlignmentError for an option that the part does not have, or that is locked."""
        for name, value in fields.items():
            option = self.model.fields.get(name)
            if option is None:
                known = ", ".join(self.model.fields) or "none"
                raise AlignmentError(f"no option {name!r}; this part has: {known}")
            lifts = option.role is OptionRole.READOUT and option.level(value) == 0
            if lifts and self.readout_level == 1:
                raise AlignmentError(f"{name}: lowered by unprotect_readout, which erases")
        if self.readout_level == 2 and not self._may_change_at_level_2(fields):
            raise AlignmentError("read-out protection level 2: options cannot be changed any more")

    def _may_change_at_level_2(self, fields: Mapping[str, int]) -> bool:
        """H7 may still swap its banks (RM0399)."""
        swaps = all(self.model.fields[name].swaps for name in fields)
        return swaps and self.model.effective == "reset"

    def program(self, fields: Mapping[str, int]) -> None:
        """What is not changed is programmed as it stands; after a mismatch, as it was loaded."""
        spoiled = self.spoiled.difference(fields)
        self.programmed = {**self._standing(), **fields}
        self._changed(mismatch=False)
        self.spoiled = spoiled

    def _standing(self) -> dict[str, int]:
        return self.loaded if self.mismatch else self.programmed

    def _changed(self, *, mismatch: bool) -> None:
        self.mismatch = mismatch
        self.spoiled = frozenset()
        self._digests = {}

    def protect(self, sectors: set[int]) -> None:
        """Write-protect the sectors at these offsets too."""
        self.protected |= sectors
        self._digests = {}

    def unprotect_sectors(self) -> None:
        """Take the write protection of all single sectors away, at once."""
        self.protected = frozenset()
        self._digests = {}

    def cut(self, fields: Mapping[str, int], outcome: Outcome) -> None:
        """Leave of a change what the family leaves. All that is not BEFORE or AFTER is between."""
        if outcome is Outcome.BEFORE:
            return
        if outcome is Outcome.AFTER:
            self.program(fields)
        elif self.model.per_byte:
            spoiled = self.spoiled.union(fields)
            self.program(self.model.mismatch_of(fields))
            self.spoiled = spoiled
        elif self.model.update != "atomic":
            self._changed(mismatch=True)

    def spoil(self) -> None:
        """What is programmed does not match its complement any more."""
        self._changed(mismatch=True)

    def load(self) -> None:
        """Option load: at power-on and OBL_LAUNCH."""
        mismatch = self.mismatch
        self._take_effect(self.model.mismatch(self.programmed) if mismatch else self.programmed)

    def reset(self) -> None:
        """System reset: loads options on families where that is enough."""
        if self.model.effective == "reset":
            self.load()

    def check_unprotect(self) -> None:
        """Raises AlignmentError at level 2, from which there is no way back."""
        if self.readout_level == 2:
            raise AlignmentError("read-out protection level 2 is for ever")

    def unprotect(self) -> None:
        """Level 1 to 0: user options except PCROP keep their values (RM0440 3.5.1).

        After a mismatch those are the values that it made the chip load. F1 has to erase all its
        option bytes for it (PM0075 2.4.2).
        """
        roles = (OptionRole.READOUT, OptionRole.CODE_PROTECTION)
        lifted = {
            name: field.default
            for name, field in self.model.fields.items()
            if field.role in roles or self.model.per_byte
        }
        self.program({**lifted, **self._level_0()})
        self._take_effect(self.programmed)

    def _level_0(self) -> dict[str, int]:
        name = self.model.readout
        return {} if name is None else {name: self.model.fields[name].levels[0]}

    # --- looking

    @property
    def swapped(self) -> bool:
        """Whether the loaded options put bank 2 at the base address."""
        return self.model.swapped(self.loaded)

    @property
    def rom_chooses_bank(self) -> bool:
        """Whether the loaded options let the boot ROM choose a bank after reset (BFB2, nDBOOT)."""
        return any(
            self.loaded[name] == option.active
            for name, option in self.model.fields.items()
            if option.role is OptionRole.BOOT_BANK
        )

    def swap_to(self, bank: int) -> dict[str, int]:
        """The change that puts physical *bank* (0 or 1) at the base address."""
        name = self.model.swap
        if name is None:
            raise AlignmentError("this part has no option that swaps its banks")
        active = self.model.fields[name].active
        assert active is not None
        return {name: active if bank else 1 - active}

    @property
    def readout_level(self) -> int:
        """0, 1 or 2, as loaded; 0 on parts whose option is not known."""
        name = self.model.readout
        return 0 if name is None else self.model.fields[name].level(self.loaded[name])

    @property
    def starts_watchdog(self) -> bool:
        """Whether the loaded options start IWDG at every reset (IWDG_SW, WDG_SW)."""
        return any(
            self.loaded[name] == option.active
            for name, option in self.model.fields.items()
            if option.role is OptionRole.WATCHDOG
        )

    def _role(self, role: OptionRole, default: int) -> int:
        for name, option in self.model.fields.items():
            if option.role is role:
                return self.loaded[name]
        return default

    def take_model(self, model: OptionModel) -> None:
        """The chip is another part from now on, whose options these are.

        Options that both have keep their values; others are as delivered, or as after a mismatch.
        """
        new = dict(model)
        fallen = model.mismatch(new) if self.mismatch else new
        self.programmed = {name: self.programmed.get(name, new[name]) for name in model}
        self.loaded = {name: self.loaded.get(name, fallen[name]) for name in model}
        self.model = model
        self._digests = {}
        self._take_effect(self.loaded)

    # --- keeping

    def copy(self) -> OptionBytes:
        twin: OptionBytes = OptionBytes.__new__(OptionBytes)
        twin.model, twin.programmed, twin.loaded = self.model, self.programmed, self.loaded
        twin.mismatch, twin.spoiled, twin.protected = self.mismatch, self.spoiled, self.protected
        twin.read_protected, twin.write_protected = self.read_protected, self.write_protected
        twin._digests = self._digests
        return twin

    def digest(self, more: str = "") -> bytes:
        """16 bytes over all that survives a cut, and *more*."""
        digest = self._digests.get(more)
        if digest is None:
            more_state = f"{more}{sorted(self.spoiled)}" if self.spoiled else more
            programmed, protected = sorted(self.programmed.items()), sorted(self.protected)
            state = (programmed, self.mismatch, protected, more_state)
            digest = hashlib.blake2b(repr(state).encode(), digest_size=16).digest()
            self._digests = {more: digest}
        return digest

    def save(self) -> dict[str, object]:
        """JSON values."""
        return {
            "programmed": self.programmed,
            "loaded": self.loaded,
            "mismatch": self.mismatch,
            "protected": sorted(self.protected),
            **({"spoiled": sorted(self.spoiled)} if self.spoiled else {}),
        }

    def restore(self, saved: Mapping[str, object]) -> None:
        """Take over what ``save`` gave. Raises ValueError where it does not fit the part."""
        programmed, loaded = saved["programmed"], saved["loaded"]
        if not isinstance(programmed, dict) or not isinstance(loaded, dict):
            raise ValueError("option bytes are not named values")
        if not (set(programmed) | set(loaded)) <= set(self.model.fields):
            raise ValueError(
                f"option bytes {sorted(programmed)}: the part has {sorted(self.model)}"
            )
        delivered = dict(self.model)  # of options that are newer than the file
        self.programmed = {**delivered, **programmed}
        self._take_effect({**delivered, **loaded})
        protected = saved["protected"]
        self.protected = frozenset(protected if isinstance(protected, list) else ())
        self._changed(mismatch=bool(saved["mismatch"]))
        spoiled = saved.get("spoiled", ())
        self.spoiled = frozenset(spoiled if isinstance(spoiled, list) else ())
