"""Auxiliary heads as frames."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelleak_lib.names import in_order
from labelleak_lib.trials.records import unpack

FRAME = ["dataset", "k", "unlearning", "control", "trial", "source", "kind", "value"]


def head_frame(
    records: pd.DataFrame, evidence: pd.DataFrame, attack: str, quantity: str, protocol: str = "paper"
) -> pd.DataFrame:
    """Return one row an auxiliary head of a candidate class.

    Parameters
    ----------
    records, evidence : DataFrame
        Of `sweep.collect` or of a record store.
    attack : str
        ``dot_product`` or ``difference``.
    quantity : str
        ``dot`` (<w_u, w'>, of ``dot_product`` alone) or ``absolute_sum`` (sum |w_u - w'|).
    protocol : {"paper", "attacker"}
        Under which the heads were drawn.

    Returns
    -------
    DataFrame
        With columns ``dataset k unlearning control trial source kind value``; ``kind`` is ``forgotten`` where the
        head's class ``source`` is one of the forgotten ones (on the placebo: is called so).
    """
    cells = records.drop_duplicates("config_hash").set_index("config_hash")
    same = (evidence.attack == attack) & (evidence.protocols == protocol) & evidence.kind.isin(["source", quantity])
    parts = [pd.DataFrame(columns=FRAME)]
    held = evidence[same & evidence.config_hash.isin(cells.index)]
    for key, group in held.groupby(["config_hash", "control"], sort=False):
        digest, control = map(str, key)
        found = {row["kind"]: unpack(row) for row in group.to_dict("records")}
        source, cell = found["source"].astype(int), cells.loc[digest]
        forgotten = np.isin(source, [int(c) for c in str(cell.forgotten).split(",")])
        values = {"source": source, "kind": np.where(forgotten, "forgotten", "retained"), "value": found[quantity]}
        shared = {name: cell[name] for name in ("dataset", "k", "unlearning", "trial")}
        parts.append(pd.DataFrame(values)[source >= 0].assign(**shared, control=control)[FRAME])
    filled = [part for part in parts if len(part)] or parts
    return in_order(pd.concat(filled, ignore_index=True))
