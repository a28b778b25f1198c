"""Figures of unlearning and of the attacks: they draw the numbers they are given, for any number of classes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from record_samples import frame, pair
from toys import blobs, trained

from labelleak_lib import names
from labelleak_lib.figures import inversion, layout, parameter_attacks, success, unlearning
from labelleak_lib.results import accuracies, inverted, leakage, readings

SIZES = pytest.mark.parametrize(("classes", "trials"), [(4, 1), (12, 3)])


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def panels_of(figure):
    return [ax for ax in figure.axes if ax.axison]


def assert_labelled(figure):
    """Assert that every panel has a horizontal label, and every row of panels a vertical one."""
    panels = panels_of(figure)
    lowest = [ax for ax in panels if ax.get_subplotspec().is_last_row()]
    assert all(ax.get_xlabel() for ax in lowest)
    leftmost = [ax for ax in panels if ax.get_subplotspec().is_first_col()]
    assert leftmost
    assert all(ax.get_ylabel() for ax in leftmost)


def heights(ax):
    return [bar.get_height() for bar in ax.patches]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


# Success rates.


def attack_records(classes, trials, *, protocols=("paper", "attacker"), ks=(1,), **others):
    rows = [("dot_product", "youden"), ("whitebox_inversion", "threshold")]
    return frame(
        *(
            pair(
                0.5 + 0.1 * i + 0.01 * t, 0.4, attack=a, criterion=c, protocol=p, unlearning=u, trial=t, k=k,
                classes=classes, unlearned=u != "NG", **others,
            )
            for i, (a, c) in enumerate(rows) for p in protocols for u in ("RT", "NG") for t in range(trials) for k in ks
        )
    )  # fmt: skip


@SIZES
def test_success_rates_are_drawn_as_they_stand_in_the_table(classes, trials) -> None:
    records = attack_records(classes, trials)
    table = leakage.success_frame(records, [("dot_product", "youden"), ("whitebox_inversion", "threshold")])
    figure = success.success_rates(table)
    assert_labelled(figure)
    assert len(panels_of(figure)) == 4
    for ax, (attack, protocol) in zip(
        panels_of(figure),
        [(a, p) for a in ("dot_product", "whitebox_inversion") for p in ("paper", "attacker")],
        strict=True,
    ):
        lines = table[(table.attack == attack) & (table.protocol == protocol)]
        assert heights(ax) == pytest.approx(lines.measured.tolist(), nan_ok=True)
        assert [label.get_text() for label in ax.get_xticklabels()] == ["RT", "NG"]
        assert [bar.get_hatch() or "" for bar in ax.patches] == ["", "////"]
        rings = next(line for line in ax.lines if line.get_marker() == "o").get_ydata()
        assert np.isnan(rings[0]) and rings[1] == pytest.approx(lines.ungated.iloc[1])
        assert protocol in ax.get_title() and ax.get_xlabel() == f"unlearning method (n = {trials})"
        # the last lines are baselines
        level = ax.lines[-1].get_ydata()[0]
        assert level == pytest.approx(50 if (attack, protocol) == ("dot_product", "paper") else 100 * (1 - 1 / classes))
        (placebo,) = (c for c in ax.collections if c.get_linewidth()[0] == 2)
        assert [segment[0][1] for segment in placebo.get_segments() if len(segment)] == pytest.approx(
            lines.placebo.dropna().tolist()
        )


def test_each_number_of_forgotten_classes_has_its_own_bars_and_baseline() -> None:
    records = attack_records(10, 2, protocols=("paper",), ks=(1, 3))
    table = leakage.success_frame(records, [("whitebox_inversion", "threshold")], ("paper",))
    figure = success.success_rates(table)
    (ax,) = panels_of(figure)
    assert heights(ax) == pytest.approx(table.measured.tolist(), nan_ok=True)
    drawn = {line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"}
    assert drawn == {90.0, 70.0}
    assert {"measured, k = 1", "measured, k = 3"} <= set(legend_texts(figure))


def test_published_rates_are_drawn_under_the_published_protocol_alone() -> None:
    table = leakage.success_frame(attack_records(10, 1), [("dot_product", "youden")])
    paper, attacker = panels_of(success.success_rates(table))

    def diamonds(ax):
        return [list(line.get_ydata()) for line in ax.lines if line.get_marker() == "D"]

    assert diamonds(paper) == [[90.75, 81.50]]
    assert diamonds(attacker) == []


def test_the_legend_of_success_rates_names_only_what_is_drawn() -> None:
    rows = [("dot_product", "youden"), ("whitebox_inversion", "threshold")]

    def entries(records, chosen, draw=success.success_rates):
        return " ".join(legend_texts(draw(leakage.success_frame(records, chosen, ("paper",)))))

    two = attack_records(10, 2, dataset="digits")  # no trial of NG passes: no bar, and none hatched
    heads, classes = (entries(two, [row]) for row in rows)
    assert "placebo" in heads and "placebo" not in classes
    assert "some trial fails" not in heads and "all trials, where some or all fail" in heads
    assert all(word not in heads for word in ("interval", "published"))
    some = attack_records(10, 6)
    some.loc[some.trial == 0, "unlearned"] = False
    assert all(word in entries(some, rows[:1]) for word in ("some trial fails", "interval", "published"))
    glance = entries(two, rows[1:], success.at_a_glance)
    assert all(word not in glance for word in ("placebo", "interval", "published"))
    assert all(word in entries(some, rows[:1], success.at_a_glance) for word in ("placebo", "interval", "published"))


def test_published_rates_are_drawn_though_the_first_data_set_is_not_in_the_paper() -> None:
    records = pd.concat([attack_records(10, 2, dataset=name) for name in ("digits", "mnist")])
    (ax,) = panels_of(success.at_a_glance(leakage.success_frame(records, [("dot_product", "youden")], ("paper",))))
    (diamonds,) = [line for line in ax.lines if line.get_marker() == "D"]
    assert list(diamonds.get_ydata()) == [90.75, 81.50]


def test_titles_of_neighbouring_panels_keep_apart_however_long_their_names() -> None:
    rows = [("blackbox_inversion", "entropy_argmax")]
    cells = [
        pair(1, 1, attack=a, criterion=c, dataset=name, unlearning="RT")
        for name in ("fashion_mnist", "my_own_pictures") for a, c in rows
    ]  # fmt: skip
    figure = success.success_rates(leakage.success_frame(frame(*cells), rows, ("paper",)))
    figure.canvas.draw()
    left, right = (ax.title.get_window_extent() for ax in panels_of(figure))
    assert not left.overlaps(right)
    assert panels_of(figure)[0].get_title().startswith("fashion_mnist:\n")


def test_marks_are_counted_by_the_trials_that_pass_the_gate() -> None:
    records = attack_records(10, 6, protocols=("paper",))
    records.loc[(records.trial == 0) & (records.unlearning == "RT"), "unlearned"] = False
    records.loc[(records.trial < 3) & (records.unlearning == "NG"), "unlearned"] = True
    figure = success.success_rates(leakage.success_frame(records, [("dot_product", "youden")], ("paper",)))
    assert panels_of(figure)[0].get_xlabel() == "unlearning method (n = 3 to 5)"
    assert "pass the gate" in figure.legends[0].get_title().get_text()


# Accuracies.


def accuracy_frame(trials, dataset="fashion_mnist", k=1):
    rows = [
        {
            "dataset": dataset, "data_variant": "v", "profile": "paper", "seed": 0, "trial": t, "forgotten": "0",
            "k": k, "unlearning": code, "forget_acc_before": 0.8, "forget_acc_after": 0.01 * i + 0.002 * t,
            "retain_acc_before": 0.9, "retain_acc_after": 0.88 + 0.01 * t, "unlearned": code != "FT",
            "config_hash": f"{dataset}{k}{code}{t}",
        }
        for i, code in enumerate(("NG", "FT", "RT")) for t in range(trials)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=accuracies.COLUMNS)


@pytest.mark.parametrize("trials", [1, 3])
def test_accuracies_after_are_bars_and_before_are_ticks(trials) -> None:
    table = accuracies.accuracy_table(accuracy_frame(trials))
    figure = unlearning.accuracies(table)
    assert_labelled(figure)
    (ax,) = panels_of(figure)
    after = [table[table.quantity == f"{side}_acc_after"]["mean"] for side in ("forget", "retain")]
    assert heights(ax) == pytest.approx([*after[0], *after[1]])
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        f"RT\n{trials}/{trials}", f"FT\n0/{trials}", f"NG\n{trials}/{trials}"
    ]  # fmt: skip
    assert "published, after" in legend_texts(figure)


def test_a_data_set_without_published_values_has_a_panel_without_diamonds() -> None:
    both = pd.concat([accuracy_frame(2, "digits"), accuracy_frame(2, "mnist", k=3)])
    figure = unlearning.accuracies(accuracies.accuracy_table(both))
    digits, mnist = panels_of(figure)
    assert digits.get_title() == "digits, k = 1"
    assert [line for line in digits.lines if line.get_marker() == "D"] == []
    published = [list(line.get_ydata()) for line in mnist.lines if line.get_marker() == "D"]
    assert published == [[32.48, 15.84, 1.76], [99.30, 99.42, 98.58]]  # Table IV: RT, FT, NG


def test_averages_compare_the_same_data_sets_and_fall_back_to_the_published_ones() -> None:
    averages = accuracies.averages(accuracies.accuracy_table(accuracy_frame(2)))
    one = averages[(averages.k == 1) & (averages.unlearning == "RT")].set_index("quantity")
    assert one.datasets.unique().tolist() == ["fashion_mnist"]
    assert one.measured["retain_acc_after"] == pytest.approx(88.5)
    assert one.published["retain_acc_after"] == 91.42
    three = averages[(averages.k == 3) & (averages.unlearning == "RT")].set_index("quantity")
    assert three.measured.isna().all()
    assert three.published["forget_acc_after"] == pytest.approx((32.48 + 1.20 + 0.39 + 0.22) / 4)
    figure = unlearning.average_accuracies(averages)
    assert_labelled(figure)
    assert len(panels_of(figure)) == 4
    drawn = heights(panels_of(figure)[1])
    side = averages[(averages.k == 1) & (averages.quantity == "retain_acc_after")]
    assert drawn == pytest.approx([*side.measured, *side.published], nan_ok=True)


def test_averages_leave_out_a_data_set_that_lacks_a_method_measured_elsewhere() -> None:
    whole, part = accuracy_frame(2), accuracy_frame(2, "mnist")
    part = part[part.unlearning != "FT"].assign(retain_acc_after=0.1)
    averages = accuracies.averages(accuracies.accuracy_table(pd.concat([whole, part])))
    alone = accuracies.averages(accuracies.accuracy_table(whole))
    pd.testing.assert_frame_equal(averages, alone)
    assert set(averages[averages.k == 1].datasets) == {"fashion_mnist"}
    left = accuracies.averages(accuracies.accuracy_table(part))
    assert set(left[left.k == 1].datasets) == {"mnist"}


def test_batches_of_their_own_are_drawn_where_the_tables_print_them() -> None:
    printed = accuracies.own_batches_in_the_published_tables()
    figure = unlearning.own_batches(printed)
    assert_labelled(figure)
    (ax,) = panels_of(figure)
    (dots,) = (line for line in ax.lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == [98.97, 86.82, 88.86, 74.13, 97.22, 74.02, 82.73, 77.32]
    assert printed.lowest.tolist() == [False, True, True, False, True, True, True, False]


# Parameter attacks.


def evidence_rows(records, arrays):
    """Return evidence of every cell and control as a record store does: bytes of little-endian float32."""
    rows = [
        {
            "config_hash": digest, "control": control, "attack": attack, "protocols": protocols, "kind": kind,
            "shape": np.array(np.shape(array)), "values": np.asarray(array, "<f4").tobytes(),
        }
        for digest in records.config_hash.unique()
        for control in ("none", "placebo")
        for (attack, protocols, kind), array in arrays(digest, control).items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


@SIZES
def test_heads_are_told_apart_by_the_class_they_were_trained_on(classes, trials) -> None:
    records = frame(*(pair(1, 1, trial=t, unlearning=u, forgotten="1", config_hash=f"{u}{t}", classes=classes)
                      for u in ("NG", "RT") for t in range(trials)))  # fmt: skip
    source = np.append(np.arange(classes), [1, 1, -1])

    def arrays(digest, control):
        shift = 0 if control == "placebo" else -10
        dot = np.where(source == 1, shift, 5.0)
        prefix = ("dot_product", "paper")
        return {(*prefix, "source"): source, (*prefix, "dot"): dot, ("dot_product", "attacker", "source"): source}

    shown = readings.head_frame(records, evidence_rows(records, arrays), "dot_product", "dot")
    assert len(shown) == 2 * 2 * trials * (classes + 2)  # unrelated data is no candidate
    assert shown.unlearning.drop_duplicates().tolist() == ["RT", "NG"]
    means = shown.groupby(["control", "kind"]).value.mean()
    assert means.to_dict() == {
        ("none", "forgotten"): -10, ("none", "retained"): 5, ("placebo", "forgotten"): 0, ("placebo", "retained"): 5
    }  # fmt: skip

    figure = parameter_attacks.distributions(shown, "dot product")
    assert_labelled(figure)
    assert len(panels_of(figure)) == 4
    for ax in panels_of(figure):
        # each kind's bars sum to all of its heads
        assert sum(heights(ax)) == pytest.approx(200)
        assert max(heights(ax)) == pytest.approx(100)

    figure = parameter_attacks.by_class(shown[(shown.unlearning == "RT") & (shown.trial == 0)], "dot product")
    assert_labelled(figure)
    target, _ = panels_of(figure)
    retained, forgotten = target.lines
    assert sorted(forgotten.get_ydata()) == [-10, -10, -10]
    assert len(retained.get_ydata()) == classes - 1
    assert set(np.round(forgotten.get_xdata())) == {1}


def test_no_evidence_gives_an_empty_frame() -> None:
    records = frame(pair(1, 1))
    nothing = pd.DataFrame(columns=["config_hash", "control", "attack", "protocols", "kind", "shape", "values"])
    assert readings.head_frame(records, nothing, "difference", "absolute_sum").empty
    assert inverted.peak_frame(records, nothing, "whitebox_inversion").empty


# Inversion.


def ipv(classes, low, level):
    """Return vectors with maximum 0.9, but `level` for the class `low`, whose argmax is class 0."""
    vectors = np.full((classes, classes), 0.1 / (classes - 1))
    np.fill_diagonal(vectors, 0.9)
    vectors[low] = (1 - level) / (classes - 1)
    vectors[low, 0] = level
    return vectors


@SIZES
def test_peaks_are_the_maxima_of_the_stored_vectors(classes, trials) -> None:
    records = frame(*(pair(1, 1, trial=t, forgotten="1,2", k=2, config_hash=str(t), classes=classes)
                      for t in range(trials)))  # fmt: skip

    def arrays(digest, control):
        vectors = ipv(classes, 1, 0.4 if control == "none" else 0.8)
        return {("whitebox_inversion", "paper,attacker", "ipv"): np.log(vectors)}

    peaks = inverted.peak_frame(records, evidence_rows(records, arrays), "whitebox_inversion")
    assert len(peaks) == 2 * trials * classes
    found = peaks[peaks["class"] == 1].groupby("control").peak.mean()
    assert found.to_dict() == pytest.approx({"none": 0.4, "placebo": 0.8}, rel=1e-6)
    assert set(peaks[peaks.kind == "forgotten"]["class"]) == {1, 2}

    figure = inversion.peaks(inverted.with_means(peaks, "unlearning"), by="unlearning")
    assert_y_label_and(figure, 2)
    after = panels_of(figure)[1]
    _, forgotten = after.lines
    assert sorted(forgotten.get_ydata()) == pytest.approx(sorted([0.4, 0.9] * trials), rel=1e-6)

    renamed = inverted.with_means(peaks.assign(dataset="fashion_mnist"), "dataset")
    named = inversion.peaks(renamed, by="dataset")
    assert [label.get_text() for label in panels_of(named)[0].get_xticklabels()] == ["fashion_\nmnist"]

    figure = inversion.screening(inverted.screened(peaks[peaks.trial == 0]))
    assert_labelled(figure)
    after = panels_of(figure)[1]
    maxima = np.array([0.9] * classes)
    maxima[1] = 0.4
    assert sorted(heights(after)) == pytest.approx(sorted(maxima), rel=1e-6)
    threshold, accused = after.lines
    assert threshold.get_ydata()[0] == pytest.approx(maxima.mean() - maxima.std(), rel=1e-6)
    assert list(accused.get_xdata()) == [1]


def assert_y_label_and(figure, panels):
    """Assert a vertical label; the ticks name the groups on the horizontal axis."""
    drawn = panels_of(figure)
    assert len(drawn) == panels
    assert drawn[0].get_ylabel()
    assert all(label.get_text() for ax in drawn for label in ax.get_xticklabels())


@SIZES
def test_progress_shows_one_line_a_class_and_the_smallest_probability(classes, trials) -> None:
    target = np.geomspace(1e-6, 0.9, 5)[:, None] * np.ones((1, classes))
    target[:, 1] = [0, 1e-9, 1e-8, 1e-8, 1e-7]
    histories = {"none": target, "placebo": np.full((5, classes), 0.9)}
    figure = inversion.progress(histories, [1], "generation")
    assert_labelled(figure)
    before, after = panels_of(figure)
    assert [len(ax.lines) for ax in (before, after)] == [classes, classes]
    assert list(after.lines[1].get_ydata()) == list(target[:, 1])
    assert after.get_ylim()[0] < 1e-9
    assert before.get_ylim() == after.get_ylim()
    assert legend_texts(figure) == ["retained class", "forgotten class"]


@pytest.mark.parametrize(("classes", "channels"), [(4, 3), (12, 1)])
def test_images_stand_under_their_class_the_forgotten_first(classes, channels) -> None:
    images = np.zeros((classes, channels, 8, 8)) + np.arange(classes)[:, None, None, None]
    images[:, :, 0, 0] += 2.0
    rows = {"real": images, "inverted": -images}
    figure = inversion.image_grid(rows, [f"name{c}" for c in range(classes)], [2], most=6)
    shown = min(classes, 6)
    assert len(figure.axes) == 2 * shown
    assert [ax.get_title() for ax in figure.axes[:3]] == ["name2", "name0", "name1"]
    drawn = figure.axes[0].images[0].get_array()
    assert drawn.shape == ((8, 8) if channels == 1 else (8, 8, 3))
    assert (drawn.min(), drawn.max()) == (0, 1)
    assert figure.axes[0].get_ylabel() == "real"
    assert figure.axes[shown].get_ylabel() == "inverted"


def test_a_constant_image_is_drawn_without_a_division_by_zero() -> None:
    figure = inversion.image_grid({"real": np.ones((4, 1, 8, 8))}, list("abcd"), [0])
    assert figure.axes[0].images[0].get_array().max() == 0


@SIZES
def test_costs_count_the_queries_of_the_search_and_of_random_inputs(classes, trials) -> None:
    spent = classes * np.array([10, 18, 26])
    history = np.tile([[0.1], [0.2], [0.3]], (1, classes))
    history[:, 1] = 0.0
    counts, best = np.array([[10.0], [100.0]]), np.full((2, classes), 0.5)
    probe = np.hstack([counts, -np.ones((2, classes)), best, np.zeros((2, classes))])
    curves = inverted.cost_curves(history, spent, probe, "1")
    retained = curves[(curves.search == "genetic search") & (curves.kind == "retained")]
    assert retained.queries.tolist() == [classes * 10, classes * 18, classes * 26]
    assert retained.peak.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert curves[(curves.search == "genetic search") & (curves.kind == "forgotten")].peak.tolist() == [0, 0, 0]
    assert curves[curves.search == "random blobs"].peak.unique().tolist() == [0.5]

    figure = inversion.cost(pd.concat([curves.assign(control=control) for control in ("none", "placebo")]))
    assert_labelled(figure)
    assert [len(ax.lines) for ax in panels_of(figure)] == [4, 4]
    assert list(panels_of(figure)[0].lines[0].get_ydata()) == pytest.approx([0.1, 0.2, 0.3])


def test_real_samples_and_mean_images_are_taken_class_by_class() -> None:
    samples, model = blobs(), trained()
    with torch.no_grad():
        peak = torch.softmax(model(samples.images.float() / 255), 1).amax(1)
    found = inverted.real_peaks({"none": model, "placebo": model}, samples, [3])
    assert found.peak[:4].tolist() == pytest.approx([peak[samples.labels == c].mean().item() for c in range(4)])
    assert found.kind[:4].tolist() == ["retained"] * 3 + ["forgotten"]
    means = inverted.mean_images(samples, 4)
    assert means.shape == (4, 1, 8, 8)
    assert means[2] == pytest.approx(samples.images[samples.labels == 2].numpy().mean(0) / 255, abs=1e-5)


# Shared pieces.


def test_schemes_are_drawn_with_every_arrow() -> None:
    for scheme, arrows in ((parameter_attacks.scheme(), 10), (inversion.scheme(), 9)):
        (ax,) = scheme.axes
        assert sum(text.arrow_patch is not None for text in ax.texts if hasattr(text, "arrow_patch")) == arrows


def test_a_label_of_several_panels_stands_once_in_the_legend() -> None:
    figure, axes = layout.panels(3)
    for ax in axes:
        ax.plot([0], [0], label="same")
    axes[2].plot([0], [1], label="other")
    layout.bottom_legend(figure, axes)
    assert legend_texts(figure) == ["same", "other"]
    assert len(panels_of(figure)) == 3


def test_rows_are_put_in_the_books_order_and_otherwise_left_alone() -> None:
    given = pd.DataFrame({"dataset": ["own", "mnist", "mnist", "mnist"], "unlearning": ["RT", "NG", "RT", "NG"]})
    found = names.in_order(given.assign(place=range(4)))
    assert found.place.tolist() == [2, 1, 3, 0]


def test_a_leakage_table_and_its_figure_hold_the_same_numbers() -> None:
    records = attack_records(10, 3, protocols=("paper",))
    table = leakage.leakage_table(records, "paper", 1, [("dot_product", "youden")])
    (ax,) = panels_of(success.success_rates(leakage.success_frame(records, [("dot_product", "youden")], ("paper",))))
    assert heights(ax) == pytest.approx(table.measured.tolist(), nan_ok=True)
