"""Networks as people write them who never heard of Zoo."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class Digits(nn.Module):
    """Functions in the forward, images of one size, log-probabilities, options in the forward."""

    def __init__(self, n_classes=10, hidden=84, dropout=0.1):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, hidden)
        self.fc3 = nn.Linear(hidden, n_classes)
        self.dropout = dropout

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x), inplace=True), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc2(F.relu(self.fc1(x))))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.fc3(x), dim=1)


class Block(nn.Module):
    def __init__(self, ins, outs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1)
        self.norm = nn.BatchNorm2d(outs)
        self.down = nn.Conv2d(ins, outs, 1, stride)

    def forward(self, x):
        return F.relu(self.norm(self.conv2(F.relu(self.conv1(x)))) + self.down(x), inplace=True)


class Stages(nn.Module):
    """The head registered first, a list of stages, a parameter and initial values of its own."""

    def __init__(self, width: int = 8, depths=(1, 2, 1), num_classes: int = 20, act=nn.ReLU):
        super().__init__()
        self.classifier = nn.Linear(width * 4, num_classes)
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), act())
        self.layers = nn.ModuleList()
        channels = width
        for index, depth in enumerate(depths):
            outs = width * 2**index
            blocks = [Block(channels if i == 0 else outs, outs, 2 if i == 0 else 1) for i in range(depth)]
            self.layers.append(nn.Sequential(*blocks))
            channels = outs
        self.scale = nn.Parameter(torch.full((1,), 2.0))
        self.register_buffer("shift", torch.full((1,), 0.5), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        x = x * self.scale + self.shift
        return self.classifier(x.mean((2, 3)))


class Everything(nn.Module):
    """All layers in one Sequential, and a head of several."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(True),
            nn.MaxPool2d(2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(64, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 5))

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(x.view(x.size(0), -1))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        if x.sum() > 0:
            x = -x
        return self.fc(x.mean((2, 3)))


class Needy(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 2)
