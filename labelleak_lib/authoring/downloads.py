"""What a chapter offers to take away: its notebook, its code, and every figure as SVG with its data as CSV.

While a chapter is executed, its kernel shows every figure in two further forms; they are taken out of the executed
notebook, into files, so that the rendered page does not carry them.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import nbformat
from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure
from nbformat import NotebookNode

from labelleak_lib.figures.drawn import drawn

FOLDER = "figures"
"""Beside the chapters."""
FORMS = {"image/svg+xml": ".svg", "text/csv": ".csv"}
_STARTUP = f"from {__name__} import offer\noffer()\n"


def offer() -> None:
    """Let the running kernel show a figure also in `FORMS`."""
    shell = get_ipython()
    if shell is not None and shell.display_formatter is not None:
        shell.display_formatter.mimebundle_formatter.for_type(Figure, _bundle)


def _bundle(figure: Figure, include: object = None, exclude: object = None) -> dict[str, str]:
    picture = io.StringIO()
    # the same figure gives the same file
    with mpl.rc_context({"svg.hashsalt": "labelleak", "svg.fonttype": "none"}):
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return {"image/svg+xml": picture.getvalue(), "text/csv": drawn(figure).to_csv(index=False)}


@contextmanager
def offered() -> Iterator[None]:
    """Let the kernels that start within :func:`offer` their figures."""
    before = os.environ.get("IPYTHONDIR")
    with TemporaryDirectory() as folder:
        startup = Path(folder) / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "figures.py").write_text(_STARTUP, encoding="utf-8")
        os.environ["IPYTHONDIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["IPYTHONDIR"]
            else:
                os.environ["IPYTHONDIR"] = before


def take(executed: Path, source: Path) -> None:
    """Move the further forms of an executed notebook's figures into files, and list them at the notebook's end.

    `source` is the notebook that was executed; its text form lies beside it.
    """
    notebook = nbformat.read(executed, as_version=4)
    folder = executed.parent / FOLDER
    folder.mkdir(exist_ok=True)
    lines: list[str] = []
    for cell in notebook.cells:
        label = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []):
            forms = {kind: output["data"].pop(kind) for kind in FORMS if kind in output.get("data", {})}
            if len(forms) < len(FORMS):
                continue
            # a figure without a number of its own is counted
            name = label or f"fig-{source.stem[:2]}-{len(lines) + 1}"
            for kind, suffix in FORMS.items():
                (folder / f"{name}{suffix}").write_text(forms[kind], encoding="utf-8")
            shown = f"{{numref}}`{label}`" if label else f"no. {len(lines) + 1} of this page"
            links = (f"{{download}}`{suffix[1:].upper()} <{FOLDER}/{name}{suffix}>`" for suffix in FORMS.values())
            lines.append(f"| {' | '.join([shown, *links])} |")
    notebook.cells.append(_listed(lines, source))
    nbformat.write(notebook, executed)


def _listed(lines: list[str], source: Path) -> NotebookNode:
    forms = {"notebook": source.name, "code": f"{source.stem}.py"}
    links = " and ".join(f"{{download}}`{title} <../../notebooks/{file}>`" for title, file in forms.items())
    table = ["| figure | picture | data |", "|---|---|---|", *lines] if lines else []
    text = "\n".join(["## Downloads", "", f"This chapter: {links}.", "", *table])
    return nbformat.v4.new_markdown_cell(text)
