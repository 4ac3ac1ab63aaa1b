"""Which clauses of which texts a pack speaks to: what it shows of each, and what it does not.

Only texts that were read are mapped; ``read`` says what was read of each. Quotations are short, and
as the source has them. No clause is met by a pack alone, and nothing here says that one is.
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIMS_NOTHING = (
    "This pack is the result of a test. It claims conformity with none of the texts below, and a "
    "result that passed is no proof of it: what a clause asks for beyond the result stands beside "
    "each."
)


@dataclass(frozen=True, slots=True)
class Clause:
    """*needs*: questions that must have been asked for *shows* to be true of a search that passed.
    *shows* is empty where no result shows anything of this clause."""

    number: str
    quote: str
    shows: str
    not_shown: str
    needs: tuple[str, ...] = ("safe", "live")


@dataclass(frozen=True, slots=True)
class Text:
    name: str
    version: str
    owner: str
    url: str
    read: str
    clauses: tuple[Clause, ...]


WANTED = "whether the update is lost"
"""A question that is a part of live, where the board file has ``questions.wanted``."""

_HARDWARE = "how hardware behaves where it departs from the model"

TEXTS = (
    Text(
        "UN Regulation No. 156",
        "[2021/388], original version",
        "UNECE WP.29",
        "https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:42021X0388",
        "the English text of the Official Journal (OJ L 82, 9.3.2021, p. 60), in a public copy of "
        "EUR-Lex; not the authentic ECE/TRANS/WP.29/2020/80, and no later amendment",
        (
            Clause(
                "7.2.2.1.1",
                "able to restore systems to their previous version in case of a failed or "
                "interrupted update",
                "an update of this firmware that is interrupted by loss of power, however often "
                "and at whatever flash operation, leaves a device that the next boots bring to "
                "rest as the questions want it: on a whole image that the board file publishes",
                "that the previous version runs: any image that the questions allow may; "
                "the vehicle and its other control units; updates that fail for other reasons than "
                "loss of power; whether that rest is a safe state of the vehicle; " + _HARDWARE,
            ),
            Clause(
                "7.2.2.1.2",
                "enough power to complete the update process",
                "",
                "when an update may start, and with how much power",
            ),
        ),
    ),
    Text(
        "Regulation (EU) 2024/2847 (Cyber Resilience Act), Annex I",
        "of 23 October 2024",
        "European Union",
        "https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:32024R2847",
        "the English text of the Official Journal, in a public copy of EUR-Lex; no delegated act, "
        "and no harmonised standard for it",
        (
            Clause(
                "Part I, (2)(c)",
                "vulnerabilities can be addressed through security updates",
                "an update of this firmware can be installed, and loss of power on the way does "
                "not lose the device",
                "automatic updates, notification, opt-out and postponement; that an update mends "
                "anything; that the image that is wanted did not run before; " + _HARDWARE,
                ("safe", "live", WANTED),
            ),
            Clause(
                "Part I, (2)(f)",
                "protect the integrity of stored, transmitted or otherwise processed data",
                "after any loss of power what runs is, byte for byte, an image that the board file "
                "publishes",
                "manipulation: no attacker is modelled and no signature is asked for; data beside "
                "the images; data that are transmitted; whether corruptions are reported to a user",
            ),
            Clause(
                "Part I, (2)(h)",
                "protect the availability of essential and basic functions, also after an incident",
                "after any loss of power during an update the device comes back without help",
                "denial of service; incidents other than loss of power; how long it takes; "
                + _HARDWARE,
            ),
            Clause(
                "Part II, (7)",
                "provide for mechanisms to securely distribute updates",
                "",
                "distribution: the search begins with what lies in flash",
            ),
        ),
    ),
    Text(
        "ETSI EN 303 645",
        "V2.1.1",
        "ETSI",
        "https://www.etsi.org/deliver/etsi_en/303600_303699/303645/02.01.01_60/en_303645v020101p.pdf",
        "its provisions, as the Internet-Draft draft-ietf-iotops-security-summary-01 quotes them; "
        "not the document itself with its notes and examples, and no later version",
        (
            Clause(
                "Provision 5.3-2",
                "an update mechanism for the secure installation of updates",
                "the installation of an update by this firmware ends with a whole image of those "
                "that the board file publishes, whatever loss of power comes in between",
                "misuse of the update mechanism by anybody; the way to the device; " + _HARDWARE,
            ),
            Clause(
                "Provision 5.3-9",
                "verify the authenticity and integrity of software updates",
                "integrity against loss of power: no image runs that is not byte for byte one of "
                "those that the board file publishes",
                "authenticity; whether the device checks anything: an image that is right need not "
                "have been checked",
            ),
            Clause(
                "Provision 5.3-10",
                "verify the authenticity and integrity of each update via a trust relationship",
                "",
                "trust relationships and signatures: none is asked for",
            ),
            Clause(
                "Provision 5.9-2",
                "recover cleanly in the case of restoration of a loss of power",
                "the boots that follow a loss of power in any flash operation come to rest as the "
                "questions want it",
                "loss of network; what the application does beyond its start; " + _HARDWARE,
            ),
        ),
    ),
)

NOT_READ = {
    "EN 18031-1, EN 18031-2, EN 18031-3 (2024)": (
        "not mapped: text not read. They are sold by the members of CEN and CENELEC. What they ask "
        "of secure updates may be more than stands here, or something else."
    )
}
"""Texts that readers may look for, and why they are not mapped."""
