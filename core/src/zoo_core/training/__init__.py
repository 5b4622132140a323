"""Changes of a model for training, and what an optimiser needs to know of it.

- `frozen` and `synchronised` batch norms;
- `stages`: freezing and recomputing by stage;
- `groups` of parameters, with rates by depth;
- `average`: the moving average of the weights;
- `stochastic_depth`, growing.
"""
