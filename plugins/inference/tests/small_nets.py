"""Small networks for the tests, with statistics that a norm's folding must get right."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def filled(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give every norm statistics and scales as training leaves them; return it in eval mode."""
    numbers = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -1.0, 1.0),
                (module.running_var, 0.1, 3.0),
                (module.weight, -1.5, 1.5),
                (module.bias, -1.0, 1.0),
            ):
                if tensor is not None:
                    tensor.data.copy_(torch.rand(tensor.shape, generator=numbers) * (high - low) + low)
    return net.eval()


class Shared(nn.Module):
    """One convolution, run twice: with one norm both times, or with two."""

    def __init__(self, norms: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(norms))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](self.conv(x))
        return self.norms[-1](self.conv(x))


class Residual(nn.Module):
    """A sum of two branches and activations that work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 1, groups=4), nn.BatchNorm2d(4, affine=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.act(self.bn1(self.conv1(x)))
        out += self.bn2(self.conv2(x))
        return self.act(out)


class Mutated(nn.Module):
    """An activation in place whose input is used again afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = self.act(x)
        return x * 2 + y


class PreActivation(nn.Module):
    """Norms that cannot be folded: before their convolution, or of an output with other users."""

    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(torch.relu(self.bn1(x)))
        return x + self.bn2(x)


class Dense(nn.Module):
    """A dense block with norms between: the convolutions after them pad, or not."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 2 * index) for index in range(4))
        self.convs = nn.ModuleList(nn.Conv2d(4 + 2 * index, 2, kernel, padding=kernel // 2) for index in range(4))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.stem(x)]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            maps.append(conv(torch.relu(norm(torch.cat(maps, 1)))))
        return [maps[1], torch.cat(maps, 1)]


class Branching(nn.Module):
    """A forward that depends on the values, which no tracer follows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * 2 if bool(x.mean() > 0) else x


class OnlyThisBatch(nn.Module):
    """A forward whose trace holds for one batch size alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * int(x.shape[0])


class Answer(nn.Module):
    """Outputs in a dict, one of them no map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.conv(x)
        return {"map": x, "mean": x.mean((2, 3))}
