"""The digits that come with scikit-learn."""

from pathlib import Path

import numpy as np

from labelleak_lib.data.base import NamedDataset, Source
from labelleak_lib.registry import DATASETS


@DATASETS.register("digits")
class Digits(NamedDataset):
    """1,797 handwritten digits, grey, 8x8 pixels."""

    title, order = "digits", 0

    def read(self, root: Path) -> Source:
        """Read the bundled images, which need no folder."""
        from sklearn.datasets import load_digits

        bundled = load_digits()
        images = np.rint(bundled.images * (255 / 16)).astype(np.uint8)[:, None]
        labels = bundled.target.astype(np.int64)
        return Source("scikit-learn 8x8 digits", tuple("0123456789"), images, labels, pool_share=0.3, test_share=0.2)
