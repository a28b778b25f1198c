"""Black-box inversion: what is asked, how often, within which bounds, and how children come about."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare, kstest
from toys import linear, rng

from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.models.access import BlackBox, QueryBudgetError

SHAPE = (1, 3, 4)


def answers(images, classes=4):
    """Answer like a linear model of the pixels; a plain function, with no model anywhere near."""
    d = int(np.prod(images.shape[1:]))
    weight = torch.linspace(-1, 1, classes * d).mul(37).sin().view(classes, d)
    return torch.softmax(images.flatten(1) @ weight.T * 3, dim=1)


class Recorder:
    """A query function that keeps every batch of images it was asked about."""

    def __init__(self, answer=answers):
        self.answer = answer
        self.asked = []

    def __call__(self, images):
        self.asked.append(images.clone())
        return self.answer(images)


def with_fitness(own, classes):
    """Return probabilities (C n, C) that give the individuals of class c the p_c in `own` (C n,), another the rest."""
    block = torch.arange(classes).repeat_interleave(len(own) // classes)
    rows = torch.arange(len(own))
    found = torch.zeros(len(own), classes)
    found[rows, (block + 1) % classes] = 1 - own
    found[rows, block] = own
    return found


def search(attack, seed=0, shape=SHAPE, classes=4, answer=answers, **options):
    recorder = Recorder(functools.partial(answer, classes=classes))
    box = BlackBox(recorder, classes, shape, **options)
    return attack.evidence(box, generator=rng(seed)), recorder, box


@settings(max_examples=25, deadline=None)
@given(
    population=st.integers(2, 12),
    generations=st.integers(1, 8),
    elites=st.integers(0, 11),
    mutation=st.floats(0.01, 20),
    decay=st.floats(0.1, 1),
    classes=st.integers(2, 6),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 2**31),
)
def test_a_search_stays_within_bounds_keeps_its_best_and_spends_what_it_reports(
    population, generations, elites, mutation, decay, classes, shape, seed
):
    elites = min(elites, population - 1)
    attack = GeneticInversion(population, generations, elites, mutation, decay)
    found, recorder, box = search(attack, seed, shape, classes)
    asked = torch.cat(recorder.asked)
    assert asked.min() >= 0 and asked.max() <= 1
    assert found.inverted.min() >= 0 and found.inverted.max() <= 1
    assert found.inverted.shape == (classes, *shape)
    assert found.queries == len(asked) == box.queries
    assert len(asked) == classes * (population + (generations - 1) * (population - elites))
    assert found.history.shape == (generations, classes)
    if elites:
        assert (np.diff(found.history, axis=0) >= 0).all(), "an elite passes unchanged"
    np.testing.assert_allclose(found.ipv, answers(found.inverted, classes), atol=1e-6)
    np.testing.assert_allclose(found.ipv.diagonal(), found.history[-1], atol=1e-6)
    np.testing.assert_array_equal(found.score, -found.ipv.max(1))


def test_what_is_returned_is_the_best_that_was_ever_asked():
    attack = GeneticInversion(population=8, generations=10, elites=1)
    found, recorder, _ = search(attack)
    for c in range(4):
        own = torch.cat([batch.view(4, -1, *SHAPE)[c] for batch in recorder.asked])
        fitness = answers(own)[:, c]
        assert found.ipv[c, c] == pytest.approx(float(fitness.max()))
        assert torch.equal(found.inverted[c], own[fitness.argmax()])
        so_far = [float(answers(b.view(4, -1, *SHAPE)[c])[:, c].max()) for b in recorder.asked]
        np.testing.assert_allclose(found.history[:, c], np.maximum.accumulate(so_far), rtol=1e-6)


def test_queries_already_spent_are_not_counted_again():
    box = BlackBox(answers, 4, SHAPE)
    box.query(torch.rand((5, *SHAPE)))
    attack = GeneticInversion(population=4, generations=3, elites=1)
    assert attack.evidence(box, generator=rng()).queries == box.queries - 5 == 4 * (4 + 2 * 3)


@pytest.mark.parametrize("short", [0, 1])
def test_a_budget_is_never_exceeded(short):
    attack = GeneticInversion(population=6, generations=4, elites=2)
    budget = 4 * (6 + 3 * 4) - short
    recorder = Recorder()
    box = BlackBox(recorder, 4, SHAPE, budget=budget)
    if short:
        with pytest.raises(QueryBudgetError, match=f"the budget is {budget}"):
            attack.evidence(box, generator=rng())
    else:
        assert attack.evidence(box, generator=rng()).queries == budget
    assert sum(len(batch) for batch in recorder.asked) == box.queries <= budget


def test_nothing_but_the_query_function_is_used():
    class Nothing:
        """A black box with no way to its model."""

        classes, shape, queries = 4, SHAPE, 0

        def query(self, images):
            return answers(images)

    attack = GeneticInversion(population=5, generations=3, elites=1)
    found = attack.evidence(Nothing(), generator=rng())
    np.testing.assert_array_equal(found.ipv, search(attack)[0].ipv)


def test_labels_alone_are_enough_to_search_and_still_invert():
    found, _, box = search(GeneticInversion(population=60, generations=5), labels_only=True)
    assert box.labels_only and set(np.unique(found.ipv)) <= {0.0, 1.0}
    assert (found.ipv.sum(1) == 1).all()
    assert found.ipv.argmax(1).tolist() == answers(found.inverted).argmax(1).tolist()


def test_a_class_never_answered_gets_a_uniform_selection_and_no_failure():
    def never(images, classes):
        return torch.nn.functional.one_hot(torch.zeros(len(images), dtype=torch.long), classes).float()

    found, recorder, _ = search(GeneticInversion(population=6, generations=5, elites=1), answer=never)
    assert found.ipv.argmax(1).tolist() == [0, 0, 0, 0]
    assert (found.history[:, 1:] == 0).all() and (found.history[:, 0] == 1).all()
    assert all(torch.isfinite(batch).all() for batch in recorder.asked)


def test_selection_tells_apart_fitnesses_that_are_all_tiny():
    def tiny(images, classes):
        first = images.flatten(1)[:, 0]
        return with_fitness(1e-30 * first, classes)

    found, _, _ = search(GeneticInversion(population=40, generations=30, elites=0), answer=tiny)
    assert found.inverted.flatten(1)[:, 0].min() > 0.8, "without elites, selection alone must climb"


def test_the_first_generation_is_uniform_in_the_unit_cube_and_differs_by_class():
    _, recorder, _ = search(GeneticInversion(population=200, generations=1, elites=0))
    (genes,) = recorder.asked
    counts, _ = np.histogram(genes.numpy(), bins=10, range=(0, 1))
    assert chisquare(counts).pvalue > 1e-4
    assert len(genes.flatten(1).unique(dim=0)) == 800


def test_children_are_two_parents_crossed_at_one_point_with_one_gene_stepped():
    shape, n = (1, 2, 4), 6
    attack = GeneticInversion(population=n, generations=2, elites=2, mutation=0.3)
    _, recorder, _ = search(attack, seed=5, shape=shape)
    parents, children = (batch.view(4, -1, 8) for batch in recorder.asked)
    crossed = mutated = 0
    for c in range(4):
        assert len(children[c]) == n - 2
        for child in children[c]:
            ways = []  # (genes that differ, whether both sides contribute) of every pair and cut
            for a in parents[c]:
                for b in parents[c]:
                    for cut in range(1, 8):
                        mix = torch.cat([a[:cut], b[cut:]])
                        ways.append((int((mix != child).sum()), not torch.equal(a, b)))
            fewest = min(ways)[0]
            assert fewest <= 1, "at most one gene of a crossing is stepped"
            mutated += fewest
            crossed += all(different for count, different in ways if count == fewest)
    assert mutated >= 12 and crossed >= 8, "crossing and stepping do happen"


def test_parents_are_drawn_in_proportion_to_their_fitness():
    def stepped(images, classes):
        return with_fitness(torch.where(images.flatten(1)[:, 0] > 0.5, 0.8, 0.2), classes)

    n = 1500
    attack = GeneticInversion(population=n, generations=2, elites=0, mutation=1e-9)
    _, recorder, _ = search(attack, shape=(1, 1, 2), classes=2, answer=stepped)
    parents, children = (batch.view(2, n, 2) for batch in recorder.asked)
    for c in range(2):
        high = int((parents[c, :, 0] > 0.5).sum())
        share = 0.8 * high / (0.8 * high + 0.2 * (n - high))
        # the first gene is the first parent's, whatever the cut of two genes
        assert binomtest(int((children[c, :, 0] > 0.5).sum()), n, share).pvalue > 1e-3


def test_cuts_and_stepped_genes_are_uniform():
    n, d = 2000, 5

    def flat(images, classes):
        return torch.full((len(images), classes), 1 / classes)

    attack = GeneticInversion(population=n, generations=2, elites=0, mutation=1e-3)
    _, recorder, _ = search(attack, shape=(1, 1, d), classes=2, answer=flat)
    parents, children = (batch.view(2, n, d) for batch in recorder.asked)
    steps, cuts = np.zeros(d), np.zeros(d + 1)
    for child in children[0]:
        whose = [(parents[0, :, gene] == child[gene]).nonzero().flatten().tolist() for gene in range(d)]
        stepped = [gene for gene in range(d) if not whose[gene]]
        if len(stepped) == 1:
            steps[stepped[0]] += 1
            if stepped[0] == d - 1 and whose[0][0] != whose[d - 2][0]:
                cuts[1 + max(gene for gene in range(d - 1) if whose[gene] == whose[0])] += 1
    assert steps.sum() > 0.99 * n and chisquare(steps).pvalue > 1e-4
    assert cuts[0] == 0 and chisquare(cuts[1 : d - 1]).pvalue > 1e-4


def test_steps_are_normal_and_shrink_geometrically():
    n = 1000

    def favour_the_first(images, classes):
        own = torch.zeros(classes, n)
        own[:, 0] = 1  # the only parent of every child
        return with_fitness(own.flatten(), classes)

    attack = GeneticInversion(population=n, generations=5, elites=0, mutation=0.02, decay=0.5)
    _, recorder, _ = search(attack, shape=(1, 1, 1), classes=2, answer=favour_the_first)
    generations = [batch.view(2, n) for batch in recorder.asked]
    assert 0.2 < generations[0][0, 0] < 0.8, "far from where steps are clipped"
    for t in (1, 2, 3, 4):
        steps = generations[t][0] - generations[t - 1][0, 0]
        assert kstest(steps.numpy(), "norm", (0, 0.02 * 0.5**t)).pvalue > 1e-3


def test_the_search_finds_an_input_of_every_class_of_a_linear_model():
    model = linear(classes=3, shape=(1, 8, 8), scale=0.3)
    box = BlackBox.of(model)
    found = GeneticInversion(population=60, generations=60).evidence(box, generator=rng())
    assert found.ipv.argmax(1).tolist() == [0, 1, 2]
    assert (found.history[-1] >= found.history[0]).all() and found.history[-1].min() > 0.9


def test_elites_must_leave_room_for_children():
    with pytest.raises(ValueError, match=r"elites is 5; it must be below population \(5\)"):
        GeneticInversion(population=5, elites=5)
