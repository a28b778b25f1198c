"""Auxiliary heads: all at once, beside the loops that train one after the other."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from labelleak_lib.attacks.heads import HeadRecipe, Heads, fit_heads
from labelleak_lib.data.samples import to_input
from labelleak_lib.models import classifier

HEADS, CLASSES = 400, 10
SUBSET = 40  # for slow peers, and for losses
RECIPE = HeadRecipe()
SUBJECT = "auxiliary heads"
# Two classes a head: of a single one, which the attacks use, scikit-learn fits nothing.
NOTE = f"{HEADS} heads, {RECIPE.samples} samples of two classes each, {RECIPE.steps} steps"


class Problem:
    """Images, features, labels and initial weights of every head."""

    def __init__(self, model, pool):
        g = torch.Generator().manual_seed(0)
        pairs = list(itertools.islice(itertools.cycle(itertools.combinations(range(CLASSES), 2)), HEADS))
        members = [torch.nonzero(pool.labels == c).flatten() for c in range(CLASSES)]
        half = RECIPE.samples // 2
        index = [torch.cat([members[c][torch.randperm(len(members[c]), generator=g)[:half]] for c in p]) for p in pairs]
        features = classifier.extract_features(model, pool.images)
        self.model = model
        self.images = [to_input(pool.images[i]) for i in index]
        self.phi = torch.stack([features[i] for i in index])
        self.labels = torch.stack([pool.labels[i] for i in index])
        self.start = RECIPE.draw_start(HEADS, CLASSES, features.shape[1], g)

    def losses(self, heads):
        """Return the mean loss of each of the first heads."""
        m = slice(SUBSET)
        logits = torch.baddbmm(heads.bias[m, None], self.phi[m], heads.weight[m].transpose(1, 2))
        return nn.functional.cross_entropy(logits.transpose(1, 2), self.labels[m], reduction="none").mean(1)

    def loss(self, heads):
        """Return the mean loss of the first heads."""
        return self.losses(heads).mean().item()


@pytest.fixture(scope="module")
def problem(target, spec):
    return Problem(target, spec.part("pool"))


@pytest.fixture(scope="module")
def ours(problem):
    return batched(problem)


def batched(problem):
    recipe = {"steps": RECIPE.steps, "lr": RECIPE.lr, "momentum": RECIPE.momentum}
    return fit_heads(problem.phi, problem.labels, problem.start, **recipe)


def loop(problem, inputs_of):
    """Train heads one after the other, as torch's own layers and optimiser do it."""
    found = []
    for i in range(SUBSET):
        layer = nn.Linear(problem.phi.shape[2], CLASSES)
        layer.weight.data, layer.bias.data = problem.start.weight[i].clone(), problem.start.bias[i].clone()
        optimizer = torch.optim.SGD(layer.parameters(), lr=RECIPE.lr, momentum=RECIPE.momentum)
        for _ in range(RECIPE.steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(layer(inputs_of(i)), problem.labels[i]).backward()
            optimizer.step()
        found.append(layer)
    return Heads(torch.stack([f.weight.data for f in found]), torch.stack([f.bias.data for f in found]))


def test_ours(enter, problem):
    enter(
        lambda: batched(problem), subject=SUBJECT, name="this library", role="ours", rounds=9, note=NOTE,
        quality=lambda heads: f"loss {problem.loss(heads):.2g}",
    )  # fmt: skip


def moved_by(problem, passes):
    """Compute what training needs but once, and `passes` of the logits, classes before samples, at each step."""
    phi, moved = problem.phi, torch.zeros(HEADS, CLASSES, RECIPE.samples)
    gram, logits = phi @ phi.transpose(1, 2), problem.start.weight @ phi.transpose(1, 2)
    for _ in range(RECIPE.steps):
        passes(torch.baddbmm(logits, moved, gram))
    return moved @ phi


def test_products_alone(enter, problem):
    enter(
        lambda: moved_by(problem, lambda logits: logits), subject=SUBJECT, name="its matrix products alone",
        role="bare", rounds=9,
    )  # fmt: skip


def test_products_and_softmax_alone(enter, problem):
    enter(
        lambda: moved_by(problem, lambda logits: torch.softmax(logits, 1)), subject=SUBJECT,
        name="its matrix products and softmax alone", role="bare", rounds=9,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "goal"), [("loop, network at each step", 200), ("loop, features kept", 100)])
def test_plain_loop(enter, problem, ours, name, goal):
    def network(i):
        with torch.no_grad():
            return problem.model.features(problem.images[i])

    inputs_of = network if "network" in name else problem.phi.__getitem__
    heads = enter(
        lambda: loop(problem, inputs_of), subject=SUBJECT, name=name, role="peer", target=goal, rounds=2,
        scale=HEADS / SUBSET, scaled_from=f"{SUBSET} heads", quality=lambda heads: f"loss {problem.loss(heads):.2g}",
    )  # fmt: skip
    assert problem.loss(heads) == pytest.approx(problem.loss(ours), rel=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn(enter, problem, ours):
    """Stop each fit at the first iteration of L-BFGS that reaches our head's loss, known from a search beforehand."""
    phi, labels = problem.phi.double().numpy(), problem.labels.numpy()

    def fit(i, iterations):
        return LogisticRegression(C=np.inf, max_iter=iterations, tol=1e-14).fit(phi[i], labels[i])

    def loss(i, fitted):
        column = (labels[i] == fitted.classes_[1]).astype(int)
        return -np.log(fitted.predict_proba(phi[i])[range(RECIPE.samples), column]).mean()

    goals = problem.losses(ours).clamp_min(1e-9).tolist()
    needed = [next(n for n in range(1, 100) if loss(i, fit(i, n)) <= goal) for i, goal in enumerate(goals)]
    enter(
        lambda: [fit(i, n) for i, n in enumerate(needed)], subject=SUBJECT, name="scikit-learn", role="peer",
        target=20, rounds=2, scale=HEADS / SUBSET, scaled_from=f"{SUBSET} heads",
        quality=lambda found: f"loss {np.mean([loss(i, f) for i, f in enumerate(found)]):.2g}",
    )  # fmt: skip
