"""The versions that are declared, pinned and installed agree."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from project import ROOT

import labelleak_lib

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, TOOLS = SETTINGS["project"], SETTINGS["tool"]
EXTRAS = PROJECT["optional-dependencies"]
ON_DEMAND = {"bench", "lab", "privacy"}


def canonical(name: str) -> str:
    """Spell a package's name as the packaging standard compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_pins(lines: list[str]) -> dict[str, str]:
    """Read `name==version` lines; comments and blank lines are skipped, anything else fails."""
    pins: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
            assert match, f"not an exact pin: {line!r}"
            name = canonical(match[1])
            assert name not in pins, f"pinned twice: {name}"
            pins[name] = match[2]
    return pins


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in requirements}


PINS = parse_pins((ROOT / "constraints.txt").read_text().splitlines())
ALWAYS = names(PROJECT["dependencies"]).union(*(names(EXTRAS[extra]) for extra in EXTRAS.keys() - ON_DEMAND))
OPTIONAL = set().union(*(names(EXTRAS[extra]) for extra in ON_DEMAND)) - ALWAYS


def test_conda_environment_has_the_pins_of_the_constraints() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    *pins, project = pip["pip"]
    assert project == "-e ."
    assert parse_pins(pins) == {name: pin for name, pin in PINS.items() if name not in OPTIONAL}


@pytest.mark.parametrize("group", ["library", *EXTRAS])
def test_every_declared_dependency_is_pinned(group: str) -> None:
    declared = names(PROJECT["dependencies"] if group == "library" else EXTRAS[group])
    assert declared - PINS.keys() == set()


# What `make bench` and `make lab` install on demand is installed under the same constraints, or not at all.
@pytest.mark.parametrize("name", sorted(PINS.keys() - OPTIONAL))
def test_the_running_environment_has_the_pinned_version(name: str) -> None:
    # A wheel built for one kind of processor adds a local part ("+cpu"), which is no other version.
    assert version(name).partition("+")[0] == PINS[name]


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == str(citation["version"]) == labelleak_lib.__version__ == version("labelleak")


def test_the_citation_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    [paper] = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2604.07386"


def test_the_published_tables_are_part_of_the_package() -> None:
    tables = (Path(labelleak_lib.__file__).parent / "paper" / "tables").glob("*.csv")
    assert {table.name for table in tables} >= {"attack_success_rate.csv", "unlearning_accuracy.csv"}


def test_every_file_that_the_library_reads_is_part_of_its_package() -> None:
    library = ROOT / "labelleak_lib"
    listed = SETTINGS["tool"]["setuptools"]["package-data"]
    folders = {package: library.joinpath(*package.split(".")[1:]) for package in listed}
    packaged = {path for package, globs in listed.items() for glob in globs for path in folders[package].glob(glob)}
    read = {path for path in library.rglob("*.*") if path.suffix not in (".py", ".pyc")}
    assert read == packaged and len(read) >= 3


def test_the_supported_pythons_are_the_same_everywhere() -> None:
    listed = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    oldest, newest = listed[0], listed[-1]
    assert listed == [f"3.{minor}" for minor in range(int(oldest[2:]), int(newest[2:]) + 1)]
    assert PROJECT["requires-python"] == f">={oldest}"
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == [oldest, newest]
    book = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())
    steps = book["jobs"]["publish"]["steps"]
    assert [step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})] == [oldest]
    assert {"run": "make book"} in steps and steps[-1]["uses"].startswith("actions/deploy-pages")
    assert TOOLS["mypy"]["python_version"] == oldest
    assert TOOLS["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][0]
    assert conda.removeprefix("python=") in listed
    assert f"You need Python {oldest} to {newest}" in (ROOT / "README.md").read_text()


def test_every_edition_has_a_heading_in_the_change_log() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert PROJECT["version"] in headings
