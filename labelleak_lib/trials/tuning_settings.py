"""What the search for the settings of the methods beside the paper's tries, in two rounds."""

from collections.abc import Sequence
from itertools import product
from typing import Any

Setting = dict[str, Any]


def _every(**values: Sequence[Any]) -> list[Setting]:
    """Return every combination of the values of several hyperparameters."""
    return [dict(zip(values, one, strict=True)) for one in product(*values.values())]


SETTINGS: dict[str, dict[str, list[Setting]]] = {
    "small": {
        "DELETE": _every(lr=(0.001, 0.003, 0.01), min_steps=(0, 100)),
        "SSD": _every(alpha=(10.0, 20.0, 30.0, 50.0), dampening=(1.0, 0.3))
        + _every(alpha=(2.0, 3.0, 5.0), batch_size=(8,)),
        "SalUn": _every(lr=(0.01, 0.03, 0.1), share=(0.3, 0.5)),
        "SCRUB": _every(lr=(0.003, 0.01, 0.03), min_steps=(50, 100))
        + _every(lr=(0.003,), clip_norm=(1.0,), leaving=(0.3, 0.5), min_steps=(100, 300)),
        "NGP": _every(lr=(0.01, 0.03), alpha=(0.8, 0.9, 0.95), clip_norm=(0.03, 0.1), batch_size=(32,))
        + _every(lr=(0.03, 0.1), alpha=(0.95,), clip_norm=(0.01, 0.03), batch_size=(32,), min_steps=(600,)),
        "BT": _every(lr=(0.001, 0.003, 0.01), share=(0.3, 1.0), min_steps=(100,)),
        "BS": _every(lr=(0.001, 0.003, 0.01), bound=(0.1, 0.3)),
        "BE": _every(lr=(0.001, 0.003, 0.01), min_steps=(0, 50)) + _every(lr=(0.002, 0.003), epochs=(20,)),
        "UNSIR": _every(impair_lr=(0.003, 0.01), lr=(0.003, 0.01), noise_share=(0.6, 2.0), epochs=(5,)),
        "L1": _every(lr=(0.03, 0.1), gamma=(0.002, 0.005, 0.01), min_steps=(300,)),
        "FF": _every(alpha=(1e-8, 1e-7, 1e-6, 3e-6)),
        "IU": _every(penalty=(5e-4, 2e-3, 5e-3), scale=(0.9, 1.0)),
        "SFRon": _every(
            lr=(0.02, 0.05), forget_weight=(25.0, 1000.0), clip_norm=(0.2, 1.0), forget_every=(2,), batch_size=(32,)
        )
        + _every(lr=(0.01, 0.03), clip_norm=(0.03, 0.1), forget_every=(1,), batch_size=(32,), min_steps=(600,)),
        "MUMis": _every(lr=(0.0003, 0.001, 0.003), min_steps=(25, 50))
        + _every(lr=(0.001, 0.002), min_steps=(35, 50), contrast=(0.5,)),
        "SISA": _every(shards=(2, 3, 5, 8)),
        "CSP": _every(alpha_r=(5.0, 10.0, 30.0, 100.0), alpha_f=(3.0, 10.0))
        + _every(alpha_r=(30.0, 40.0), alpha_f=(20.0, 30.0)),
    },
    "lenet": {
        "DELETE": _every(lr=(0.001, 0.003, 0.01), epochs=(5,), min_steps=(0, 100)),
        "SSD": _every(alpha=(2.0, 5.0, 10.0, 15.0), dampening=(1.0, 0.1)) + _every(alpha=(2.5, 3.0, 8.0)),
        "SalUn": _every(lr=(0.01, 0.03, 0.1), share=(0.3, 0.5), epochs=(1,), min_steps=(100,)),
        "SCRUB": _every(lr=(0.003, 0.01), clip_norm=(0.3, 1.0, 5.0), epochs=(2,), leaving=(0.5,), min_steps=(200,)),
        "NGP": _every(alpha=(0.8, 0.9), clip_norm=(0.01, 0.03, 0.1), lr=(0.03,), epochs=(1,), min_steps=(300,))
        + _every(alpha=(0.95,), clip_norm=(0.01, 0.015), lr=(0.03,), epochs=(1,), min_steps=(300,)),
        "BT": _every(lr=(0.001, 0.003, 0.01), share=(0.3,), epochs=(1, 2), min_steps=(100,)),
        "BS": _every(lr=(0.001, 0.003), bound=(0.1, 0.3), epochs=(5,), min_steps=(20,)),
        "BE": _every(lr=(0.001, 0.003, 0.01), epochs=(1, 5), min_steps=(20,))
        + _every(lr=(0.0003, 0.001), epochs=(3, 20)),
        "UNSIR": _every(impair_lr=(0.003, 0.01, 0.03), lr=(0.003, 0.01), epochs=(2,), min_steps=(50,)),
        "L1": _every(lr=(0.03, 0.1), gamma=(0.0005, 0.002, 0.005), epochs=(2,), min_steps=(300,)),
        "FF": _every(alpha=(1e-8, 1e-7, 1e-6, 3e-6)),
        "IU": _every(penalty=(5e-4, 2e-3, 5e-3), scale=(0.9, 1.0)),
        "SFRon": _every(
            lr=(0.03, 0.1), exponent=(0.0, 0.5), clip_norm=(0.2, 0.5), forget_every=(1,), epochs=(1,), min_steps=(300,)
        )
        + _every(lr=(0.01, 0.03), clip_norm=(0.03, 0.1), forget_every=(1,), epochs=(1,), min_steps=(300,)),
        "MUMis": _every(lr=(0.0003, 0.001), epochs=(1, 3), min_steps=(20, 50))
        + _every(lr=(0.0005, 0.001), epochs=(1,), min_steps=(30,), contrast=(0.5,)),
        "SISA": _every(shards=(2, 3, 5)),
        "CSP": _every(alpha_r=(30.0, 100.0, 300.0, 1000.0), alpha_f=(3.0, 10.0))
        + _every(alpha_r=(200.0, 300.0), alpha_f=(30.0,)),
    },
}
"""What is tried at first, by architecture and method."""

FINALS: dict[str, dict[str, list[Setting]]] = {
    "lenet": {
        "SSD": _every(alpha=(1.2, 1.5, 2.0, 3.0, 10.0), dampening=(1.0,)) + _every(alpha=(5.0, 10.0), batch_size=(8,)),
        "NGP": _every(alpha=(0.9, 0.93), clip_norm=(0.01,), lr=(0.03,), epochs=(1,), min_steps=(300, 900))
        + _every(alpha=(0.85, 0.87, 0.9), clip_norm=(0.01,), lr=(0.01,), epochs=(1,), min_steps=(900,)),
        "BT": _every(lr=(0.003, 0.01), share=(0.3, 1.0), min_steps=(300,))
        + _every(lr=(0.003,), share=(0.3,), epochs=(2,), min_steps=(100,)),
        "BE": _every(lr=(0.003,), epochs=(1,), min_steps=(20,)) + _every(lr=(0.0001, 0.0003), epochs=(1, 10)),
        "L1": _every(lr=(0.03,), gamma=(0.001, 0.0014, 0.002), epochs=(2,), min_steps=(300, 600))
        + _every(lr=(0.03,), gamma=(0.0007,), epochs=(2,))
        + _every(lr=(0.01,), gamma=(0.001, 0.002), epochs=(4,)),
        "IU": _every(penalty=(2e-3, 5e-3, 2e-2), scale=(1.0, 2.0, 4.0)) + _every(penalty=(0.01, 0.05)),
        "SFRon": _every(lr=(0.03,), clip_norm=(0.03, 0.05), forget_every=(1,), epochs=(1,), min_steps=(300, 900))
        + _every(lr=(0.03,), clip_norm=(0.03,), forget_every=(1,), epochs=(1,), min_steps=(400, 500, 600))
        + _every(lr=(0.01,), clip_norm=(0.1,), forget_every=(1,), epochs=(1,), min_steps=(900,)),
        "CSP": _every(alpha_r=(200.0, 300.0, 500.0), alpha_f=(30.0, 100.0, 300.0))
        + _every(alpha_r=(100.0, 120.0, 150.0), alpha_f=(30.0,)),
    }
}
"""What is tried again, on more trials: what did best in the first round, and its neighbours."""
