"""The book's table of contents, the notebook pairs, and what keeps a failed chapter from being rendered."""

import gc
import importlib
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from project import ROOT

from labelleak_lib.authoring import chapters, outputs

CHAPTERS = [
    "00_overview",
    "01_theory",
    "02_unlearning",
    "03_parameter_attacks",
    "04_whitebox_inversion",
    "05_blackbox_inversion",
    "06_statistical_comparison",
    "07_class_count_sweep",
    "08_controls",
    "09_audit",
    "10_defences",
    "11_leak_cards",
]
PARAMETERS = {"dataset", "trials", "seed", "device", "profile", "records", "data_dir"}
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
LISTED = [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]


def test_the_chapters_are_listed_in_order() -> None:
    assert [Path(file).name for file in LISTED if file.startswith("chapters/")] == CHAPTERS


def test_every_listed_page_has_a_source() -> None:
    pages = [TOC["root"], *(file for file in LISTED if not file.startswith("chapters/"))]
    assert [page for page in pages if not (ROOT / f"book/{page}.md").is_file()] == []
    assert [path.stem for path in chapters.sources(ROOT / "notebooks")] == CHAPTERS


def test_every_citation_has_an_entry() -> None:
    entries = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book/references.bib").read_text(), re.MULTILINE))
    sources = [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.py")]
    cited = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", "\n".join(path.read_text() for path in sources))
    assert {key.strip() for keys in cited for key in keys.split(",")} - entries == set()


def test_every_check_that_the_page_of_claims_names_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "book/claims.md").read_text())
    assert len(named) > 40
    code: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        code[path.name] = code.get(path.name, "") + path.read_text()
    assert [f"{file}::{test}" for file, test in named if f"\ndef {test}(" not in code.get(file, "")] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_notebook_and_its_pair_hold_the_same_cells(name: str) -> None:
    notebook = jupytext.read(ROOT / f"notebooks/{name}.ipynb")
    pair = jupytext.read(ROOT / f"notebooks/{name}.py")

    def cells(read: nbformat.NotebookNode) -> list[tuple[str, str, list[str]]]:
        return [(cell.cell_type, cell.source.rstrip(), cell.metadata.get("tags", [])) for cell in read.cells]

    assert cells(notebook) == cells(pair)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_notebook_holds_calls_and_no_algorithms(name: str) -> None:
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    lengths = [len([line for line in source.splitlines() if line.strip()]) for source in sources]
    assert [source for source, length in zip(sources, lengths, strict=True) if length > 15] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_notebook_takes_the_parameters_of_the_contract(name: str) -> None:
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    [cell] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    defaults: dict[str, object] = {}
    exec(cell.source, defaults)
    assert defaults.keys() >= PARAMETERS
    assert (defaults["dataset"], defaults["profile"]) == ("digits", "quick")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_notebook_stores_its_outputs_and_no_progress_bar(name: str) -> None:
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(outputs.has_output(cell) for cell in code)
    assert [out.text for cell in code for out in cell.outputs if out.get("name") == "stderr"] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_cell_of_code_is_short_and_holds_no_narrative(name: str) -> None:
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    cells = [cell.source.splitlines() for cell in notebook.cells if cell.cell_type == "code"]
    assert max(map(len, cells)) <= 15
    # a sentence after the last call is text that lost its cell
    assert [lines[-1] for lines in cells if lines[-1].startswith("#")] == []


# What follows tests the execution itself, on notebooks made here.

PRINTED = new_output("stream", name="stdout", text="a\n")
PROGRESS = new_output("stream", name="stderr", text="50%")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print('a')", True),
        ("x = 1\nplt.show()", True),
        ("from IPython.display import display\ndisplay(x)", True),
        ("def f():\n    print('a')", False),
        ("if x:\n    print('a')", False),
        ("x = 1", False),
        ("# print('a')", False),
        ("%matplotlib inline\nprint('a')", False),
    ],
)
def test_only_code_that_always_prints_calls_for_an_output(source: str, expected: bool) -> None:
    assert outputs.calls_for_output(source) is expected


def test_a_cell_that_lost_its_output_is_found() -> None:
    stored = new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            new_code_cell("x = 1"),
            new_code_cell("x", outputs=[PRINTED]),
            new_code_cell("print(x)"),
            new_code_cell("print(2)", outputs=[PRINTED]),
        ]
    )
    executed = new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            new_code_cell("x = 2", metadata={"tags": ["injected-parameters"]}),
            new_code_cell("x = 1"),
            new_code_cell("x"),
            new_code_cell("print(x)", outputs=[PROGRESS]),
            new_code_cell("print(2)", outputs=[PRINTED]),
        ]
    )
    assert outputs.silent_cells(stored, executed) == [2, 3]


def test_other_cells_than_the_stored_ones_are_refused() -> None:
    with pytest.raises(ValueError, match="does not hold the cells of the stored one"):
        outputs.silent_cells(new_notebook(cells=[new_code_cell("x")]), new_notebook(cells=[new_code_cell("y")]))


def write(path: Path, *code: str) -> Path:
    cells = [new_code_cell("trials = 1", metadata={"tags": ["parameters"]}), *map(new_code_cell, code)]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_notebooks_are_executed_with_the_parameters_and_failures_are_named(tmp_path: Path) -> None:
    good = write(tmp_path / "00_good.ipynb", "print('trials', trials)")
    bad = write(tmp_path / "01_bad.ipynb", "x = 1", "raise RuntimeError('no data here')")
    silent = write(tmp_path / "02_silent.ipynb", "print = {'lost': None}.get", "print('lost')")
    target = tmp_path / "chapters"
    target.mkdir()
    (target / "99_old.ipynb").write_text("a chapter of an earlier run")

    failures = chapters.execute_all([good, bad, silent], target, {"trials": 3}, processes=2)

    assert failures.keys() == {"01_bad", "02_silent"}
    assert "cell 3 failed: RuntimeError: no data here" in failures["01_bad"]
    executed = nbformat.read(target / "00_good.ipynb", as_version=4)
    *_, printing, offered = executed.cells
    assert printing.outputs[0].text == "trials 3\n"
    assert "hide-input" in printing.metadata.tags, "its code is folded"
    assert offered.source.startswith("## Downloads") and "00_good.py" in offered.source
    assert not (target / "99_old.ipynb").exists()


SLOW_TO_IDLE = """
import time
print("here")
kernel = get_ipython().kernel
publish = kernel._publish_status

def slow(status, *arguments, **options):
    if status == "idle":
        time.sleep(6)
    publish(status, *arguments, **options)

kernel._publish_status = slow
"""


def test_a_kernel_that_is_slow_to_report_the_end_of_a_cell_is_waited_for(tmp_path: Path) -> None:
    source = write(tmp_path / "00_slow.ipynb", SLOW_TO_IDLE, "del kernel._publish_status")
    assert chapters.execute(source, tmp_path / "slow.ipynb", {}) == ""
    executed = nbformat.read(tmp_path / "slow.ipynb", as_version=4)
    assert [output.text for cell in executed.cells for output in cell.get("outputs", [])] == ["here\n"]


@pytest.mark.parametrize(
    ("deaths", "error", "starts"),
    [
        (1, RuntimeError("Kernel died before replying to kernel_info"), 2),
        (2, RuntimeError("Kernel died before replying to kernel_info"), 2),
        (1, RuntimeError("Kernel died"), 1),
        (1, OSError("no space left"), 1),
    ],
)
def test_a_kernel_whose_port_was_taken_meanwhile_is_started_once_more(
    deaths: int, error: Exception, starts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, started = write(tmp_path / "00_taken.ipynb", "print('here')"), []

    def execute_notebook(source: Path, target: Path, *_: object, **__: object) -> None:
        started.append(target)
        if len(started) <= deaths:
            raise error
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(chapters, "execute_notebook", execute_notebook)
    if starts > deaths:
        chapters._run(source, tmp_path / "taken.ipynb", {})
    else:
        with pytest.raises(type(error), match=str(error)):
            chapters._run(source, tmp_path / "taken.ipynb", {})
    assert len(started) == starts


def test_lines_printed_with_a_pause_are_stored_as_one_output(tmp_path: Path) -> None:
    source = tmp_path / "00_pause.py"
    source.write_text("# %%\nimport time\nprint('a', flush=True)\ntime.sleep(1)\nprint('b')\n")
    stored = nbformat.read(outputs.store_outputs(source), as_version=4)
    assert [output.text for cell in stored.cells for output in cell.get("outputs", [])] == ["a\nb\n"]


def test_a_chapters_code_is_folded_unless_it_is_part_of_the_story(tmp_path: Path) -> None:
    cells = [
        new_code_cell("x = 1"),
        new_code_cell("y = 2", metadata={"tags": [chapters.SHOW_CODE]}),
        new_markdown_cell("z"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "00_one.ipynb")
    chapters.fold_code(tmp_path / "00_one.ipynb")
    read = nbformat.read(tmp_path / "00_one.ipynb", as_version=4)
    assert [cell.metadata.get("tags", []) for cell in read.cells] == [["hide-input"], [chapters.SHOW_CODE], []]


def test_a_folder_without_notebooks_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no notebook named"):
        chapters.sources(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--trials", "0"], "trials is 0; it must be an integer of at least 1"),
        (["--trials", "-1"], "trials is -1; it must be an integer of at least 1"),
        (["--trials", "1.5"], "argument --trials: invalid int value: '1.5'"),
        (["--processes", "0"], "processes is 0; it must be an integer of at least 1"),
    ],
)
def test_bad_numbers_stop_the_command_before_it_starts(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as stop:
        chapters.main(options)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_the_command_gives_every_notebook_its_options_and_names_what_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(chapters, "execute_all", lambda *given: calls.append(given) or {"01_theory": "no memory"})
    assert chapters.main(["--dataset", "mnist"]) == 1
    assert chapters.main(["--trials", "2", "--profile", "paper", "--processes", "3"]) == 1
    assert [(parameters, processes) for *_, parameters, processes in calls] == [
        ({"dataset": "mnist", "profile": "quick"}, 2),
        ({"dataset": "digits", "profile": "paper", "trials": 2}, 3),
    ]
    assert [path.stem for path in calls[0][0]] == CHAPTERS
    assert capsys.readouterr().err == "notebook 01_theory: no memory\n" * 2


def test_the_garbage_collector_comes_seldom_while_the_book_is_rendered() -> None:
    own = [name for name in yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["extensions"]
           if name.startswith("labelleak_lib.")]  # fmt: skip
    before = gc.get_threshold()
    try:
        for name in own:
            importlib.import_module(name).setup(None)
        assert min(now / then for now, then in zip(gc.get_threshold(), before, strict=True)) >= 5
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
