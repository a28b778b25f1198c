"""Equations 1 to 17 as a table of checks on synthetic features: claim, predicted, measured, holds."""

import numpy as np
import pandas as pd
import torch
from scipy.linalg import lstsq

from labelleak_lib.theory import assumptions, difference, heads
from labelleak_lib.theory.lemma_checks import Check, lemma_checks
from labelleak_lib.theory.synthetic import ExactFeatures, Sets

EXACT = 1e-9


def theory_checks(seed: int) -> pd.DataFrame:
    """Check equations 1 to 17 and the sharper statements on synthetic features; `seed` is that of every draw.

    Columns: equation, features (which assumptions hold on them), claim, predicted, measured, tolerance, holds
    (``|measured - predicted|`` <= tolerance), expected (False where a dial breaks the claim).
    """
    exact = Sets.draw(ExactFeatures(), seed)
    rows = moment_checks(exact) + calculus_checks(exact, seed) + minimiser_checks(exact)
    rows += inner_product_checks(exact, seed) + dial_checks(seed) + lemma_checks(seed)
    table = pd.DataFrame(rows).astype(dict.fromkeys(("predicted", "measured", "tolerance"), float))
    table = table.assign(holds=(table["measured"] - table["predicted"]).abs() <= table["tolerance"])
    return table[["equation", "features", "claim", "predicted", "measured", "tolerance", "holds", "expected"]]


def moment_checks(sets: Sets) -> list[Check]:
    """Equations 1 to 6: second moments and label features of the three sets."""
    design, rows = sets.design, []
    for number, name in enumerate(sets.masks()):
        moment = heads.second_moment(sets.part(name)[0])
        gap = np.abs(moment - np.eye(design.dim)).max()
        rows.append(Check(str(number + 1), f"second moment of {name} is I", 0, gap, EXACT))
    weights = {"D_r": np.full(design.classes, 1 / (design.classes - 1)), "D_r'": np.zeros(design.classes)}
    weights["D_r"][-1], weights["D_r'"][0] = 0, 1
    weights["D_f'"] = np.eye(design.classes)[-1]
    for number, (name, share) in enumerate(weights.items()):
        gap = np.abs(heads.label_features(*sets.part(name)) - share[:, None] * design.means()).max()
        rows.append(Check(str(number + 4), f"row c of E[y phi'] on {name} is pi_c mu_c", 0, gap, EXACT))
    return rows


def calculus_checks(sets: Sets, seed: int) -> list[Check]:
    """Equations 7 and 8 against automatic differentiation; positive definiteness; equation 9."""
    phi, targets = sets.part("D_r")
    outputs, dimension = targets.shape[1], phi.shape[1]
    weight = np.random.default_rng(seed + 1).standard_normal((outputs, dimension))
    x, y = torch.as_tensor(phi), torch.as_tensor(targets)

    def risk(flat: torch.Tensor) -> torch.Tensor:
        return 0.5 * (x @ flat.reshape(outputs, dimension).T - y).square().sum(1).mean()

    flat = torch.as_tensor(weight).flatten().requires_grad_()
    (slope,) = torch.autograd.grad(risk(flat), flat)
    curvature = torch.autograd.functional.hessian(risk, flat.detach()).numpy()
    slope_gap = np.abs(slope.numpy() - heads.gradient(weight, phi, targets).ravel()).max()
    curvature_gap = np.abs(curvature - heads.hessian(phi, outputs)).max()
    rank = assumptions.spectrum(phi).rank
    distances = {name: assumptions.distance_from_identity(sets.part(name)[0]) for name in sets.masks()}
    return [
        Check("7", "gradient is W H - E[y phi'] (against autograd)", 0, slope_gap, EXACT),
        Check("8", "Hessian is one block H an output (against autograd)", 0, curvature_gap, EXACT),
        Check("8", "Hessian is positive definite: rank", dimension, rank, 0),
        *(Check("9", f"distance of H from I on {name}", 0, far, EXACT) for name, far in distances.items()),
    ]


def minimiser_checks(sets: Sets) -> list[Check]:
    """Equations 10 to 12: the minimisers are the label features (against least squares)."""
    rows = []
    for number, (name, symbol) in enumerate({"D_r": "w_u", "D_r'": "w_r'", "D_f'": "w_f'"}.items()):
        phi, targets = sets.part(name)
        gap = np.abs(lstsq(phi, targets)[0].T - heads.label_features(phi, targets)).max()
        rows.append(Check(str(number + 10), f"{symbol} is E[y phi'] on {name}", 0, gap, EXACT))
    return rows


def inner_product_checks(sets: Sets, seed: int) -> list[Check]:
    """Equations 13 to 17 and the difference attack's norms."""
    retained, square = sets.design.classes - 1, sets.design.scale**2
    moments = {name: heads.label_features(*sets.part(name, scalar=True)) for name in sets.masks()}
    overlaps = {name: (moments[name] * moments["D_f'"]).sum() for name in ("D_r", "D_r'")}
    target = sets.head("D_r")
    squared = difference.squared_distances(target, np.array([sets.head("D_r'"), sets.head("D_f'")]))
    sums = difference.absolute_sums(target, sets.head("D_f'")[None])[0]
    lengths = np.abs(target).sum() + np.abs(sets.head("D_f'")).sum()
    rng = np.random.default_rng(seed + 2)
    errors = assumptions.sampling_errors(*sets.part("D_r"), [50, 100_000], 30, rng)
    bound, (small, large) = errors["predicted"][0], errors["measured"]
    norm, retained_inner = float(np.square(target).sum()), sets.inner("D_r", "D_r'")
    one_class = np.sqrt(squared[0] / norm)
    return [
        Check("13", "label features of D_r and D_f' orthogonal", 0, overlaps["D_r"], EXACT),
        Check("14", "label features of D_r' and D_f' orthogonal", 0, overlaps["D_r'"], EXACT),
        Check("15", "E_r' = E_r, D_r' a large sample of D_r", 0, large, 0.1),
        Check("15", "E_r' = E_r, D_r' 50 samples of D_r", 0, small, 0.1, False, "sampling"),
        Check("15", "relative error of 50 samples, closed form", bound, small, 0.1 * bound, True, "sampling"),
        Check("15", "E_r' = E_r, D_r' one class of D_r", 0, one_class, 0.1, False),
        Check("15", "relative error of one class is sqrt(C_r - 1)", np.sqrt(retained - 1), one_class, EXACT),
        Check("16", "<w_u, w_r'> = |w_u|^2, even for one class", norm, retained_inner, EXACT),
        Check("17", "<w_u, w_f'> = 0", 0, sets.inner("D_r", "D_f'"), EXACT),
        Check("16, 17", "gap of the inner products is |mu|^2 / C_r", square / retained, retained_inner, EXACT),
        Check("IV-B1", "w_u - w_r' = 0 (from 15), one class", 0, squared[0], 0.1, False),
        Check("IV-B1", "|w_u - w_r'|^2 = |mu|^2 (1 - 1/C_r)", square * (1 - 1 / retained), squared[0], EXACT),
        Check("IV-B1", "|w_u - w_f'|^2 = |w_u|^2 + |w_f'|^2", norm + square, squared[1], EXACT),
        Check("IV-B1", "sum |w_u - w_f'| = sum |w_u| + sum |w_f'|", lengths, sums, EXACT),
    ]


def dial_checks(seed: int) -> list[Check]:
    """Each assumption broken alone: what the paper's route loses, and what the zero row keeps."""
    designs = ExactFeatures(overlap=0.5), ExactFeatures(spread=0.8), ExactFeatures(dead=10)
    overlap, spread, dead = (Sets.draw(design, seed) for design in designs)
    rows = []
    for dial, sets in {"overlap": overlap, "spread": spread, "dead": dead}.items():
        scalar = sets.inner("D_r", "D_f'", scalar=True)
        rows.append(Check("17", "<w_u, w_f'> = 0, one target for all", 0, scalar, 1e-3, dial == "dead", dial))
        rows.append(Check("17", "<W_u, W_f'> = 0, one-hot targets", 0, sets.inner("D_r", "D_f'"), 1e-10, True, dial))
    cosine = assumptions.class_cosines(overlap.phi, overlap.labels, overlap.design.classes)[0, -1]
    rows.append(Check("14", "cosine of two classes' label features is 0", 0, cosine, 1e-3, False, "overlap"))
    distances = assumptions.whitening_distances(spread.phi, spread.labels, [spread.design.classes - 1])
    for kind, part in distances.groupby("set", sort=False):
        white = bool(kind == "D_r")
        claim = f"H = I on {'' if white else 'each '}{kind}, after ZCA on D_r"
        rows.append(Check("9", claim, 0, part["after"].max(), 1e-9, white, "spread"))
    design, rank = dead.design, assumptions.spectrum(dead.phi).rank
    rows.append(Check("8", "H positive definite: rank", design.dim, rank, 0, False, "dead"))
    start = np.random.default_rng(seed + 3).uniform(-1, 1, (2, design.classes, design.dim)) / np.sqrt(design.dim)
    first, second = (
        heads.squared_loss_head(*dead.part(name), initial=one) for name, one in zip(("D_r", "D_f'"), start, strict=True)
    )
    silent, product = start[..., -design.dead :], (first * second).sum()
    claim = "<W_u, W_f'> is the starts' product on dead features"
    rows.append(Check("17", "<W_u, W_f'> = 0 from a random start", 0, product, 1e-3, False, "dead"))
    return [*rows, Check("17", claim, (silent[0] * silent[1]).sum(), product, EXACT, True, "dead")]
