"""The worked examples of the page on audits: each runs in a folder of its own, and what it prints is stored beside it.

`python -m labelleak_lib.authoring.examples [book/examples/NAME.py ...]` stores what the page shows and tests compare.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

EXAMPLES = Path("book/examples")
NEEDED = {"onnx_file": ("onnx", "onnxruntime", "onnxscript")}
"""Packages of examples that the project's environment may lack."""


def missing(script: Path) -> list[str]:
    """Return the packages that an example needs and that are not installed.

    Examples
    --------
    >>> missing(Path("book/examples/scikit_learn.py"))
    []
    """
    return [name for name in NEEDED.get(script.stem, ()) if importlib.util.find_spec(name) is None]


def printed(script: Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return what an example prints, without empty lines at its end, when a copy of it runs in `folder` on one thread.

    Parameters
    ----------
    script, folder : Path
        The example; where it is copied to and may write.
    environment : mapping, optional
        Variables beside those of this process.

    Raises
    ------
    ChildProcessError
        If it fails; the sentence ends as its error does.
    """
    shutil.copy(script, folder)
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, env={**os.environ, **one_thread, **(environment or {})},
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        raise ChildProcessError(f"{script} failed: {(done.stderr.strip() or 'no word').splitlines()[-1]}")
    return done.stdout.rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Store the output of the named examples, or of all, and return the exit status."""
    named = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    for script in named or sorted(EXAMPLES.glob("*.py")):
        if lacking := missing(script):
            print(f"{script} is left as it is: {', '.join(lacking)} not installed")
            continue
        with tempfile.TemporaryDirectory() as folder:
            output = printed(script, Path(folder))
        script.with_suffix(".txt").write_text(output, encoding="utf-8")
        print(f"{script} is stored")
    return 0


if __name__ == "__main__":
    sys.exit(main())
