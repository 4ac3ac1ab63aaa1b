"""Delta packages: what changed between two images, made on a host and applied while it comes in."""

from mcu_updater.core.delta.container import (
    Algorithm,
    Filter,
    Header,
    Limits,
    Signature,
    SignatureKind,
    parse_header,
)
from mcu_updater.core.delta.decoder import DeltaDecoder, apply_delta
from mcu_updater.core.delta.errors import BaseMismatch, DeltaRejected

__all__ = [
    "Algorithm",
    "BaseMismatch",
    "DeltaDecoder",
    "DeltaRejected",
    "Filter",
    "Header",
    "Limits",
    "Signature",
    "SignatureKind",
    "apply_delta",
    "parse_header",
]
