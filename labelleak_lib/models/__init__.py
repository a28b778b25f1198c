"""Classifiers: architectures, training, checkpoints."""
