"""The journal: what is known of one slot, in the two halves of its trailer.

A half is a **snapshot** (one header, and a checkpoint where one is needed) and **records**,
each at a fixed place:

    +0                +256                         +256 + n*size
    | header      end | settled | record 0 .. n-2  | checkpoint ... |

Rules that keep it canonical, that is, a function of logical progress and of nothing else:

* A snapshot is written whole into the other half: checkpoint, the records of the sectors that are
  done, and the header last. Then the old half's header is erased, and only then ``settled`` is
  written. While both halves have a header, the settled one counts, and of two that are not
  settled the older one, for the newer one may be weak: its turn is one higher, modulo 4. No
  record is ever added to a half that is not settled.
* A record is never skipped and never repaired. What cannot be trusted after a reset is replaced:
  the next start writes a new snapshot of what was read (``needs_snapshot``), so a torn, blank or
  weak record lives for one boot at most. Nothing but half and turn tells the two apart.
* A half is erased before it is used, whatever it reads. Reading 0xFF proves nothing.
* What a cut may have left in a half without a header is not read: the header's last unit tells.

FORMAT.md gives every byte.
"""

from mcu_updater.core.journal.header import (
    CRC_AT,
    END_MARK,
    HEADER_SIZE,
    TURN_AT,
    TURNS,
    decode_header,
    encode_header,
    with_turn,
)
from mcu_updater.core.journal.records import (
    MAX_ATTEMPTS,
    VERIFIED_PLACES,
    Record,
    checkpoint_offset,
    record_bytes,
    record_offset,
    record_size,
    sector_records,
)
from mcu_updater.core.journal.snapshot import (
    COMPONENT_SIZE,
    IN_PROGRESS,
    VERSION_SIZE,
    Package,
    Phase,
    Reason,
    Snapshot,
)
from mcu_updater.core.journal.trailer import Journal, JournalState

__all__ = [
    "COMPONENT_SIZE",
    "CRC_AT",
    "END_MARK",
    "HEADER_SIZE",
    "IN_PROGRESS",
    "MAX_ATTEMPTS",
    "TURNS",
    "TURN_AT",
    "VERIFIED_PLACES",
    "VERSION_SIZE",
    "Journal",
    "JournalState",
    "Package",
    "Phase",
    "Reason",
    "Record",
    "Snapshot",
    "checkpoint_offset",
    "decode_header",
    "encode_header",
    "record_bytes",
    "record_offset",
    "record_size",
    "sector_records",
    "with_turn",
]
