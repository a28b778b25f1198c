"""How a reader's own data may be arranged, one file a layout."""
