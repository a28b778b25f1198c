"""Every assumption of IV-B measured on a model's own features, with what its failure means for the attack."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from labelleak_lib.theory import assumptions, heads, softmax

CONSEQUENCES = (
    ("8", "rank of H_r / d", "below 1: the minimiser on D_r is not unique"),
    ("8", "rank of H_r' / d", "below 1: a head keeps its random start where no sample reaches"),
    ("9", "distance of H_r from I, after ZCA on D_r", "above 0: some directions have no variance"),
    ("9", "distance of H_r' from I, after ZCA on D_r", "w_r' is not E[y phi']"),
    ("9", "distance of H_f' from I, after ZCA on D_r", "w_f' is not E[y phi']"),
    ("9", "share explained (H = I on every set: at most)", "an accurate model rules (9) out"),
    ("14", "mean cosine of two classes' label features", "(17) does not follow from orthogonality"),
    ("15", "relative error of E_r', D_r' a sample of D_r", "shrinks as 1 / sqrt(n)"),
    ("15", "relative error of E_r', D_r' one class", "never shrinks: w_r' is not w_u"),
    ("16", "share of one-class D_r' with <w_u, w_r'> > 0", "squared-loss heads need not point along w_u"),
    ("17", "largest |<w_u, w_f'>| / |w_u|^2", "holds, by the zero row alone"),
)


def measure_assumptions(
    phi: ArrayLike,
    labels: ArrayLike,
    forgotten: tuple[int, ...],
    classes: int,
    generator: np.random.Generator,
    sets: int = 5,
    size: int = 50,
) -> pd.DataFrame:
    """Measure the assumptions behind equations 8 to 17, with squared-loss heads on features `phi` (n, d) of M_u.

    Every class is present in `labels` (n,); the attacker has `sets` sets of `size` samples of each, drawn by
    `generator`. Columns: equation, quantity, assumed, measured, holds (within 0.1; a rank exactly), consequence.
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(labels)
    targets, dimension = heads.one_hot(values, classes), features.shape[1]
    retain = ~np.isin(values, forgotten)
    drawn, own = softmax.single_class_sets(features, values, sets, size, generator)
    white = assumptions.whitening_distances(features, values, forgotten).groupby("set")["after"].mean()
    target = heads.squared_loss_head(features[retain], targets[retain])
    one_hot = np.repeat(heads.one_hot(own, classes)[:, None], drawn.shape[1], axis=1)
    trained = [heads.squared_loss_head(x, y) for x, y in zip(drawn, one_hot, strict=True)]
    ratio = heads.inner_products(target, np.array(trained)) / np.square(target).sum()
    kept = ~np.isin(own, forgotten)
    cosines = assumptions.class_cosines(features, values, classes)
    errors = [
        assumptions.sampling_errors(features[retain], targets[retain], [size], 20, generator, source)
        for source in (None, values[retain] == values[retain].min())
    ]
    numbers = (
        (1, assumptions.spectrum(features[retain]).rank / dimension),
        (1, np.mean([assumptions.spectrum(x).rank for x in drawn]) / dimension),
        *((0, white[name]) for name in ("D_r", "retained class", "forgotten class")),
        (np.square(targets[retain].mean(axis=0)).sum(), heads.explained_share(features[retain], targets[retain])),
        (0, cosines[~np.eye(classes, dtype=bool)].mean()),
        *((0, error["measured"].iloc[0]) for error in errors),
        (1, (ratio[kept] > 0).mean()),
        (0, np.abs(ratio[~kept]).max()),
    )
    table = pd.DataFrame(CONSEQUENCES, columns=["equation", "quantity", "consequence"])
    table[["assumed", "measured"]] = np.array(numbers, dtype=float)
    # a matrix that lacks a little of full rank is singular
    tolerance = np.where(table["quantity"].str.startswith("rank"), 1e-9, 0.1)
    table["holds"] = (table["measured"] - table["assumed"]).abs() <= tolerance
    return table[["equation", "quantity", "assumed", "measured", "holds", "consequence"]]
