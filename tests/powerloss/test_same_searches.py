"""The comparison of two versions' searches finds what differs, and passes over what may."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.powerloss.same_searches import differences


def written(folder: Path, states: int, created: str, edge: str) -> Path:
    folder.mkdir()
    report = {"created": created, "results": [{"states": states, "elapsed_s": len(created)}]}
    (folder / "r.json").write_text(json.dumps(report))
    lines = [json.dumps({"chain": created}), json.dumps({"edges": [edge]})]
    (folder / "x.certificate.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


def test_times_and_sources_may_differ(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", 3, "now", "e"), written(tmp_path / "b", 3, "later", "e")
    assert not list(differences(one, other))


def test_figures_and_edges_may_not(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", 3, "now", "e"), written(tmp_path / "b", 4, "now", "f")
    assert list(differences(one, other)) == [
        "r.json[0].results[0].states: 3 and 4",
        "x.certificate.gz[1].edges[0]: 'e' and 'f'",
    ]
    (other / "x.certificate.gz").unlink()
    assert "x.certificate.gz: only in one of them" in list(differences(one, other))


def test_nothing_is_not_the_same(tmp_path: Path) -> None:
    assert list(differences(tmp_path, tmp_path))
