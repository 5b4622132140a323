"""PyTorch's own layers as networks use them by the hundred: the same classes, quick to construct again.

Written ``conv2d(64, 64, 3)`` for ``nn.Conv2d(64, 64, 3)``; see `zoo_core.blueprint.construct`.
"""

from torch import nn

from zoo_core.blueprint import repeatable

conv2d = repeatable(nn.Conv2d)
batch_norm2d = repeatable(nn.BatchNorm2d)
identity = repeatable(nn.Identity)
relu = repeatable(nn.ReLU)
