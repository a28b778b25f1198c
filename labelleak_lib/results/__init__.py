"""Frames and sentences computed from records and evidence."""
