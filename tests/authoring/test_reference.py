"""The library's reference: every public module once, nothing that is gone, in the order of the layout."""

import re
from importlib import import_module, util
from inspect import getmodule, isclass, isfunction

import pytest
from project import ROOT

from labelleak_lib.authoring.reference import FOLDERS, LIBRARY, reference_page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("generated")
    reference_page(folder)
    return (folder / "reference.md").read_text()


def listed(page: str) -> list[str]:
    return re.findall(r"^\.\. automodule:: (\S+)$", page, re.MULTILINE)


def test_every_module_with_a_public_function_or_class_is_listed_once(page: str) -> None:
    modules = {
        ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in LIBRARY.rglob("*.py")
        if path.name != "__main__.py"
    }
    public = {name for name in modules if any(is_own(name, value) for value in vars(import_module(name)).items())}
    assert len(public) > 90
    assert sorted(listed(page)) == sorted(public)


def is_own(module: str, attribute: tuple[str, object]) -> bool:
    name, value = attribute
    return (
        not name.startswith("_")
        and (isclass(value) or isfunction(value))
        and getattr(getmodule(value), "__name__", "") == module
    )


def test_nothing_stale_is_listed(page: str) -> None:
    assert [name for name in listed(page) if util.find_spec(name) is None] == []


def test_sections_are_the_folders_in_the_order_of_the_layout(page: str) -> None:
    folders = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert sorted(FOLDERS) == sorted(folders)
    _, *titles = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert [title.lower() for title in titles] == list(FOLDERS)
    layout = (ROOT / "README.md").read_text().partition("## Layout")[2]
    assert re.findall(r"^\| `labelleak_lib/(\w+)/`", layout, re.MULTILINE) == list(FOLDERS)


def test_the_books_page_names_the_public_face() -> None:
    [listed] = re.findall(r"^from labelleak_lib import \(([^)]+)\)$", (ROOT / "book/api.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"\w+", listed)) == sorted(import_module("labelleak_lib").__all__)
