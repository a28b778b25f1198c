"""The dials, the probes of trained heads and the figures, against closed forms and hand-made cases."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import lstsq

from labelleak_lib.attacks.heads import Heads, fit_heads
from labelleak_lib.figures import theory
from labelleak_lib.theory import assumptions, collapse, dials, difference, probe, softmax
from labelleak_lib.theory.lemma_checks import OVERLAPPING_MAXIMA, relu_features
from labelleak_lib.theory.synthetic import ExactFeatures

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def trained():
    """A softmax head trained without class 5, and single-class sets of features."""
    phi, labels = relu_features(np.random.default_rng(0))
    retain = labels < 5
    head = softmax.softmax_head_path(phi[None, retain], labels[None, retain], 6, 0.1, [400])[0, 0]
    return head, *softmax.single_class_sets(phi, labels, 6, 30, np.random.default_rng(1)), phi, labels


def test_overlap_dial_follows_its_closed_form():
    cosines = [0.0, 0.3, 0.8]
    frame = dials.inner_product_dial({c: ExactFeatures(overlap=c) for c in cosines}, 0)
    found = frame[(frame["head"] == "forgotten") & (frame["targets"] != "one-hot")]["inner"]
    retained = ExactFeatures().classes - 1
    np.testing.assert_allclose(found, [c / (1 / retained + (1 - 1 / retained) * c) for c in cosines], atol=1e-9)
    assert (frame[(frame["head"] == "forgotten") & (frame["targets"] == "one-hot")]["inner"].abs() < 1e-10).all()


def test_dead_features_spread_the_inner_product_as_predicted():
    frame = dials.dead_feature_dial([0, 12], 400, 0)
    forgotten = frame[frame["head"] == "forgotten"].groupby("dial")
    measured, predicted = forgotten["inner"].std(), forgotten["deviation"].first()
    assert measured[0] < 1e-10
    assert measured[12] == pytest.approx(predicted[12], rel=0.12)


def test_sampling_dial_has_a_floor_for_one_class_alone():
    frame = dials.sampling_dial([100, 10_000], 20, 0).pivot(index="source", columns="size", values="measured")
    assert frame.loc["a sample of all of $D_r$", 10_000] < 0.2
    assert frame.loc["a sample of one class", 10_000] == pytest.approx(np.sqrt(6), rel=0.05)


def test_first_order_row_is_met_early_and_left_late():
    phi, labels = relu_features(np.random.default_rng(2))
    path = probe.absent_row_path(phi[labels < 5], labels[labels < 5], 6, 5, [0.03, 30])
    assert path["measured"][0] == pytest.approx(path["predicted"][0], rel=1e-9)
    assert path["measured"][1] < 0.9 * path["predicted"][1]
    assert (path["positive"] == 0).all()


def test_zero_start_measures_margins_exactly_and_a_random_start_does_not(trained):
    head, sets, own, _, _ = trained
    frame = probe.margin_agreement(head, sets, own, [0.03, 3], np.random.default_rng(3))
    first = frame[frame["time"] == frame["time"].min()].set_index("start")
    assert first.loc["zero", "correlation"] == pytest.approx(1, abs=1e-9)
    assert first.loc["random", "correlation"] < 0.9
    assert frame[frame["start"] == "zero"]["gap"].max() < 1e-9
    assert frame[frame["start"] == "random"]["gap"].min() > 0.01


def test_weights_of_the_samples_are_positive(trained):
    _, sets, own, _, _ = trained
    few = sets[:1, :8]
    row = softmax.softmax_head_path(few, np.repeat(own[:1, None], 8, axis=1), 6, 0.05, [200])[0, 0, own[0]]
    weights = lstsq(few[0].T, row)[0]
    np.testing.assert_allclose(weights @ few[0], row, atol=1e-10)
    assert weights.min() > 0


def test_class_evidence_agrees_with_a_loop(trained):
    head, sets, own, _, _ = trained
    fitted = probe.deployed_heads(sets, own, 6, np.random.default_rng(4), 0.1, 50, 0.9)
    table = probe.class_evidence(head, sets, own, fitted)
    chosen = np.flatnonzero(own == 2)
    assert table.loc[2, "inner"] == pytest.approx(np.mean([(head * fitted[i]).sum() for i in chosen]))
    correct = [(sets[i] @ head.T).argmax(1) == 2 for i in chosen]
    assert table.loc[2, "accuracy"] == pytest.approx(np.mean(correct))
    assert table.loc[5, "margin"] < 0 < table.loc[2, "margin"]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_attacks_own_heads_are_those_of_the_attack(trained, momentum):
    _, sets, own, _, _ = trained
    sets = np.concatenate([sets, np.ones((*sets.shape[:2], 1))], axis=2)  # the constant feature of the bias
    drawn = probe.torch_start(len(sets), 6, sets.shape[2], np.random.default_rng(4))
    start = Heads(*(torch.as_tensor(part) for part in (drawn[..., :-1], drawn[..., -1])))
    phi, labels = torch.as_tensor(sets[..., :-1]), torch.as_tensor(np.repeat(own[:, None], sets.shape[1], axis=1))
    peer = fit_heads(phi, labels, start, steps=50, lr=0.1, momentum=momentum)
    fitted = probe.deployed_heads(sets, own, 6, np.random.default_rng(4), 0.1, 50, momentum)
    np.testing.assert_allclose(fitted[..., :-1], peer.weight.numpy(), atol=1e-9)
    np.testing.assert_allclose(fitted[..., -1], peer.bias.numpy(), atol=1e-9)


def test_criterion_sweep_agrees_with_its_closed_forms():
    sweep = collapse.criterion_sweep(10, (0.8, 1.5), 0.05, 0.1, 20_000, np.random.default_rng(5))
    np.testing.assert_allclose(sweep["measured"], sweep["predicted"], atol=0.015)
    assert sweep[sweep["criterion"] == "threshold, alpha = 1.5"]["limit"].iloc[0] == pytest.approx(10 / 3.25)


def figures(head, sets, own, phi, labels):
    """Yield every figure of the chapter on small data."""
    rng = np.random.default_rng(6)
    side = np.where(np.arange(6) == 5, "forgotten", "retained")
    fitted = probe.deployed_heads(sets, own, 6, rng, 0.1, 20, 0.9)
    evidence = probe.class_evidence(head, sets, own, fitted).assign(method="RT", side=side)
    curves = probe.margin_agreement(head, sets, own, [0.1, 1], rng).assign(method="M_o")
    path = probe.absent_row_path(phi[labels < 5], labels[labels < 5], 6, 5, [0.1, 1])
    sums = pd.DataFrame({"method": "M_o", "side": side, "sum": head.sum(axis=1)})
    norms = difference.norm_frame(head, fitted).assign(side=side[own])
    sweep = collapse.criterion_sweep(6, (1.1,), 0.05, 0.1, 100, rng)
    yield theory.inner_product_dial(dials.inner_product_dial({0.0: ExactFeatures()}, 0), "dial")
    yield theory.dead_feature_dial(dials.over_starts(dials.dead_feature_dial([0, 5], 5, 0)))
    yield theory.sampling(dials.sampling_dial([10, 100], 2, 0))
    yield theory.spectra({"$D_r$": assumptions.spectrum(phi).relative})
    yield theory.whitening(assumptions.whitening_distances(phi, labels, [5]))
    yield theory.cosines({"raw": assumptions.class_cosines(phi, labels, 6)}, list("abcdef"))
    yield theory.absent_row(path, sums)
    yield theory.agreement(curves)
    yield theory.same_question(evidence)
    yield theory.difference_norms(pd.concat([norms.assign(loss="a"), norms.assign(loss="b")]))
    yield theory.collapse(sweep)
    yield theory.two_clusters(OVERLAPPING_MAXIMA, 1, 4, np.array([1, 5, 5]))


def test_every_figure_has_data_and_labelled_axes(trained):
    drawn = 0
    for figure in figures(*trained):
        panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
        assert panels
        for axis in panels:
            assert axis.has_data()
            categorical = [text.get_text() for text in axis.get_xticklabels()]
            assert axis.get_xlabel() or any("class" in text for text in categorical)
        assert panels[0].get_ylabel()
        plt.close(figure)
        drawn += 1
    assert drawn == 12


def test_figures_draw_nothing_at_random(trained):
    first, second = ([drawn_pixels(figure) for figure in figures(*trained)] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def drawn_pixels(figure):
    """Draw `figure`, close it and return its pixels."""
    figure.canvas.draw()
    pixels = np.array(figure.canvas.buffer_rgba())
    plt.close(figure)
    return pixels
