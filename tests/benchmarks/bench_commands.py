"""The two commands that a reader and a contributor wait for, by the clock."""

import os
import re
import subprocess
import time

import pytest

from labelleak_lib.files import ROOT

MINUTES = {"book": 3, "test": 8}


def steps(said):
    """Return what each step took, as the command sums it up, the longest first; empty where it has one step."""
    found = re.findall(r"^(\w+) +passed +(\d+) s$", said, re.MULTILINE)
    return ", ".join(f"{name} {seconds} s" for name, seconds in sorted(found, key=lambda one: -int(one[1])))


@pytest.mark.parametrize("command", MINUTES)
def test_command(enter, tmp_path, command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["LABELLEAK_CACHE"] = str(tmp_path / "cache")

    def run():
        begin = time.perf_counter()
        with (tmp_path / "said").open("w+") as said:
            status = subprocess.run(["make", command], cwd=ROOT, env=environment, stdout=said, stderr=said).returncode
            minutes = (time.perf_counter() - begin) / 60
            said.seek(0)
            text = said.read()
        assert status == 0, text[-20000:]
        return text, minutes

    enter(
        run, subject="commands, with nothing in the cache", name=f"make {command}", role="at_most", rounds=1, wall=True,
        target=MINUTES[command], unit="min", quality=lambda found: steps(found[0]), value=lambda found: found[1],
    )  # fmt: skip
