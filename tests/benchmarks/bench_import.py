"""Time to import the library beyond torch's own."""

import statistics
import subprocess
import sys

import pytest

MODULES = {
    "import labelleak_lib": "labelleak_lib",
    "import labelleak_lib.models": "labelleak_lib.models.classifier",
    "import labelleak_lib.trials.engine": "labelleak_lib.trials.engine",
}


def seconds(module):
    code = f"import time, torch; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    return statistics.median(float(run.stdout) for run in runs)


@pytest.mark.parametrize("name", MODULES)
def test_import(enter, name):
    goal = {"target": 0.3} if name == "import labelleak_lib" else {}
    enter(
        lambda: seconds(MODULES[name]), subject="import beyond torch's own", name=name, role="at_most", rounds=1,
        wall=True, value=lambda found: found, unit="s", **goal,
    )  # fmt: skip
