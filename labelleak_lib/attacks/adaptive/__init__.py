"""Attacks that know the defence, one file an idea: each reads what the defence leaves as it is.

No defence changes everything: one that changes answers keeps which class is answered, one that repairs the last layer
keeps what inputs can reach, one that gives a class a reach gives it among inputs of its own choice, and one that adds
outputs adds as many as it says. Where an attack of `labelleak_lib.attacks` reads just that, a defence names it as its
adaptive one; what needs an attack of its own is here. These take no part in grids: a defence names those that know it
(`adaptive`), and `labelleak_lib.trials.defended` runs them.

Beside `evidence(access, *, generator)`, `title`, `order` and `access_kind`, each has `criterion`, the rule that reads
it; where it needs a number of the defence, `against(defence)` makes it. Further kinds of access are "samples"
(`BlackBoxWithSamples`, of labelled samples), "original" (the same, of inputs that M_o labelled) and "names" (which
classes the outputs are called by).
"""

from labelleak_lib.registry import ADAPTIVE

__all__ = ["ADAPTIVE"]
