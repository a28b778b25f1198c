"""Section IV-B and the limits of the criteria of IV-C4, as functions of plain arrays.

`heads` holds the squared-loss algebra and `softmax` the cross-entropy's; `synthetic` draws features with a
dial for each assumption and `dials` turns them; `assumptions` and `measured` measure them on real features,
`probe` what trained heads see there; `difference` is the difference attack, `collapse` the criteria's limits,
and `checks` the table of every claim beside its measurement.
"""

from labelleak_lib.theory.checks import theory_checks

__all__ = ["theory_checks"]
