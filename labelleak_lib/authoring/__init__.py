"""Making the book: executed chapters, stored outputs, generated pages."""
