"""Changes of a model for training: `frozen` and `synchronised` batch norms."""
