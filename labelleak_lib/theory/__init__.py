"""Section IV-B and the limits of the criteria of IV-C4, as functions of plain arrays.

`heads` holds the squared-loss algebra, `softmax` the cross-entropy's, `synthetic` features with a dial for
each assumption, `assumptions` one measure for each on real features, `difference` the difference attack,
`collapse` the criteria's limits, and `checks` the table of every claim beside its measurement.
"""

from labelleak_lib.theory import assumptions, collapse, difference, heads, softmax, synthetic
from labelleak_lib.theory.checks import theory_checks

__all__ = ["assumptions", "collapse", "difference", "heads", "softmax", "synthetic", "theory_checks"]
