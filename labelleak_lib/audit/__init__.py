"""Audits of unlearning methods and of models."""
