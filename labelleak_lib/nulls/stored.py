"""The committed null bank."""

from pathlib import Path

import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.trials.store import Store, Stored

BANK = COMMITTED / "nulls"


def stored(root: Path = BANK) -> Stored:
    """Return the models and the evidence of the bank, all data sets together."""
    store = Store(root)
    parts = [store.read(name) for name in store.datasets()]
    return Stored(*(pd.concat([part[i] for part in parts], ignore_index=True) for i in range(2)))
