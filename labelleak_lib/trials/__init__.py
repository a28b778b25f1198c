"""Trials: from a specification to stored models and evidence, and what is decided on them."""
