"""The campaign of faults in its short form: nothing crashes, is lost or false."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pages import ROOT

pytest.importorskip("pyarrow", reason="needs the bulk extra")
pytest.importorskip("uvicorn", reason="needs the service extra")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes as on Linux")
def test_no_fault_costs_more_than_itself() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "faults.py", ROOT / "examples", "--short"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line[:38].strip(): line[38:].split()[:4] for line in done.stdout.splitlines()}
    assert {"mutated JPEG", "mutated HEIC", "kill bulk", "full disk bulk"} <= rows.keys()
    for name, (tries, *faults) in rows.items():
        if name != "fault":
            assert faults == ["0", "0", "0"], name
            assert int(tries.replace(",", "")) or name.startswith("kill"), name
