"""The division of labelled samples into parts, class by class."""

import numpy as np


def split_indices(labels: np.ndarray, shares: tuple[float, ...], seed: int) -> list[np.ndarray]:
    """Divide samples class by class into parts of given shares; what is left over is the first part.

    Each share is met over all samples to the nearest integer, by largest remainders, except that every class
    gets at least one sample in every part: ``len(shares) + 1`` sorted, disjoint index arrays that together cover every
    sample. There are at least 5 `labels` (N,) a class, and the `shares`, in (0, 1), add up to at most 0.6.

    >>> labels = np.repeat([0, 1], [30, 10])
    >>> parts = split_indices(labels, (0.3, 0.2), seed=0)
    >>> [np.bincount(labels[part]).tolist() for part in parts]
    [[15, 5], [9, 3], [6, 2]]
    """
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    sizes = np.array([len(m) for m in members])
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for part, share in zip(parts, shares, strict=True):
        exact = sizes * share
        counts = np.floor(exact + 1e-9).astype(int)
        short = round(len(labels) * share) - counts.sum()
        counts[np.argsort(counts - exact, kind="stable")[: max(short, 0)]] += 1
        for c, count in enumerate(np.maximum(counts, 1)):
            part.append(members[c][:count])
            members[c] = members[c][count:]
    return [np.sort(np.concatenate(part)) for part in (members, *parts)]
