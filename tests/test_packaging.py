"""The versions that are declared, pinned and installed agree."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import labelleak_lib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ON_DEMAND = {"bench", "lab"}


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
OPTIONAL = set().union(*(names(EXTRAS[extra]) for extra in ON_DEMAND))


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
