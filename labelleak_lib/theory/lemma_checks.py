"""Statements sharper than equations 10 to 17, and the criteria's limits, as rows of the table of checks."""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import lstsq
from sklearn.cluster import KMeans

from labelleak_lib.criteria import arithmetic
from labelleak_lib.theory import collapse, difference, heads, softmax
from labelleak_lib.theory.heads import Array
from labelleak_lib.theory.synthetic import ExactFeatures

OVERLAPPING_MAXIMA = (0.55, *(0.70,) * 3, *(0.99,) * 6)
"""Maxima of ten IPVs, the first of a forgotten class: confident classes pull the cut above the others."""


class Check(NamedTuple):
    """One claim and its measurement: it holds where `measured` lies within `tolerance` of `predicted`.

    `equation` is the paper's number or section. `expected` is False where an assumption that the claim needs is broken.
    `features` are those it is checked on: ``exact``, the dial that is turned, or ``any``.
    """

    equation: str
    claim: str
    predicted: float
    measured: float
    tolerance: float
    expected: bool = True
    features: str = "exact"


anywhere = partial(Check, features="any")


def lemma_checks(seed: int) -> list[Check]:
    """Return the checks of every sharper statement."""
    generator = np.random.default_rng(seed + 100)
    parts = (squared_loss_lemmas, softmax_lemmas, threshold_limits, entropy_limits)
    return [check for part in parts for check in part(generator)]


def relu_features(
    generator: np.random.Generator, classes: int = 6, per_class: int = 80, dim: int = 12
) -> tuple[Array, np.ndarray]:
    """Draw correlated, never negative features (n, dim) and labels (n,), far from every assumption."""
    labels = np.repeat(np.arange(classes), per_class)
    mixing = generator.standard_normal((dim, dim)) / np.sqrt(dim)
    means = 2 * generator.standard_normal((classes, dim))
    noise = generator.standard_normal((len(labels), dim))
    return np.maximum(means[labels] + noise @ mixing + 0.5, 0), labels


def squared_loss_lemmas(generator: np.random.Generator) -> list[Check]:
    """Zero row, intercept, and how little a head can explain when H = I on every set."""
    phi, labels = relu_features(generator)
    phi = phi + 0.1 * generator.standard_normal(phi.shape)
    targets = heads.one_hot(labels, 6)
    retain, forget = labels < 5, labels == 5
    target = lstsq(phi[retain], targets[retain])[0].T
    other = lstsq(phi[forget], targets[forget])[0].T
    biased = heads.with_intercept(phi)
    target_bias = heads.squared_loss_head(biased[retain], targets[retain])
    single = heads.squared_loss_head(biased[labels == 0], targets[labels == 0])
    constant = np.zeros_like(single)
    constant[0, -1] = 1
    design = ExactFeatures()
    features, classes = design.draw(generator)
    share = heads.explained_share(features, heads.one_hot(classes, design.classes))
    return [
        anywhere("10", "row of the absent class of W_u is 0, any H", 0, np.abs(target[5]).max(), 1e-10),
        anywhere("12", "other rows of W_f' are 0, any H", 0, np.abs(other[:5]).max(), 1e-10),
        anywhere("17", "<W_u, W_f'> = 0, any H", 0, (target * other).sum(), 1e-10),
        anywhere("11", "with a bias, W_c is the constant e_c", 0, np.abs(single - constant).max(), 1e-7),
        anywhere("16", "with a bias, <W_u, W_c> is M_u's bias", target_bias[0, -1], (target_bias * single).sum(), 1e-7),
        anywhere("9", "share explained under H = I is |mu|^2 / C", design.scale**2 / design.classes, share, 1e-9),
    ]


def softmax_lemmas(generator: np.random.Generator) -> list[Check]:
    """Cross-entropy: the absent row is pushed down; one-class heads measure the logit margin."""
    phi, labels = relu_features(generator)
    retain = labels < 5
    path = softmax.softmax_head_path(phi[None, retain], labels[None, retain], 6, 0.1, [1, 500])[:, 0]
    target = path[1]
    sets, classes = softmax.single_class_sets(phi, labels, 5, 40, generator)
    each = np.repeat(classes[:, None], sets.shape[1], axis=1)
    time, trained, errors = 1e-3, [], []
    for step in (time / 10, time / 20):
        trained.append(softmax.softmax_head_path(sets, each, 6, step, [10])[0])
        first = np.array([softmax.first_order_head(x, y, 6, 10 * step) for x, y in zip(sets, each, strict=True)])
        errors.append(np.abs(trained[-1] - first).max() / np.abs(first).max())
    inner, margins = heads.inner_products(target, trained[0]), softmax.mean_margins(sets, classes, target)
    longer = softmax.softmax_head_path(sets, each, 6, 0.1, [300])[0]
    steered = softmax.mean_margins(longer[np.arange(len(classes)), classes][:, None], classes, target) * 6 / 5
    gap = np.abs(heads.inner_products(target, longer) - steered).max()
    separated = difference.tree_accuracy(target, longer, np.isin(classes, [1, 3]), 0)
    absent, predicted = inner[classes == 5].mean(), time * margins[classes == 5].mean()
    correlation = np.corrcoef(inner, margins)[0, 1]
    return [
        anywhere("12", "softmax, ReLU features: positive entries of W_u's absent row", 0, (target[5] > 0).sum(), 0),
        anywhere("12", "softmax: halving t halves the first-order error", 2, errors[0] / errors[1], 0.1),
        anywhere("17", "softmax: <W_u, W_f'> is t times a margin below 0", predicted, absent, 0.02 * abs(predicted)),
        anywhere("16, 17", "softmax: <W_u, W_c> / t against margin: correlation", 1, correlation, 1e-3),
        anywhere("16, 17", "softmax: <W_u, W_c> is a margin at every step", 0, gap, 1e-9),
        anywhere("IV-B1", "a tree separates retained classes called forgotten", 1, separated, 0.2),
    ]


def threshold_limits(generator: np.random.Generator) -> list[Check]:
    """Equations 27 to 30: collapse at k = C/(1+alpha^2), whatever the maxima of the two groups."""
    wrong, moved = 0, 0
    for alpha in (0.7, 1.1, 1.5, 2.1):
        for classes in (10, 43, 100):
            ranks = np.tri(classes - 1, classes, 0, dtype=bool)
            found = arithmetic.below_threshold(np.where(ranks, 0.0, 1.0), alpha).any(axis=1)
            shifted = arithmetic.below_threshold(np.where(ranks, 0.2, 0.9), alpha).any(axis=1)
            expected = np.arange(1, classes) < classes * collapse.collapse_fraction(alpha)
            wrong, moved = wrong + int((found != expected).sum()), moved + int((shifted != found).sum())
    count, forgotten, alpha, miss, leak = 10, 3, 1.1, 0.1, 0.2
    maxima = np.concatenate([generator.random((20_000, 3)) < leak, generator.random((20_000, 7)) >= miss], axis=1)
    accused = arithmetic.below_threshold(maxima, alpha)
    recall, alarm = collapse.expected_detection(count, forgotten, alpha, miss, leak)
    noise, many = 0.15, 4000
    critical = round(many * collapse.collapse_fraction(alpha, noise))
    noisy = (np.arange(many) >= critical) + noise * generator.standard_normal((20, many))
    half = arithmetic.below_threshold(noisy, alpha)[:, :critical].mean()
    return [
        anywhere("30", "k that disagree with k < C / (1 + alpha^2)", 0, wrong, 0),
        anywhere("30", "k that change with m = 1 - eps and delta", 0, moved, 0),
        anywhere("30", "recall when inversions fail at random", recall, accused[:, :3].mean(), 0.01),
        anywhere("30", "false alarms when inversions fail at random", alarm, accused[:, 3:].mean(), 0.01),
        anywhere("30", "recall at the collapse point of noisy maxima", 0.5, half, 0.03),
    ]


def entropy_limits(generator: np.random.Generator) -> list[Check]:
    """Equation 31: two clusters accuse someone always, and unequal confidence moves the cut."""
    alike = 0.97 + 0.01 * generator.random((200, 10))
    accused = float(np.mean([arithmetic.two_means_split(row) >= 1 for row in alike]))
    vectors = collapse.sorted_ipv(OVERLAPPING_MAXIMA, 10)
    clusters = KMeans(2, n_init=10, random_state=0).fit_predict(vectors)
    low = int((clusters == clusters[0]).sum())
    split = arithmetic.two_means_split(OVERLAPPING_MAXIMA)
    return [
        anywhere("31", "nothing forgotten, yet a class is accused", 1, accused, 0),
        anywhere("31", "worked example: classes accused", split, low, 0),
        anywhere("31", "worked example: only the forgotten class accused", 1, low, 0, expected=False),
    ]
