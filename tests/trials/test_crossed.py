"""The crossed design: every combination once, kept apart in the store, and run where it is missing alone."""

import dataclasses

import pytest
from toys import SMALL_SETTINGS, same_state, small_trials

from labelleak_lib.attacks.passive_reach import PassiveAnswers, PassiveReach
from labelleak_lib.results import variance
from labelleak_lib.trials import crossed
from labelleak_lib.trials.originals import unlearned_model
from labelleak_lib.trials.store import Store

SETTINGS = dataclasses.replace(
    SMALL_SETTINGS,
    attacks={
        "passive_answers": PassiveAnswers(inputs=40),
        "passive_reach": PassiveReach(inputs=40),
        "dot_product": SMALL_SETTINGS.attacks["dot_product"],
    },
)


@pytest.fixture(scope="module")
def designed(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("crossed")) as path, pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossed, "ATTACKS", tuple(SETTINGS.attacks))
        patch.setattr(variance, "ATTACKS", tuple(SETTINGS.attacks))
        yield lambda method: crossed.design(path, method, classes=2, seeds=(0, 1), given=SETTINGS)


def test_every_combination_is_there_once_and_identities_keep_them_apart(designed):
    crossings = designed("NG")
    met = {
        (c.specs[0].forgotten, c.specs[0].train_seed, c.specs[0].unlearn_seed, spec.attack_seed)
        for c in crossings for spec in c.specs
    }  # fmt: skip
    assert len(crossings) == 8 and len(met) == 16
    assert len({c.identity for c in crossings}) == 8
    assert len(set().union(*(c.wanted for c in crossings))) == 16 * len(SETTINGS.attacks)


def test_one_training_seed_stands_for_all_where_the_method_reads_nothing_of_the_original(designed):
    assert {c.specs[0].train_seed for c in designed("RT")} == {0} and len(designed("RT")) == 4
    spec = designed("RT")[0].specs[0]
    first, second = (unlearned_model(dataclasses.replace(spec, train_seed=seed), "RT") for seed in (0, 1))
    assert same_state(first.state_dict(), second.state_dict())
    first, second = (unlearned_model(dataclasses.replace(spec, train_seed=seed), "NG") for seed in (0, 1))
    assert not same_state(first.state_dict(), second.state_dict())


def test_what_is_missing_runs_and_the_table_reads_it_from_the_store(designed, tmp_path):
    crossings, store = designed("NG"), Store(tmp_path)
    assert crossed.missing(crossings, store) == crossings
    for crossing in crossings[:-1]:
        crossed.run(crossing, store)
    assert crossed.missing(crossings, store) == crossings[-1:]
    name = crossings[0].specs[0].data.name
    assert variance.variance_table(variance.measured(store.read(name))).empty, "the layout is not full yet"
    crossed.run(crossings[-1], store)
    store.fold(name, thin=True)
    assert crossed.missing(crossings, store) == []
    lines = variance.measured(store.read(name))
    assert len(lines) == 16 * len(SETTINGS.attacks) and not lines.duplicated([*variance.FACTORS, "attack"]).any()
    assert store.evidence(name).kind.isin(("score", "reach")).all()
    table = variance.variance_table(lines)
    assert table.attack.tolist() == list(SETTINGS.attacks) and table.models.eq(8).all()


def test_a_number_of_classes_that_the_data_lack_is_refused(designed):
    with pytest.raises(ValueError, match="classes is 5; it must be an integer from 1 to 4"):
        crossed.design(designed("NG")[0].specs[0].dataset, "NG", classes=5, given=SETTINGS)


def test_the_command_answers_bad_input_with_one_sentence(tmp_path, capsys):
    assert crossed.main(["--datasets", "nowhere", "--store", str(tmp_path)]) == 2
    told = ["--datasets", "digits", "--methods", "XX", "--classes", "1", "--store", str(tmp_path)]
    assert crossed.main(told) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ") and "nowhere" in first and "'XX'" in second and not list(tmp_path.iterdir())
