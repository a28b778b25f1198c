"""Architectures, one file each; every file's class is found by its name."""
