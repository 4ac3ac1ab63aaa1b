"""What the JSON files of a pack may hold: these fields, of these types, and no other.

A version or a system is no place for a sentence: what stands there goes to the page as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
)

from flash_emulator.evidence import recheck
from flash_emulator.evidence.tools import NOT_INSTALLED, PACKAGES, PROGRAM

_STRICT = ConfigDict(strict=True, extra="forbid")


def _is_time(text: str) -> str:
    datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    return text


def _like(pattern: str) -> Any:
    return Field(pattern=f"^(?:{pattern})$", max_length=80)


_WORD, _NUMBER = "[0-9A-Za-z_.+-]*", "[0-9][0-9A-Za-z_.+!-]*"
Digest = Annotated[str, _like("[0-9a-f]{64}")]
Version = Annotated[str, _like(_NUMBER)]
Text = Annotated[str, Field(strict=True)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Time = Annotated[
    str, _like("[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z"), AfterValidator(_is_time)
]


class _Signer(BaseModel):
    model_config = _STRICT
    algorithm: Literal["Ed25519", "ECDSA P-256"]
    keyid: Digest


class PackForm(BaseModel):
    model_config = _STRICT
    format: Text
    version: int
    created: Time
    board: Text
    signer: _Signer


class _Program(BaseModel):
    model_config = _STRICT
    name: Literal[PROGRAM]  # type: ignore[valid-type]
    version: Annotated[str, _like(f"{_NUMBER}|{NOT_INSTALLED}")]
    sources: Digest = Field(alias="sources of flash_emulator, SHA-256")


class ToolsForm(BaseModel):
    model_config = _STRICT
    program: _Program
    python: Annotated[str, _like(f"[A-Za-z]+ {_NUMBER}")]
    system: Annotated[str, _like(f"{_WORD} {_WORD}")]
    engine: Annotated[str, _like(f"unicorn (?:{_NUMBER}|None)")]
    packages: dict[Literal[PACKAGES], Version]  # type: ignore[valid-type]


class _Verdict(BaseModel):
    model_config = _STRICT
    kind: Literal[recheck.CONFIRMED, recheck.SAMPLED]  # type: ignore[valid-type]
    checked: Annotated[Count, Field(ge=1)]
    states: Count
    cuts: Count
    violations: Count
    first_violations: list[Annotated[list[Text], Field(min_length=2, max_length=2)]] = Field(
        alias="first violations"
    )
    left_out: list[Text] = Field(alias="left out")
    not_all_ways: Count = Field(alias="boots not read in all ways")
    second_boots: Count = Field(alias="boots of the second model")
    second_times: Count = Field(alias="comparisons with the second model")
    taken_for_granted: list[Text] = Field(alias="taken for granted")
    head: Digest


class _RunAgain(BaseModel):
    model_config = _STRICT
    kind: Literal[recheck.RUN_AGAIN]  # type: ignore[valid-type]
    states: Count
    boots: Count
    head: Digest


class RecheckForm(RootModel[_Verdict | _RunAgain]):
    """By its kind."""

    root: _Verdict | _RunAgain = Field(discriminator="kind")


class ModelForm(RootModel[dict[Text, list[Text]]]):
    """Points in words, by heading."""


Form: TypeAlias = type[PackForm] | type[ToolsForm] | type[RecheckForm] | type[ModelForm]


def what_is_wrong(value: Any, form: Form) -> tuple[str, str] | None:
    """Of the first field: what, and what was expected. None where nothing is."""
    try:
        TypeAdapter(form).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        return f"{where} is not as in a pack", first["msg"]
    return None
