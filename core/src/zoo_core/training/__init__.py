"""What training needs of a model: `frozen` and `synchronised` batch norms."""
