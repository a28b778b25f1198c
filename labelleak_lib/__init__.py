"""Label leakage in class unlearning: unlearning methods, attacks, criteria, controls and records.

A *trial* trains a classifier, makes it forget some classes, and asks each *attack* for *evidence*; a *criterion* turns
evidence into a set of classes; the *record* of that, with its controls, is stored. The subject is
"Label Leakage Attacks in Machine Unlearning: A Parameter and Inversion-Based Approach" (arXiv 2604.07386).
"""

__version__ = "0.1.0"
