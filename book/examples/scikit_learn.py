"""A scikit-learn classifier of vectors, asked through `predict_proba`."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import labelleak_lib
from labelleak_lib import InputSpace

pixels, labels = load_digits(return_X_y=True)
table = pixels / 16


def fitted(without: int | None = None) -> MLPClassifier:
    """Return a classifier fitted on all classes, or on all classes but one."""
    kept = labels != without
    model = MLPClassifier((64,), random_state=0)
    for _ in range(20):
        # told of ten, it has a column also for a class that it never sees
        model.partial_fit(table[kept], labels[kept], classes=np.arange(10))
    return model


if __name__ == "__main__":
    # the range of each column is read off a sample of the inputs
    space = InputSpace.vectors(sample=table)
    for without in (None, 7):
        ask = fitted(without).predict_proba
        report = labelleak_lib.audit(ask, space=space, samples=(table, labels))
        print("Left out of training:", without)
        print(report.verdict)
        print("Flags:", *report.flags, end="\n\n")
