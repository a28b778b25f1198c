"""Difference vectors w_u - w' between the target's last layer and auxiliary heads (paper, section IV-B1)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from labelleak_lib.attacks.heads import HEAD_PRESETS, HeadRecipe, auxiliary_heads
from labelleak_lib.checks import require, require_number
from labelleak_lib.evidence import Evidence, Floats, HeadEvidence, both_kinds
from labelleak_lib.models.access import WhiteBoxWithSamples
from labelleak_lib.models.classifier import flat_head
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("difference")
@dataclass(frozen=True)
class Difference:
    """Difference vectors of forgotten and retained classes are held to be separable, by a decision tree.

    Parameters
    ----------
    recipe : HeadRecipe
        The auxiliary heads.
    test_share : float
        Share of the heads that the tree labels under the `paper` protocol; it learns from the others.
    """

    recipe: HeadRecipe = field(default_factory=HeadRecipe)
    test_share: float = 0.2
    title: ClassVar[str] = "difference"
    order: ClassVar[int] = 1
    access_kind: ClassVar[str] = "white_box_with_samples"
    per_protocol: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("decision_tree",)
    presets: ClassVar[dict[str, dict[str, Any]]] = HEAD_PRESETS

    def __post_init__(self) -> None:
        require(isinstance(self.recipe, HeadRecipe), "recipe", self.recipe, "a HeadRecipe")
        require_number("test_share", self.test_share, above=0, high=0.9)

    def evidence(self, access: WhiteBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return what the tree says of each head's w_u - w'; a class's score is its mean `sum |w_u - w'|`."""
        seed = generator.initial_seed() % 2**31
        source, label, heads = auxiliary_heads(access, self.recipe, generator=generator)
        difference = flat_head(access.model) - heads.flat()
        distance, vectors = difference.abs().sum(1).double().cpu().numpy(), difference.double().cpu().numpy()
        unread = HeadEvidence(source, label, np.full(len(source), np.nan), distance)
        share = self.tree_shares(unread, vectors, access.classes, access.protocol, seed)
        measured = HeadEvidence(source, label, share, distance)
        score = measured.class_means(distance, access.classes)
        return Evidence("difference", access.classes, score, access.protocol, heads=measured)

    def tree_shares(self, heads: HeadEvidence, vectors: Floats, classes: int, protocol: str, seed: int) -> Floats:
        """Return the share of "forgotten" in the leaf of each head that a tree judges: float (m,), else NaN.

        Under the `paper` protocol one tree learns from a stratified part of the heads and judges the others; under
        `attacker` there is a tree for each class, which learns without that class's heads.

        Parameters
        ----------
        vectors : ndarray
            float (m, p), the features of each head.
        """
        shares, m = np.full(len(vectors), np.nan), len(vectors)
        folds = heads.leave_class_out(classes)
        if protocol == "paper":
            valid = "at least 3 heads a side, so that a fifth of them can be set apart"
            require(np.bincount(heads.label, minlength=2).min() >= 3, "heads", m, valid)
            _, apart = train_test_split(
                np.arange(m), test_size=self.test_share, random_state=seed, stratify=heads.label
            )
            judged = np.isin(np.arange(m), apart)
            folds = [(~judged, judged)]
        for fit, judged in folds:
            shares[judged] = 0
            if both_kinds(heads.label[fit]):
                tree = DecisionTreeClassifier(random_state=seed).fit(vectors[fit], heads.label[fit])
                shares[judged] = tree.predict_proba(vectors[judged])[:, list(tree.classes_).index(1)]
        return shares
