"""The library's arrangement: folders in an order, no import upwards or in a circle, few floors, small modules."""

import ast
import statistics
import subprocess
import sys

from project import ROOT

LIBRARY = ROOT / "labelleak_lib"
FOLDERS = [
    "", "paper", "data", "models", "unlearning", "adapters", "defences", "attacks", "criteria", "theory", "trials",
    "nulls", "results", "audit", "figures", "authoring",
]  # fmt: skip
"""Each folder imports from those before it alone; "" are the files beside them."""
COMMAND = {"labelleak_lib.command", "labelleak_lib.__main__"}


def name_of(path):
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in LIBRARY.rglob("*.py")}
# the public face names the homes of what it hands on; whoever imports from it depends on them
HOMES = {
    name: f"labelleak_lib.{home}"
    for name, home in ast.literal_eval(
        next(
            node.value
            for node in ast.parse(MODULES["labelleak_lib"].read_text()).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES"
        )
    ).items()
}


def imported(module):
    """Return the library's modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                home = HOMES.get(alias.name) if node.module == "labelleak_lib" else None
                found.add(home or (whole if whole in MODULES else node.module))
    return {name for name in found if name in MODULES} - {module}


IMPORTS = {module: imported(module) for module in MODULES}


def folder_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else ""


def floor_of(module, above=()):
    assert module not in above, f"a circle of imports: {' -> '.join((*above[above.index(module) :], module))}"
    return 1 + max((floor_of(inner, (*above, module)) for inner in IMPORTS[module]), default=0)


def test_every_folder_has_a_place_in_the_order():
    assert {path.name for path in LIBRARY.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(FOLDERS[1:])


def test_tests_stand_in_the_librarys_folders_under_names_of_their_own():
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    assert {path.parent.name for path in tests} == {"tests", *FOLDERS[1:]}
    assert len({path.name for path in tests}) == len(tests), "they are imported, and looked up, by their file's name"


def test_no_import_leads_upwards():
    upwards = [
        f"{module} imports {inner}"
        for module in IMPORTS.keys() - COMMAND
        for inner in IMPORTS[module]
        if FOLDERS.index(folder_of(inner)) > FOLDERS.index(folder_of(module))
    ]
    assert sorted(upwards) == []


def test_there_is_no_circle_and_at_most_nine_floors():
    floors = {module: floor_of(module) for module in MODULES}
    assert max(floors.values()) <= 9, {module: floor for module, floor in floors.items() if floor > 9}


def test_modules_are_small_and_few_stand_beside_the_folders():
    lengths = [len(path.read_text().splitlines()) for path in MODULES.values()]
    assert statistics.median(lengths) <= 130
    assert len(list(LIBRARY.glob("*.py"))) <= 12


def test_the_public_face_is_small_and_imports_nothing_heavy():
    script = (
        "import sys, labelleak_lib; heavy = {'matplotlib', 'seaborn', 'IPython', 'torch', 'pandas', 'jupyter_core'};"
        "print(sorted(heavy & set(sys.modules))); [getattr(labelleak_lib, n) for n in labelleak_lib.__all__];"
        "print(sorted({'matplotlib', 'seaborn', 'IPython', 'jupyter_core'} & set(sys.modules)), labelleak_lib.__all__)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    first, second = said.splitlines()
    assert first == "[]"
    assert second.startswith("[] ") and len(HOMES) <= 12 and "committed_records" in second
