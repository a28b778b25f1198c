"""The rule against reference models on a page: who is a reference, what is named, and what is arithmetic."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, betabinom

from labelleak_lib.criteria.calibrated import against_references
from labelleak_lib.results import referenced, references
from labelleak_lib.trials.schema import EVIDENCE, MODELS, pack
from labelleak_lib.trials.store import Stored

C = 6


def model(name, *, seed, unlearning="", forgotten="", original="", recipe="r", **more):
    facts = dict.fromkeys(MODELS, "") | {
        "model": name, "dataset": "toy", "architecture": "small", "classes": C, "recipe": recipe, "trial": seed,
        "train_seed": seed, "unlearning": unlearning, "forgotten": forgotten, "original": original,
        "forget_acc_before": 0.9, "forget_acc_after": 0.0, "retain_acc_before": 0.9, "retain_acc_after": 0.9,
    }  # fmt: skip
    return facts | more


def found_on(name, reach, attack="query_reach", kind="reach", parameters="p"):
    reach = np.asarray(reach, float)
    facts = dict.fromkeys(EVIDENCE, "") | {"evidence": f"{name}-{attack}", "model": name, "attack": attack}
    arrays = {"score": -reach, "reach": reach} if kind == "reach" else {"score": -reach}
    return [facts | {"parameters": parameters, "kind": k, **pack(a)} for k, a in arrays.items()]


def stored(models, evidence):
    return Stored(pd.DataFrame(models), pd.DataFrame([row for rows in evidence for row in rows]))


@pytest.fixture
def world():
    """Twenty originals, and of each an unlearned model that has lost class 2; one of these fails the gate."""
    draw = np.random.default_rng(0)
    models, evidence = [], []
    for seed in range(20):
        reach = 10 + draw.normal(size=C)
        models += [
            model(f"o{seed}", seed=seed),
            model(f"u{seed}", seed=seed, unlearning="RT", forgotten="2", original=f"o{seed}"),
        ]
        evidence += [found_on(f"o{seed}", reach), found_on(f"u{seed}", np.where(np.arange(C) == 2, -5, reach))]
    models[-1]["forget_acc_after"] = 0.5
    return stored(models, evidence)


def test_every_target_that_passes_meets_the_originals_of_all_other_trials(world):
    found = references.on_targets(world)
    assert len(found) == 19 and (found.references == 19).all() and (found.level == 0.05).all()
    assert found.p_value.tolist() == pytest.approx([1 / 20] * 19) and found.exact.all() and (found.named == "2").all()
    assert references.on_targets(world, k=2).empty


def test_a_targets_own_original_another_recipe_and_other_hyperparameters_are_no_references(world):
    outlier = np.where(np.arange(C) == 2, -50.0, 10.0)
    strange = [found_on("o0", outlier), found_on("x", outlier), found_on("y", outlier, parameters="q")]
    kept = world.evidence[world.evidence.model != "o0"]
    evidence = pd.concat([kept, pd.DataFrame([row for rows in strange for row in rows])])
    more = [model("x", seed=50, recipe="another"), model("y", seed=51)]
    found = references.on_targets(Stored(pd.concat([world.models, pd.DataFrame(more)]), evidence))
    own = found[found.model == "u0"].iloc[0]
    assert own.references == 19 and own.named == "2"
    assert not found[found.model != "u0"].detected.any(), "beside o0, which lies farther out, nobody stands apart"


def test_few_references_allow_a_larger_level_and_very_few_none(world):
    few = Stored(world.models[world.models.trial < 5], world.evidence)
    found = references.on_targets(few)
    assert (found.references == 4).all() and found.level.tolist() == pytest.approx([0.2] * 5) and found.detected.all()
    assert references.on_targets(Stored(world.models[world.models.trial < 3], world.evidence)).empty


def test_one_original_of_all_is_accused_by_arithmetic(world):
    found = references.on_originals(world)
    assert len(found) == 20 and found.detected.sum() == 1 and not found.exact.any()


def test_the_bank_is_compared_with_the_originals_and_rare_classes_take_no_part(world):
    kinds = ("Plain", "Short", "RareClass")
    bank = stored(
        [model(f"b{i}", seed=100 + i, method=f'{{"class": "{kind}"}}') for i, kind in enumerate(kinds)],
        [found_on("b0", [10] * C), found_on("b1", [10, 10, 10, -9, 10, 10]), found_on("b2", [-9, 10, 10, 10, 10, 10])],
    )
    found = references.on_bank(world, bank)
    assert found.kind.tolist() == ["Plain", "Short"] and found.detected.tolist() == [False, True]
    assert (found.references == 20).all() and found.named.tolist() == ["", "3"]


def test_scores_without_reach_are_compared_as_they_stand(world):
    rows = pd.DataFrame([row for i in range(6) for row in found_on(f"o{i}", [i] * C, "head_row_sum", kind="score")])
    found = references.scores(
        Stored(world.models, pd.concat([world.evidence, rows])), world.models.model, ("head_row_sum",)
    )
    assert [list(score) for score in found.score] == [[-float(i)] * C for i in range(6)]
    reach = references.scores(world, world.models.model, ("query_reach",)).set_index("model").score
    raw = np.random.default_rng(0)
    first = 10 + raw.normal(size=C)
    assert reach["o0"] == pytest.approx(-first / np.quantile(first, 0.75))


def test_a_model_of_which_no_class_is_reached_is_not_accused():
    rest = [found_on(f"o{i}", 10 + np.random.default_rng(i).normal(size=C)) for i in range(5)]
    models = [model(f"o{i}", seed=i) for i in range(5)]
    models.append(model("u", seed=9, unlearning="RT", forgotten="1"))
    found = references.on_targets(stored(models, [*rest, found_on("u", [-1.0] * C)]))
    assert found.named.tolist() == [""]


def test_rates_have_clopper_and_pearsons_interval(world):
    (line,) = referenced.rates(references.on_targets(world), ["dataset"], "exact").itertuples(index=False)
    assert (line.n, line.hits, line.rate, line.references) == (19, 19, 1.0, 19)
    assert (line.low, line.high) == pytest.approx((beta.ppf(0.025, 19, 1), 1.0))


def test_targets_of_one_trial_are_one_outcome_of_the_interval():
    trials = [(0, True)] * 3 + [(1, False)]
    lines = pd.DataFrame(
        {"dataset": "toy", "train_seed": seed, "exact": exact, "references": 19, "level": 0.05}
        for seed, exact in trials
    )
    (line,) = referenced.rates(lines, ["dataset"], "exact").itertuples(index=False)
    assert (line.n, line.hits, line.trials, line.rate) == (4, 3, 2, 0.5)
    assert (line.low, line.high) == pytest.approx((beta.ppf(0.025, 1, 2), beta.ppf(0.975, 2, 1)))


def test_the_rate_given_one_set_is_as_loose_as_it_is_said_to_be():
    """Of one set and many new models the alarms are beta-binomial; simulated, with the rule itself."""
    low, high = referenced.given_one_set(19)
    draw, n, new = np.random.default_rng(0), 19, 40
    alarms = []
    for _ in range(300):
        held = draw.normal(size=(n, C))
        alarms.append(sum(against_references(draw.normal(size=C), held).p_value <= 0.05 for _ in range(new)))
    assert np.mean(alarms) / new == pytest.approx(0.05, abs=0.012)
    within = np.mean([low * new - 1 <= count <= high * new + 1 for count in alarms])
    assert within >= betabinom(new, 1, n).cdf(high * new + 1) - 0.05


def test_the_page_tells_levels_arithmetic_and_accusations(world):
    kinds = ["Plain"] * 5 + ["Short"] * 5
    bank = stored(
        [model(f"b{i}", seed=100 + i, method=f'{{"class": "{kind}"}}') for i, kind in enumerate(kinds)],
        [found_on(f"b{i}", [10] * C if i < 5 else [10, 10, 10, -9, 10, 10]) for i in range(10)],
    )
    found = references.survey({"toy": world}, bank)
    (row,) = referenced.page_table(found).to_dict("records")
    assert row["named exactly %"].startswith("100 (82 to 100)") and row["RT"] == "100" and row["NG"] == ""
    assert (row["accused, same recipe"], row["accused, other kinds"]) == ("0 of 5", "5 of 5")
    said = referenced.sentences(found)
    assert "toy 19 (5%)" in said[0] and "0 of 1 data sets" in said[0]
    assert "1 of 20 pairs" in said[1] and "it would be 1, by arithmetic" in said[1]
    assert "same recipe, toy: by attack, 0% of them" in said[2] and "query reach (100 (48 to 100)%)" in said[3]
