"""Criteria: rules that turn evidence into the set of classes held to be forgotten. A new one is one new file."""
