"""Audits of models of every kind: which classes they name, when they keep silent, and what they leave as it was."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from forgetful import fitted, network, pictures
from sklearn.linear_model import LogisticRegression
from torch import nn
from toys import linear, same_state, snapshot, trained

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.audit.racing import NUMBERS, Racing
from labelleak_lib.models.access import BlackBox

WIDE = (1, 12, 20)


def audited(model, shape=WIDE, **options):
    return labelleak_lib.audit(model, space=InputSpace(shape), progress=False, **options)


@pytest.mark.parametrize(
    ("classes", "shape", "without"),
    [(3, (1, 8, 8), (1,)), (10, WIDE, (2, 7)), (26, (3, 10, 10), (5,)), (5, (12,), (2,)), (10, (12,), (7,))],
)
def test_a_class_never_seen_is_named_exactly_and_no_other_model_is_accused(classes, shape, without):
    report = audited(fitted(classes, shape, without), shape)
    assert report.forgotten == set(without) and report.p_value <= report.level
    assert report.verdict.startswith("The model behaves as if it had hardly ever seen class")
    assert "rare in training looks the same" in report.verdict
    silent = audited(fitted(classes, shape), shape)
    assert silent.forgotten == frozenset() and silent.p_value > silent.level
    assert silent.verdict.startswith("No class stands out") and "does not show" in silent.verdict


@pytest.mark.parametrize("without", [(), (4,)])
def test_labels_alone_say_the_same(without):
    model = fitted(10, WIDE, without)

    def labels(x):
        with torch.no_grad():
            return model(x).argmax(1)

    for report in (audited(model, labels_only=True), audited(labels, classes=10)):
        assert report.forgotten == set(without) and report.labels_only
        # what is read are counts, and nothing else
        reach = report.classes.reach.to_numpy()
        assert (reach == reach.round()).all() and (reach == 0).sum() == len(without)


def test_the_report_has_the_fields_of_the_contract():
    report = audited(fitted(10, WIDE, (4,)), class_names=list("abcdefghij"))
    assert list(report.classes.columns[:7]) == [
        "class", "name", "reach", "relative_reach", "answered", "p_value", "verdict"
    ]  # fmt: skip
    line = report.classes.set_index("class").loc[4]
    assert (line["name"], line.verdict) == ("e", "as if hardly ever seen") and line.reach <= 0
    assert report.classes.p_value.min() == report.p_value
    assert isinstance(report.forgotten, frozenset) and "'e'" in report.verdict
    assert report.queries > 2400 and report.seconds > 0 and report.status == "complete"


def test_one_seed_gives_one_report_and_another_draws_anew():
    first, again, other = (audited(fitted(3, (1, 8, 8)), (1, 8, 8), seed=seed).classes for seed in (0, 0, 1))
    assert first.equals(again) and not first.reach.equals(other.reach)


def test_a_module_is_left_as_it_was():
    model = network(4, WIDE)
    model[1].eval()  # modes differ by part
    model.train()
    model[1].eval()
    state, grads = snapshot(model), [p.requires_grad for p in model.parameters()]
    modes = [part.training for part in model.modules()]
    generator = torch.get_rng_state()
    audited(model)
    assert same_state(state, model.state_dict()) and modes == [part.training for part in model.modules()]
    assert grads == [p.requires_grad for p in model.parameters()] and all(p.grad is None for p in model.parameters())
    assert torch.equal(generator, torch.get_rng_state())


class Counting(nn.Module):
    """Adds to a buffer whenever it is asked, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.inner = linear(4, WIDE, scale=3.0)
        self.register_buffer("asked", torch.zeros(1))

    def forward(self, x):
        self.asked += len(x)
        return self.inner(x)


def test_even_a_module_that_counts_is_left_as_it_was():
    model = Counting()
    audited(model)
    assert model.asked.item() == 0


class Wrapped(nn.Module):
    """Answers as libraries of large models do: logits in an object, a dict or a tuple."""

    def __init__(self, inner, form):
        super().__init__()
        self.inner, self.form = inner, form

    def forward(self, x):
        logits = self.inner(x)
        return {"object": SimpleNamespace(loss=None, logits=logits), "dict": {"logits": logits}, "tuple": (logits,)}[
            self.form
        ]


@pytest.mark.parametrize("form", ["object", "dict", "tuple"])
def test_logits_may_stand_in_what_a_model_puts_out(form):
    report, plain = audited(Wrapped(fitted(5, (12,), (2,)), form), (12,)), audited(fitted(5, (12,), (2,)), (12,))
    assert report.forgotten == {2} and report.classes.equals(plain.classes)


def test_scikit_learn_is_asked_by_predict_proba():
    x, y = pictures(5, (12,))
    kept = y != 2
    inner = LogisticRegression(max_iter=200).fit(x[kept].numpy(), y[kept].numpy())

    def five(batch):
        found = np.zeros((len(batch), 5))
        found[:, inner.classes_] = inner.predict_proba(batch.numpy())
        return found

    whole = LogisticRegression(max_iter=200).fit(x.numpy(), y.numpy())
    assert audited(five, (12,)).forgotten == {2}
    assert audited(whole.predict_proba, (12,)).forgotten == frozenset()


def test_a_sample_gives_the_range_of_vectors():
    space = InputSpace.vectors(sample=[[0.0, 10.0, 3.0], [4.0, 20.0, 3.0]])
    assert space.low == (0.0, 10.0, 2.5) and space.high == (4.0, 20.0, 3.5)
    seen = []

    def answer(x):
        seen.append(x)
        return torch.softmax(x, dim=1)

    labelleak_lib.audit(answer, space, progress=False)
    asked = torch.cat(seen)
    assert (asked >= torch.tensor(space.low) - 1e-5).all() and (asked <= torch.tensor(space.high) + 1e-5).all()
    assert (asked.amax(0) - asked.amin(0) > 0.9 * (torch.tensor(space.high) - torch.tensor(space.low))).all()


def test_normalisation_stands_between_the_box_and_the_model():
    model, seen = fitted(3, (3, 8, 8)), []

    def shifted(x):
        seen.append(x)
        with torch.no_grad():
            return model(x * torch.tensor([0.2, 0.3, 0.4]).view(1, 3, 1, 1) + 0.5)

    mean, std = [0.5, 0.5, 0.5], [0.2, 0.3, 0.4]
    report = audited(shifted, (3, 8, 8), outputs="logits", mean=mean, std=std)
    plain = audited(model, (3, 8, 8))
    np.testing.assert_allclose(report.classes.reach, plain.classes.reach, rtol=1e-3, atol=1e-3)
    assert torch.cat(seen).min() < -1
    with pytest.raises(ValueError, match=r"std is \[0\.0\]; it must be above zero"):
        audited(model, (3, 8, 8), std=[0.0])
    with pytest.raises(ValueError, match=r"mean is .*; it must be one number, or 3"):
        audited(model, (3, 8, 8), mean=[0.1, 0.2])


def test_a_budget_is_kept_and_said():
    asked = []
    model = fitted(10, WIDE, (4,))

    def answer(x):
        asked.append(len(x))
        with torch.no_grad():
            return torch.softmax(model(x), dim=1)

    report = audited(answer, budget=3000)
    assert sum(asked) == 3000 and report.queries == sum(asked) and report.status == "budget spent"
    assert any(flag.startswith("budget spent after 2,998 inputs") for flag in report.flags)
    few = audited(answer, budget=200)
    assert few.forgotten == frozenset() and few.verdict.startswith("No verdict: only 198 random inputs")
    assert np.isnan(few.p_value)


def test_ctrl_c_keeps_what_was_found():
    model, asked = fitted(10, WIDE, (4,)), []

    def answer(x):
        asked.append(len(x))
        if sum(asked) > 1500:
            raise KeyboardInterrupt
        with torch.no_grad():
            return torch.softmax(model(x), dim=1)

    report = audited(answer)
    assert report.status == "interrupted" and 1000 < report.queries <= 1502
    # the batch under way was sent, and is not known to have been answered
    assert (report.classes.answered.sum(), len(report.classes)) == (report.queries - 2 - 100, 10)
    assert any(flag.startswith("interrupted after") for flag in report.flags)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda x: torch.zeros(len(x), 10).index_fill(1, torch.tensor([3]), 9.0), "answers class 3 for every"),
        (network(10, WIDE).eval(), "No verdict"),
    ],
)
def test_a_model_that_knows_nothing_gets_no_verdict(model, words):
    report = audited(model, outputs="logits")
    assert report.forgotten == frozenset() and np.isnan(report.p_value) and words in report.verdict
    assert report.flags[0] in report.verdict and (report.classes.verdict == "").all()


@pytest.mark.parametrize(
    ("answer", "options", "words"),
    [
        (lambda x: x.flatten(1)[:, :4] - 5, {}, "probabilities, each row summing to 1; say outputs='logits'"),
        (
            lambda x: torch.full((len(x), 4), 25.0),
            {},
            "rows summing to 100'; it must be probabilities, each row summing",
        ),
        (lambda x: x.flatten(1)[:, :4] + 5, {}, "independent numbers have to be made probabilities first"),
        (lambda x: torch.full((len(x), 4), torch.nan), {}, "NaN for some inputs"),
        (lambda x: torch.full((len(x), 1), 0.5), {}, "of 1 column"),
        (lambda x: torch.full((len(x), 4), 0.25), {"classes": 5}, "of 4 columns'; it must be one column for each of 5"),
        (lambda x: torch.full((3, 4), 0.25), {}, "of 3 rows'; it must be one row for each of 2 inputs"),
        (lambda x: torch.zeros(len(x), dtype=torch.long), {}, "classes is None; it must be given"),
        (lambda x: torch.full((len(x),), 7), {"classes": 5}, "must be integers from 0 to 4"),
        (lambda x: "seven", {}, "the model's output is a str"),
        (fitted(3, (1, 8, 8)), {"level": 0.0}, "level is 0.0"),
        (fitted(3, (1, 8, 8)), {"seed": -1}, "seed is -1"),
        (fitted(3, (1, 8, 8)), {"budget": 0}, "budget is 0"),
        (fitted(3, (1, 8, 8)), {"class_names": ["a"]}, "class_names is '1 names'; it must be 3 names"),
        (fitted(3, (1, 8, 8)), {"outputs": "scores"}, "outputs is 'scores'; it must be one of"),
        (fitted(3, (1, 8, 8)), {"references": [network(3, (1, 8, 8))]}, "number of references is 1"),
        (7, {}, "target is 7"),
    ],
)
def test_what_cannot_be_audited_is_one_sentence(answer, options, words):
    with pytest.raises(ValueError) as stop:
        audited(answer, (1, 8, 8), **options)
    assert words in str(stop.value) and "\n" not in str(stop.value)


def test_a_model_that_takes_one_input_at_a_time_is_asked_so():
    model = fitted(4, (12,), (2,), steps=120)

    def one(x):
        assert len(x) == 1, "of a batch of one alone"
        return model(x)

    asked = {"outputs": "logits", "budget": 400}
    alone = audited(one, (12,), batch_size=1, **asked)
    whole = audited(model, (12,), **asked)
    assert alone.classes.answered.tolist() == whole.classes.answered.tolist() and alone.forgotten == whole.forgotten


def test_a_space_is_needed_unless_the_model_tells_it():
    assert labelleak_lib.audit(trained(4), progress=False).forgotten == frozenset()
    with pytest.raises(ValueError, match="space is None; it must be an InputSpace"):
        labelleak_lib.audit(fitted(3, (1, 8, 8)))
    with pytest.raises(ValueError, match=r"space is \(1, 8, 8\); it must be an InputSpace, as in"):
        labelleak_lib.audit(fitted(3, (1, 8, 8)), space=(1, 8, 8))


POINT = torch.tensor([0.31, 0.62, 0.13, 0.71, 0.22, 0.54])


def narrow(x):
    """Answer four classes of vectors: three by the largest feature, the fourth within a hand's breadth of one point."""
    scores = torch.cat([8 * x[:, :3], torch.full((len(x), 1), -9.0)], dim=1)
    scores[((x - POINT).abs() < 0.03).all(1), 3] = 99.0
    return torch.softmax(scores, dim=1)


def test_a_class_that_the_model_knows_is_not_named_whatever_the_search_says():
    x = torch.rand((90, 6), generator=torch.Generator().manual_seed(0))
    y = narrow(x).argmax(1)
    assert audited(narrow, (6,), samples=(x, y)).forgotten == {3}, "no sample speaks for it"
    close = POINT + 0.02 * (2 * x[:20] - 1)
    report = audited(narrow, (6,), samples=(torch.cat([x, close]), torch.cat([y, torch.full((20,), 3)])))
    assert report.forgotten == frozenset() and report.classes.accuracy[3] == 1
    assert report.classes.verdict[3] == "out of reach, yet known"
    assert any("class 3 is out of reach, but 100% of its samples" in flag for flag in report.flags)


def test_accuracy_on_the_samples_is_that_of_each_class():
    model, (x, y) = fitted(10, WIDE, (4,)), pictures(10, WIDE)
    report = audited(model, samples=((255 * x).round().to(torch.uint8), y))
    with torch.no_grad():
        right = model((255 * x).round() / 255).argmax(1) == y
    np.testing.assert_allclose(report.classes.accuracy, [right[y == c].float().mean() for c in range(10)])
    assert report.forgotten == {4} and report.queries > 400 + 2400
    wrong = audited(model, samples=(x, (y + 1) % 10))
    assert wrong.verdict.startswith("No verdict: it is no better than chance") and not wrong.forgotten


def test_references_of_the_same_recipe_decide_where_there_are_enough():
    shape = (12,)
    references = [fitted(5, shape, seed=seed, steps=120) for seed in range(1, 21)]
    target = audited(fitted(5, shape, (3,), steps=120), shape, references=references)
    assert target.forgotten == {3} and target.p_value == pytest.approx(1 / 21)
    silent = audited(fitted(5, shape, seed=0, steps=120), shape, references=references)
    assert silent.p_value > 0.05 and not silent.forgotten
    few = audited(fitted(5, shape, (3,), steps=120), shape, references=references[:5])
    assert any("with 5 references no p-value can be below 0.17; 19 are needed" in flag for flag in few.flags)


def test_a_class_that_is_answered_seldom_is_flagged_beside_references_and_not_named():
    def linear(seed, bias=0.0):
        weight = torch.randn((12, 5), generator=torch.Generator().manual_seed(0))
        weight = weight + 0.02 * torch.randn((12, 5), generator=torch.Generator().manual_seed(seed))
        return lambda x: x.flatten(1) @ weight + torch.tensor([0.0, 0, 0, bias, 0])

    asked = {"outputs": "logits", "references": [linear(seed) for seed in range(1, 21)]}
    report = audited(linear(30, bias=-2.5), (12,), **asked)
    assert report.forgotten == frozenset() and report.classes.answered[3] > 0 and report.p_value <= 0.05
    assert any(flag.startswith("class 3 is harder to reach") for flag in report.flags)
    assert not any(flag.startswith("class 3") for flag in audited(linear(31), (12,), **asked).flags)


def test_a_thousand_classes_need_little_memory():
    weight = torch.randn((1000, 36), generator=torch.Generator().manual_seed(0))
    asked = []

    def answer(x):
        asked.append(len(x))
        return torch.softmax(8 * x.flatten(1) @ weight.T, dim=1)

    box = BlackBox(answer, 1000, InputSpace((1, 6, 6)))
    found = Racing(rounds=1, generations=2).run(box, generator=torch.Generator().manual_seed(0))
    assert max(asked) * 1000 <= NUMBERS and found.queries == box.queries == sum(asked) > 2400
    report = labelleak_lib.audit(answer, InputSpace((1, 6, 6)), budget=4000, progress=False)
    assert len(report.classes) == 1000
    assert report.verdict.startswith("No verdict") or any(
        "1000 classes; the models compared" in f for f in report.flags
    )


def test_the_package_is_called_and_imported_from():
    import labelleak_lib.audit.targets
    from labelleak_lib import AuditReport, audit, load_target
    from labelleak_lib.audit import report

    assert audit is labelleak_lib.audit and callable(audit) and report.AuditReport is AuditReport
    assert callable(load_target) and labelleak_lib.audit.targets.OUTPUTS
    assert isinstance(audit(trained(4), progress=False), AuditReport)
