"""The formats of others: in-toto, DSSE, CycloneDX, HTML, each by what others say of it."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cyclonedx.schema import SchemaVersion
from cyclonedx.schema._res import BOM_JSON, JSF, SPDX_JSON
from referencing import Registry, Resource

from flash_emulator.evidence.facts import Result
from flash_emulator.evidence.json_text import Malformed, parsed, text_of
from flash_emulator.evidence.names import BOM, MODEL, PAGE, STATEMENT
from flash_emulator.evidence.texts import NOT_READ, TEXTS
from tests.evidence.conftest import KINDS
from tests.evidence.packs import BOARD, write_board


def envelope(pack: Path) -> Any:
    return json.loads((pack / STATEMENT).read_text())


def statement(pack: Path) -> Any:
    return json.loads(base64.b64decode(envelope(pack)["payload"]))


def bom(pack: Path) -> Any:
    return json.loads((pack / BOM).read_text())


# --- DSSE


def test_the_signature_is_one_of_the_encoding_that_dsse_defines(pack, key) -> None:
    value = envelope(pack("passed"))
    payload, kind = base64.b64decode(value["payload"]), value["payloadType"]
    assert kind == "application/vnd.in-toto+json"
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    (signature,) = value["signatures"]
    public: Any = load_pem_public_key(key.with_suffix(".pub").read_bytes())
    public.verify(base64.b64decode(signature["sig"]), encoded)


# --- in-toto


@pytest.mark.parametrize(
    ("kind", "result"),
    [("passed", "PASSED"), ("narrower", "WARNED"), ("incomplete", "FAILED"), ("failed", "FAILED")],
)
def test_the_statement_has_the_fields_of_test_result(pack, kind, result) -> None:
    value = statement(pack(kind))
    assert list(value) == ["_type", "subject", "predicateType", "predicate"]
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    predicate = value["predicate"]
    lists = ["configuration", "passedTests", "warnedTests", "failedTests"]
    assert list(predicate) == ["result", *lists]
    assert predicate["result"] == result
    for each in (*value["subject"], *predicate["configuration"]):
        assert re.fullmatch("[0-9a-f]{64}", each["digest"]["sha256"])
    assert [each["name"] for each in value["subject"]] == ["inputs/boot.elf"]


def test_tests_are_the_questions_of_the_board(pack) -> None:
    complete = "complete: every state that cuts can come to was booted"
    passed = statement(pack("passed"))["predicate"]
    assert passed["passedTests"] == [complete, "safe", "live", "untouched"]
    assert passed["failedTests"] == []
    failed = statement(pack("failed"))["predicate"]
    assert (failed["passedTests"], failed["failedTests"]) == (
        [complete, "untouched"],
        ["live", "safe"],
    )
    stopped = statement(pack("incomplete"))["predicate"]
    assert (stopped["passedTests"], stopped["failedTests"]) == ([], [complete])


# --- CycloneDX


@cache
def validator() -> Any:
    files = (BOM_JSON[SchemaVersion.V1_6], SPDX_JSON, JSF)
    schema, *others = (json.loads(Path(str(file)).read_text()) for file in files)
    named = [(each["$id"], Resource.from_contents(each)) for each in others]
    return jsonschema.Draft7Validator(schema, registry=Registry().with_resources(named))


@pytest.mark.parametrize("kind", KINDS)
def test_the_declarations_are_cyclonedx(pack, kind) -> None:
    value = bom(pack(kind))
    assert [error.message for error in validator().iter_errors(value)] == []
    refs = re.findall(r'"bom-ref": "([^"]*)"', (pack(kind) / BOM).read_text())
    assert len(refs) == len(set(refs))
    declared = value["declarations"]
    used = {declared["attestations"][0]["assessor"]}
    for attestation in declared["attestations"]:
        for each in attestation["map"]:
            used |= {each["requirement"], *each.get("claims", ()), *each.get("counterClaims", ())}
    for claim in declared["claims"]:
        used |= {claim["target"], *claim["evidence"]}
    assert used <= set(refs)


def test_the_schema_refuses_what_is_none() -> None:
    assert list(validator().iter_errors({"bomFormat": "CycloneDX", "specVersion": 1}))


def test_what_failed_is_a_counter_claim_and_nothing_is_scored(pack) -> None:
    for kind, has_claims, has_counter in (
        ("passed", True, False),
        ("failed", False, True),
        ("incomplete", False, False),
        ("narrower", True, False),
    ):
        text = (pack(kind) / BOM).read_text()
        found = bom(pack(kind))["declarations"]["attestations"]
        maps = [each for attestation in found for each in attestation["map"]]
        assert any("claims" in each for each in maps) == has_claims
        assert any("counterClaims" in each for each in maps) == has_counter
        assert '"score"' not in text
        assert all("Not scored" in each["conformance"]["rationale"] for each in maps)


# --- the page


def test_the_page_says_what_it_shows_and_what_not(pack) -> None:
    page = (pack("passed") / PAGE).read_text()
    for text in TEXTS:
        assert f"Read: {text.read}" in page
        for clause in text.clauses:
            assert f"{clause.number}<br><q>{clause.quote}</q>" in page
            assert clause.not_shown in page
            assert not clause.shows or clause.shows in page
    for name, why in NOT_READ.items():
        assert f"<h3>{name}</h3>\n<p>{why}</p>" in page
        assert why.startswith("not mapped: text not read")
    assert "DMA, USB, Ethernet" in page
    assert "disturbed neighbours" in page


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_claims_that_something_conforms(pack, kind) -> None:
    for name in (PAGE, BOM, STATEMENT):
        text = (pack(kind) / name).read_text().lower()
        assert not re.search(r"\b(complian(t|ce)|complies|conforms|certified|fulfil)", text)
    page = (pack(kind) / PAGE).read_text()
    assert "It claims conformity with none of the texts below" in page
    assert ("passed:" in page) == (kind == "passed")
    assert ("no pass" in page) == (kind != "passed")
    if kind in ("failed", "incomplete"):
        for clause in (each for text in TEXTS for each in text.clauses if each.shows):
            assert clause.shows not in page


def test_questions_that_were_not_asked_show_nothing(pack) -> None:
    from dataclasses import replace

    from flash_emulator.evidence.facts import gather
    from flash_emulator.evidence.mapping import NOTHING, mapped

    facts = gather(pack("passed"), {})
    fewer = replace(facts, asked=tuple(e for e in facts.asked if not e.startswith("live")))
    found = {e.clause.number: e for _, clauses in mapped(fewer) for e in clauses}
    assert found["7.2.2.1.1"].shows == NOTHING
    assert "the board file does not ask live" in found["7.2.2.1.1"].not_shown
    assert {e.shows for e in found.values()} == {NOTHING}
    fewer = replace(facts, asked=tuple(e for e in facts.asked if not e.startswith("untouched")))
    assert list(mapped(fewer)) == list(mapped(facts))


def test_a_board_file_that_asks_less_shows_less(tmp_path) -> None:
    from types import SimpleNamespace
    from typing import cast

    from flash_emulator.evidence.facts import Facts
    from flash_emulator.evidence.mapping import NOTHING, mapped
    from flash_emulator.machine.board_facts import all_not_asked, asked
    from flash_emulator.machine.board_file import read_board_file

    def shown(text: str) -> tuple[set[str], str]:
        read = read_board_file(write_board(tmp_path, text=text))
        totals = SimpleNamespace(totals={"violations": 0})
        questions = tuple(each.partition(":")[0] for each in asked(read.board))
        facts = SimpleNamespace(
            read=read,
            questions=questions,
            wanted=read.board.questions.wanted,
            result=Result.PASSED,
            certificate=totals,
        )
        found = {
            each.clause.number
            for _, clauses in mapped(cast("Facts", facts))
            for each in clauses
            if each.shows != NOTHING
        }
        return found, "; ".join(all_not_asked(read.board))

    all_of_it, left = shown(BOARD)
    assert "Part I, (2)(c)" in all_of_it
    assert "reported" in left and "no rollback" in left and "untouched" not in left
    less, left = shown(BOARD.replace('wanted = "new"', ""))
    assert less == all_of_it - {"Part I, (2)(c)"}
    assert "whether the update is lost" in left
    weak = BOARD.replace("untouched = [[0x0800_0000, 0x4000]]", "").replace('wanted = "new"', "")
    none, left = shown(weak.replace("published = true", ""))
    assert none == set()
    assert "safe (no image has published = true)" in left and "untouched: " in left


def test_the_page_needs_nothing_else_and_runs_nothing(pack) -> None:
    page = (pack("failed") / PAGE).read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page)


# --- JSON in one way only


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '{\n  "a": 1,\n  "a": 1\n}\n', '{\n  "a": NaN\n}\n', "\ufeff{}\n", "{}", ""],
)
def test_json_that_is_written_otherwise(text) -> None:
    with pytest.raises(Malformed):
        parsed(text.encode())


def test_json_that_is_written_as_here() -> None:
    value: dict[str, object] = {"b": [1, "\u00e9"], "a": {}, "c": None}
    assert parsed(text_of(value)) == value
    assert list(parsed(text_of(value))) == ["b", "a", "c"]


# --- the model statement


def test_the_model_statement_is_what_the_docstrings_say(pack) -> None:
    import flash_emulator
    from flash_emulator import explore
    from flash_emulator.machine.board_facts import NOT_MODELLED

    value = json.loads((pack("passed") / MODEL).read_text())
    assert value["not modelled: MCU"] == [f"{NOT_MODELLED}."]
    words = " ".join((explore.__doc__ or "").replace("`", "").split())
    assert len(value["assumed by the search"]) == (explore.__doc__ or "").count("\n* ")
    assert all(each in words for each in map(str.strip, value["assumed by the search"]))
    flash = " ".join((flash_emulator.__doc__ or "").replace("`", "").split())
    assert value["not modelled: flash"][0] in flash
    assert any(each.startswith("assumed: ") for each in value["not confirmed of this part"])
