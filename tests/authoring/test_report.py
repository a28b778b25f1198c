"""The front page, from records made by hand, and the README, whose examples run as they stand."""

import json
import re
import struct

import pandas as pd
import pytest
import record_samples
from project import ROOT
from record_samples import record
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.authoring import pages
from labelleak_lib.names import row_name
from labelleak_lib.registry import ATTACKS, METHODS
from labelleak_lib.results import front
from labelleak_lib.trials import specification
from labelleak_lib.trials.judging import COLUMNS


def full_records(dataset="mnist", trials=5, **values):
    """Return records of enough trials to be shown."""
    return record_samples.full_records(dataset, trials, **values)


README = (ROOT / "README.md").read_text()


@pytest.fixture
def written(tmp_path, monkeypatch):
    def write(records):
        monkeypatch.setattr(pages, "committed_records", lambda: records)
        pages.front_page(tmp_path / "generated")
        return (tmp_path / "generated" / "front.md").read_text(), (tmp_path / "generated" / "front.png").read_bytes()

    return write


def failing(records, code):
    """Return records whose targets under one method do not count as unlearned, and lose everything."""
    bad = records.unlearning == code
    return records.assign(unlearned=~bad, **{n: records[n].where(~bad, 0.0) for n in ("asr", "balanced_accuracy")})


def test_the_front_page_counts_unlearned_targets_and_names_data_sets_and_trials(written):
    text, _ = written(failing(pd.concat([full_records(trials=6), full_records("svhn")]), "FT"))
    assert "mnist (6 trials), svhn (5 trials)" in text
    assert "44 of 55 target models count as unlearned" in text
    # of the others, which score nothing here, no trace is left
    assert "scores 100.0% (100.0 to 100.0) on target models and 50.0%" in text


def test_the_front_page_says_which_data_sets_have_too_few_trials_to_count(written):
    text, _ = written(pd.concat([full_records(trials=6), full_records("svhn", trials=4)]))
    assert "mnist (6 trials). Too few trials to be counted: svhn (4 trials). 30 of 30 target models" in text
    all_counted, _ = written(full_records())
    assert "Too few" not in all_counted


def test_a_data_set_that_is_not_the_papers_stands_apart_on_the_front_page(written):
    records = pd.concat([full_records(target=1.0, placebo=0.0), full_records("digits", target=0.4, placebo=0.0)])
    text, _ = written(records)
    assert "nobody on the original model, for 100.0% (" in text and "of 25 targets" in text
    assert "in none of these numbers:** `digits`, where labels are exact and silent for 40.0% (" in text
    assert "digits" not in text.split("**Basis.**")[1], "it is not too short, it takes no part"


def test_the_front_page_compares_with_the_published_means(written):
    text, _ = written(full_records(target=0.9, placebo=0.4))
    # means of the seven rows: 86.17, 85.22, 91.56, 98.45, 98.52, 77.75, 76.65
    assert "print: 1 as printed, 4 higher (by 4 to 13 points), 2 lower (by 8 to 9 points)." in text
    assert "scores 90%, more than the published means of black-box inversion (77.75% and 76.65%)" in text
    assert "class and no other, and nobody on the original model, for 90.0% (" in text


def restless(records, *attacks):
    """Return the records with a class named of every original model under these attacks."""
    accused = (records.control == "placebo") & records.attack.isin(attacks)
    return records.assign(predicted=records.predicted.mask(accused, "3"))


def test_the_front_pages_headlines_follow_the_records(written):
    records = full_records(target=0.99, placebo=0.4)
    good, _ = written(restless(records, "whitebox_inversion", "blackbox_inversion", "dot_product"))
    assert "The label leaks, to labels alone." in good and "Most published rates" in good
    assert "told nothing accuse where nothing was forgotten." in good and "recognises the class" not in good
    bad, _ = written(full_records(target=0.4, placebo=0.4))
    assert "Most targets keep their label." in bad and "Few published rates" in bad
    assert "The published rules that are told nothing mostly keep silent" in bad and "recognises the class" in bad
    assert "label leaks" not in bad


def test_accused_originals_take_the_headline_back_however_exact_the_row(written):
    text, _ = written(restless(full_records(target=1.0), "passive_answers"))
    assert "Most targets keep their label." in text and "for 0.0% (" in text
    assert "Joint reach gives more." in text and "exact and silent for 100.0% (" in text


def test_the_front_page_counts_exact_answers_of_data_sets_alike_whatever_their_trials(written):
    many, few = (
        full_records(trials=9, target=1.0, placebo=0.0),
        full_records("svhn", trials=5, target=0.0, placebo=1.0),
    )
    text, _ = written(pd.concat([many, few]))
    assert "nobody on the original model, for 50.0% (" in text
    assert "Joint reach gives no more." in text


def test_the_front_page_shows_its_figure_with_words_for_those_who_do_not_see_it(written):
    text, image = written(full_records())
    (alternative, path) = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)[0]
    assert path == "generated/front.png"
    assert "placebo" in alternative
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    assert 500 < width <= 880 and height < 800


def test_the_front_page_is_one_screen_without_a_title(written):
    text, _ = written(full_records())
    assert not re.search(r"^# ", text, re.MULTILINE)
    assert 4 <= len(re.findall(r"^- ", text, re.MULTILINE)) <= 7
    assert len(text) < 3300
    assert "chapters/08_controls.ipynb" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    "committed",
    [
        pd.DataFrame(columns=COLUMNS),
        full_records(trials=2),
        full_records(k=3),
        pd.DataFrame([record(trial=t) for t in range(9)]),
    ],
    ids=["none", "too few", "another k", "one method"],
)
def test_without_enough_committed_trials_a_quick_run_on_digits_is_shown(committed, monkeypatch):
    asked = []

    def collect(grid):
        asked.append(grid)
        return type("Found", (), {"records": full_records("digits", trials=1, profile="quick")})

    monkeypatch.setattr(pages, "collect", collect)
    records = pages.front_records(front.complete_trials(committed))
    assert [(grid.dataset, grid.profile, grid.trials) for grid in asked] == [("digits", "quick", 1)]
    assert "profile `quick`: digits (1 trial)" in front.basis(records, records)


@pytest.mark.parametrize("attack", [name for name, _ in front.SHOWN_ROWS])
def test_the_basis_names_every_row_of_the_figure_that_has_fewer_trials(attack):
    rows = [record(dataset="mnist", attack="dot_product", criterion="youden", trial=t) for t in range(6)]
    rows += [record(dataset="mnist", attack=attack, criterion="reach", protocol="attacker", trial=t) for t in range(2)]
    said = front.basis(pd.DataFrame(rows), pd.DataFrame(rows))
    assert f"On mnist (2 trials) alone: {row_name(attack, '')}." in said


def test_the_ranking_names_all_methods_and_is_drawn(tmp_path):
    pages.ranking_page(tmp_path / "generated")
    text = (tmp_path / "generated" / "ranking.md").read_text()
    assert text.startswith(f"## {len(tuple(METHODS))} methods by what leaks\n")
    assert "](generated/ranking.png)" in text and (tmp_path / "generated" / "ranking.png").stat().st_size > 10_000
    assert "**Which method leaks least?**" in text and "**Basis.** `digits`" in text and "nan" not in text


# README


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def new_files():
    """Return the README's new files by their path."""
    found = {match[1]: code for code in blocks("python") if (match := re.match(r"# (labelleak_lib/\S+\.py)\n", code))}
    assert found.keys() == {"labelleak_lib/unlearning/zero_row.py", "labelleak_lib/attacks/grey_image.py"}
    return found


@pytest.fixture
def registries(monkeypatch):
    """Let the README's classes be registered for one test alone."""
    for registry in (METHODS, ATTACKS):
        assert list(registry)
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))


@pytest.fixture
def toy(tmp_path):
    with small_trials(tmp_path) as path:
        yield path


def run(code, path):
    """Run a block on the toy data set in place of digits, and return its names."""
    names = {"__name__": "readme"}
    exec(compile(code.replace('"digits"', json.dumps(path)), "README.md", "exec"), names)
    return names


def test_the_method_of_the_readme_runs_in_a_grid(toy, registries, capsys, monkeypatch):
    run(new_files()["labelleak_lib/unlearning/zero_row.py"], toy)
    (use,) = (code for code in blocks("python") if '"ZR"' in code and "collect(" in code)
    found = run(use, toy)["found"].records
    assert set(found.unlearning) == {"ZR"}
    target = found[found.control == "none"]
    assert (target.forget_acc_after == 0).all()
    assert set(target.attack) == set(SMALL_SETTINGS.attacks)
    assert "silent" in capsys.readouterr().out


def test_the_attack_of_the_readme_asks_one_question(toy, registries, capsys):
    run(new_files()["labelleak_lib/attacks/grey_image.py"], toy)
    (use,) = (
        code for code in blocks("python") if '"grey_image"' in code and "run_cell(" in code and "register" not in code
    )
    rows = run(use, toy)["cell"].rows
    assert set(rows.attack) == {"grey_image"} and set(rows.control) == {"none", "placebo"}
    assert (rows.queries == 1).all()
    assert "predicted" in capsys.readouterr().out


def test_a_plain_function_serves_as_the_readme_says(toy):
    from labelleak_lib.trials.cells import run_cell

    spec = specification.TrialSpec.from_parameters(dataset=toy, forgotten=(1,), device="cpu")
    assert 'run_cell(spec, "MINE", method=f)' in README
    attacks = {"trivial": SMALL_SETTINGS.attacks["trivial"]}
    cell = run_cell(spec, "MINE", method=lambda original, retain, forget, generator: original, attacks=attacks)
    assert set(cell.rows.unlearning) == {"MINE"} and not cell.rows.unlearned.any()


def test_what_the_readme_names_is_there():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert "book/_static/front.png" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert (ROOT / "book/_static/front.png").stat().st_size < 200_000
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    makefile = (ROOT / "Makefile").read_text()
    targets = {match[1] for line in commands if (match := re.match(r"make (\w+)", line))}
    assert {"book", "test", "env"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_the_readme_s_papermill_commands_set_parameters_that_the_notebooks_have():
    commands = re.findall(r"papermill (notebooks/(\S+)\.ipynb) out\.ipynb(.*)", README)
    assert {name for _, name, _ in commands} >= {"03_parameter_attacks", "09_audit"}
    for path, name, options in commands:
        source = (ROOT / path).with_suffix(".py").read_text()
        cell = source.split('tags=["parameters"]')[1].split("# %%")[0]
        for parameter in re.findall(r"-p (\w+)", options):
            assert re.search(rf"^{parameter} = ", cell, re.MULTILINE), (name, parameter)


def test_every_chapter_stands_in_the_readme():
    chapters = {path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.py")}
    assert chapters - set(re.findall(r"`(\d\d_\w+)`", README)) == set()
