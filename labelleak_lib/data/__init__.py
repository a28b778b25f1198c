"""Data sets: by name, or a reader's own files."""
