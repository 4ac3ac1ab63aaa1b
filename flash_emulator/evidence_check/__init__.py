"""Checks an evidence pack, alone: a program of its own that imports no search.

    python -m flash_emulator.evidence_check FOLDER --key PUBLIC.pem [--sample N] [--seed N]

What a pack is, ``flash_emulator.evidence`` says. Five questions, in this order:

* Is the statement what the key has signed?
* Are the files those of the statement, each with its digest, none missing, none added? They are
  copied first, and everything else is done with the copy: what was digested is what is used.
* Is the certificate whole, line by line, and of the firmware and board in ``inputs/``? Is the
  recorded verdict one of this certificate, the model statement that of this program?
* Do statement, CycloneDX file and page say what certificate and verdict say? Each is made again,
  and compared byte by byte.
* Does the firmware do what the certificate lists? A sample of states is reached again, cut by cut,
  and booted, from the inputs of the pack and nothing else; and every state of a listed finding.

The sample is drawn at random unless a seed is given: who made the pack cannot know it.
"""

from flash_emulator.evidence_check.check import Checked, check_pack
from flash_emulator.evidence_check.keys import BadKey, Key, read_public_key

__all__ = ["BadKey", "Checked", "Key", "check_pack", "read_public_key"]
