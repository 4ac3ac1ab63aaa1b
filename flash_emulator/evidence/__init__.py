"""Evidence packs: what a search of compiled firmware came to, as a folder that others can check.

    evidence.html        one page to read
    statement.dsse.json  the one signature: a DSSE envelope around an in-toto statement v1 with the
                         predicate test-result v0.1, which has the SHA-256 of all other files
    evidence.cdx.json    CycloneDX 1.6: declarations of what is shown, definitions of the texts
    certificate.gz       the certificate of the search, see ``flash_emulator.explore.certificate``
    recheck.json         what ``flash_emulator.certificate_check`` said, in a process of its own
    model.json           what the model assumes, and what it leaves out
    tools.json           Python, this program, the packages below it
    pack.json            when it was made, of which board file, and the key that signed
    inputs/              board file, images, part file: byte for byte, in the folders that the board
                         file expects

``facts`` reads all of that into one value; ``statement``, ``bom`` and ``page`` say it, each in its
way. They are functions of the facts alone, so whoever has the folder can make each of them again
and compare. ``flash_emulator.evidence_check`` does. Nothing here imports the search.
"""
