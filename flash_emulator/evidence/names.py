"""What the files of a pack are called, and what each of them is for."""

from __future__ import annotations

PAGE, STATEMENT, BOM = "evidence.html", "statement.dsse.json", "evidence.cdx.json"
CERTIFICATE, RECHECK = "certificate.gz", "recheck.json"
MODEL, TOOLS, PACK = "model.json", "tools.json", "pack.json"
INPUTS = "inputs/"

FORMAT, VERSION = "firmware evidence pack", 1

ROLES = {
    PAGE: "page to read",
    BOM: "CycloneDX declarations",
    CERTIFICATE: "certificate of the search",
    RECHECK: "verdict of the independent re-check",
    MODEL: "model statement",
    TOOLS: "tool versions",
    PACK: "when, of what, by which key",
}
"""Of every file beside the inputs and the statement, which has the digests of all others."""
