"""How well a classifier classifies."""

from labelleak_lib.data.samples import Samples
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier


def accuracy(model: Classifier, samples: Samples) -> float:
    """Return the share of `samples` that `model` classifies rightly, in [0, 1] (NaN for no samples)."""
    if len(samples) == 0:
        return float("nan")
    predicted = classifier.predict_proba(model, samples.images).argmax(1).cpu()
    return float((predicted == samples.labels).double().mean())
