"""What `make bench` says of a row that has become slower."""

from pathlib import Path

import pytest

from scripts import bench_report
from scripts.bench_report import Row


def test_a_row_that_is_a_third_slower_than_recorded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_report, "RECORD", tmp_path / "benchmarks.json")
    rows = [
        Row(what, "", "", True, figure=figure) for what, figure in (("a", 1.0), ("b", 3.0), ("scale", None))
    ]
    assert bench_report.slower(rows) == []
    bench_report.record(rows, again=False)

    later = [
        Row(what, "", "", True, figure=figure) for what, figure in (("a", 1.3), ("b", 4.5), ("new", 9.0))
    ]
    assert bench_report.slower(later) == ["b: 1.50 times what was recorded"]
    # What is recorded stays, so that many small steps are seen too.
    bench_report.record(later, again=False)
    assert bench_report.slower(later) == ["b: 1.50 times what was recorded"]
    bench_report.record(later, again=True)
    assert bench_report.slower(later) == []


def test_the_record_has_figures_of_rows() -> None:
    assert bench_report.RECORD.exists()
    assert bench_report.slower([Row("agent memory with 1 session", "", "", True, figure=1000.0)])
