"""Figures of the book: each a function of records or evidence that returns a matplotlib figure."""
