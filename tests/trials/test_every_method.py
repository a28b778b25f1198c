"""Every registered method under attacks of every access, timed; what is stored is not run again."""

import time

import pandas as pd
import pytest
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.registry import ATTACKS, METHODS
from labelleak_lib.trials import every_method, lines
from labelleak_lib.trials.committed import BY_METHOD, PROFILE
from labelleak_lib.trials.judging import judge
from labelleak_lib.trials.store import Store, thinned


@pytest.fixture
def path(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("methods")) as path:
        yield path


def test_a_grid_holds_every_method_beside_the_papers_and_every_access():
    grid = every_method.grid_of("digits")
    assert {*grid.methods, *PAPER_METHODS} == set(METHODS) and not {*grid.methods} & {*PAPER_METHODS}
    kinds = {ATTACKS[name].access_kind for name in grid.given.attacks}
    assert kinds == {ATTACKS[name].access_kind for name in ATTACKS}
    assert not any(name.endswith("_inversion") for name in grid.given.attacks)


def test_methods_are_attacked_and_timed_once(path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(every_method, "ATTACKS", two := tuple(SMALL_SETTINGS.attacks)[:2])
    root = tmp_path / "store"
    told = ["--dataset", path, "--ks", "1", "--methods", "NG", "RT", "--timed", "1", "--store", str(root)]
    assert every_method.main(told) == 0
    name = Store(root).datasets()[0]
    records = judge(*Store(root).read(name))
    assert set(records.unlearning) == {"NG", "RT"} and set(records.attack) == set(two)
    known = every_method.costs(root)
    assert sorted(known.unlearning) == ["NG", "RT"] and (known.seconds > 0).all()
    monkeypatch.setattr(every_method, "cost", lambda *_: pytest.fail("it is stored"))
    assert every_method.main(told) == 0
    assert "0 tasks run, 0 methods timed" in capsys.readouterr().out
    pd.testing.assert_frame_equal(every_method.costs(root), known)


def test_bad_input_is_one_sentence(tmp_path, capsys):
    assert every_method.main(["--methods", "NOPE", "--store", str(tmp_path)]) == 2
    assert "NOPE" in capsys.readouterr().err


@pytest.mark.parametrize("dataset", Store(BY_METHOD).datasets())
def test_what_is_committed_is_thinned_and_of_every_method_alike(dataset):
    models, evidence = Store(BY_METHOD).read(dataset)
    pd.testing.assert_frame_equal(thinned(evidence, models), evidence)
    assert set(evidence.attack) == set(every_method.ATTACKS) and (evidence.profile == PROFILE).all()
    made = models[models.unlearning != ""].groupby("forgotten").unlearning.agg(set)
    assert (made == set(every_method.OTHERS)).all()


def test_committed_digits_are_of_todays_methods():
    models = Store(BY_METHOD).models("digits")
    held = set(models.model)
    grid = every_method.grid_of("digits", trials=10, ks=(1, 3))
    for spec in grid.specs():
        for code in grid.methods:
            assert spec.unlearned_id(code, spec.method(code)) in held, (spec.trial, code)


def test_every_method_of_a_timed_trial_is_timed_beside_retraining():
    known = every_method.costs()
    by_target = known.groupby(["dataset", "forgotten"]).unlearning.agg(set)
    assert len(by_target) and all(codes == set(METHODS) for codes in by_target) and (known.seconds > 0).all()


@pytest.fixture
def few_attacks(monkeypatch):
    monkeypatch.setattr(every_method, "ATTACKS", tuple(SMALL_SETTINGS.attacks)[:2])


def test_a_cost_is_the_processors_time_for_unlearning_and_not_the_clocks(path, few_attacks, monkeypatch):
    def unlearn(*_):
        time.sleep(0.3)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    spec = every_method.grid_of(path, methods=("NG",)).specs()[0]
    every_method.original_model(spec, spec.method("NG"))
    monkeypatch.setattr(every_method, "unlearned_anew", unlearn)
    begin = time.perf_counter()
    seconds = every_method.cost(spec, "NG")["seconds"]
    assert 0.2 <= seconds < time.perf_counter() - begin - 0.2


def test_a_method_with_other_settings_is_timed_anew(path, few_attacks, tmp_path):
    grid = every_method.grid_of(path, methods=("NG",), ks=(1,))
    assert every_method.measure_costs(grid, 1, tmp_path) == 1
    held = every_method.costs(tmp_path)
    lines.write(held.assign(method="another", seconds=-1.0), tmp_path / "costs" / f"{held.dataset[0]}.parquet")
    assert every_method.measure_costs(grid, 1, tmp_path) == 1
    assert every_method.costs(tmp_path).seconds.gt(0).all() and len(every_method.costs(tmp_path)) == 1


def test_lines_come_back_as_they_were_written(tmp_path):
    parts = [pd.DataFrame({"dataset": name, "x": [1.5, None]}, index=[7, 9]) for name in ("a", "b")]
    for part in parts:
        lines.write(part, tmp_path / f"{part.dataset.iloc[0]}.parquet")
    pd.testing.assert_frame_equal(lines.read(tmp_path, []), pd.concat(parts, ignore_index=True))
    assert lines.read(tmp_path / "none", ["x"]).columns.tolist() == ["x"]
