"""Networks of many kinds, as people without Zoo write them, for `zoo new --from`."""

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


def conv_norm_act(ins, outs, stride=1, groups=1, kernel=3):
    conv = nn.Conv2d(ins, outs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU(inplace=True))


class Vgg(nn.Module):
    def __init__(self, num_classes=10, dropout=0.5):
        super().__init__()
        layers, ins = [], 3
        for width in (8, "M", 16, "M", 32, 32, "M"):
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(ins, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(True)]
                ins = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(128, 64), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(64, num_classes)
        )

    def forward(self, x):
        x = torch.flatten(self.avgpool(self.features(x)), 1)
        return self.classifier(x)


class PlainSequential(nn.Sequential):
    """The whole network is one Sequential."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        )


class InPlaceStages(nn.Module):
    """Stages that are each convolution, norm and in-place ReLU."""

    def __init__(self, width=8, num_classes=10):
        super().__init__()
        self.stem = conv_norm_act(3, width, 2)
        self.body = conv_norm_act(width, 2 * width, 2)
        self.tail = conv_norm_act(2 * width, 4 * width, 2)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x):
        x = self.tail(self.body(self.stem(x)))
        return self.fc(x.mean(dim=(2, 3)))


class UNet(nn.Module):
    """One score for each pixel."""

    def __init__(self, classes=2):
        super().__init__()
        self.down1, self.down2 = conv_norm_act(3, 8), conv_norm_act(8, 16)
        self.bottom = conv_norm_act(16, 32)
        self.up2, self.up1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.join2, self.join1 = conv_norm_act(32, 16), conv_norm_act(16, 8)
        self.out = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        x = self.bottom(F.max_pool2d(two, 2))
        x = self.join2(torch.cat([self.up2(x), two], 1))
        x = self.join1(torch.cat([self.up1(x), one], 1))
        return self.out(x)


class TwoInputs(nn.Module):
    """Compares two images."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2))
        self.fc = nn.Linear(32, 2)

    def forward(self, left, right):
        left, right = self.net(left).mean((2, 3)), self.net(right).mean((2, 3))
        return self.fc(torch.cat([left, right], 1))


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2))
        self.kind, self.colour = nn.Linear(16, 7), nn.Linear(16, 3)

    def forward(self, x):
        x = self.net(x).mean((2, 3))
        return self.kind(x), self.colour(x)


class DictOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2))
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        features = self.net(x)
        return {"features": features, "logits": self.fc(features.mean((2, 3)))}


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of (batch, channels, height, width)."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(1e-6 * torch.ones(dim))

    def forward(self, x):
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """After https://arxiv.org/abs/2201.03545."""

    def __init__(self, depths=(1, 1, 2, 1), dims=(8, 16, 32, 64), num_classes=10):
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(nn.Conv2d(3, dims[0], 4, 4), LayerNorm2d(dims[0]))])
        for ins, outs in pairwise(dims):
            self.downsample_layers.append(nn.Sequential(LayerNorm2d(ins), nn.Conv2d(ins, outs, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*[ConvNeXtBlock(dim) for _ in range(depth)]) for dim, depth in zip(dims, depths, strict=True)
        )
        self.norm = nn.LayerNorm(dims[-1])
        self.head = nn.Linear(dims[-1], num_classes)

    def forward(self, x):
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(down(x))
        return self.head(self.norm(x.mean([-2, -1])))


class TransformerBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """After https://arxiv.org/abs/2010.11929, with a class token."""

    def __init__(self, image_size=64, patch_size=16, dim=32, depth=3, heads=4, num_classes=10):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, patch_size, patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + (image_size // patch_size) ** 2, dim) * 0.02)
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0])


class PooledViT(nn.Module):
    """Without a class token: the patches are averaged."""

    def __init__(self, image_size=64, patch_size=16, dim=32, depth=3, heads=4, num_classes=10):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, patch_size, patch_size)
        self.pos_embed = nn.Parameter(torch.randn(1, (image_size // patch_size) ** 2, dim) * 0.02)
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        x = self.norm(self.blocks(x))
        return self.head(x.mean(1))


class SwinBlock(nn.Module):
    """Attention within windows, shifted in every second block; (batch, height, width, channels)."""

    def __init__(self, dim, heads, window, shift):
        super().__init__()
        self.window, self.shift, self.heads = window, shift, heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def attend(self, x):
        batch, height, width, dim = x.shape
        size = self.window
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(batch, height // size, size, width // size, size, dim).transpose(2, 3)
        qkv = self.qkv(x.reshape(-1, size * size, dim)).reshape(-1, size * size, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, size * size, dim))
        y = y.view(batch, height // size, width // size, size, size, dim).transpose(2, 3)
        y = y.reshape(batch, height, width, dim)
        return torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y


class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)
        return self.reduction(self.norm(x))


class Swin(nn.Module):
    """After https://arxiv.org/abs/2103.14030: its maps are (batch, height, width, channels)."""

    def __init__(self, dim=16, depths=(2, 2, 2), heads=(2, 4, 8), window=4, num_classes=10):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, 4, 4)
        self.layers = nn.ModuleList()
        for index, (depth, head) in enumerate(zip(depths, heads, strict=True)):
            blocks = [SwinBlock(dim, head, window, window // 2 if i % 2 else 0) for i in range(depth)]
            merge = [PatchMerging(dim // 2)] if index else []
            self.layers.append(nn.Sequential(*merge, *blocks))
            dim *= 2
        self.norm = nn.LayerNorm(dim // 2)
        self.head = nn.Linear(dim // 2, num_classes)

    def forward(self, x):
        x = self.patch_embed(x).permute(0, 2, 3, 1)
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return self.head(x.mean(dim=(1, 2)))


class MixerBlock(nn.Module):
    def __init__(self, tokens, dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.mix_tokens = nn.Sequential(nn.Linear(tokens, 32), nn.GELU(), nn.Linear(32, tokens))
        self.mix_channels = nn.Sequential(nn.Linear(dim, 64), nn.GELU(), nn.Linear(64, dim))

    def forward(self, x):
        x = x + self.mix_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mix_channels(self.norm2(x))


class Mixer(nn.Module):
    """After https://arxiv.org/abs/2105.01601."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 16, 16)
        self.blocks = nn.Sequential(*[MixerBlock(16, 24) for _ in range(2)])
        self.norm = nn.LayerNorm(24)
        self.fc = nn.Linear(24, num_classes)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.fc(self.norm(self.blocks(x)).mean(dim=1))


class RegNetBlock(nn.Module):
    def __init__(self, ins, outs, stride, group):
        super().__init__()
        self.a, self.b = conv_norm_act(ins, outs, kernel=1), conv_norm_act(outs, outs, stride, outs // group)
        self.c = nn.Sequential(nn.Conv2d(outs, outs, 1, bias=False), nn.BatchNorm2d(outs))
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(outs, 4, 1), nn.ReLU(), nn.Conv2d(4, outs, 1), nn.Sigmoid()
        )
        same = ins == outs and stride == 1
        self.short = nn.Identity() if same else nn.Sequential(nn.Conv2d(ins, outs, 1, stride), nn.BatchNorm2d(outs))

    def forward(self, x):
        y = self.b(self.a(x))
        return torch.relu(self.c(y * self.gate(y)) + self.short(x))


class RegNet(nn.Module):
    """After https://arxiv.org/abs/2003.13678."""

    def __init__(self, widths=(16, 32, 48), depths=(1, 2, 1), group=8, num_classes=10):
        super().__init__()
        self.stem = conv_norm_act(3, 8, 2)
        ins = 8
        for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = [RegNetBlock(ins if i == 0 else width, width, 2 if i == 0 else 1, group) for i in range(depth)]
            setattr(self, f"s{index + 1}", nn.Sequential(*blocks))
            ins = width
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(ins, num_classes))

    def forward(self, x):
        return self.head(self.s3(self.s2(self.s1(self.stem(x)))))


class GroupNormed(nn.Module):
    def __init__(self, num_classes=6):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 3, 2, 1), nn.GroupNorm(4, 16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, 2, 1), nn.GroupNorm(8, 32)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x):
        x = F.silu(self.norm1(self.conv1(x)))
        x = F.silu(self.norm2(self.conv2(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class WeightNormed(nn.Module):
    def __init__(self, num_classes=6):
        super().__init__()
        self.conv1 = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3, 2, 1))
        self.conv2 = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 16, 3, 2, 1))
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        return self.fc(F.relu(self.conv2(F.relu(self.conv1(x)))).mean((2, 3)))


class SharedModules(nn.Module):
    """One ReLU, one pooling and one block, used again and again."""

    def __init__(self, num_classes=6):
        super().__init__()
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.conv3 = nn.Conv2d(16, 24, 3, padding=1)
        self.fc = nn.Linear(24, num_classes)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.relu(self.conv2(self.relu(self.conv2(x))))
        x = self.relu(self.conv3(self.pool(x)))
        return self.fc(x.mean((2, 3)))


class Buffered(nn.Module):
    """Normalises images itself, by buffers; one is not in the state dict."""

    def __init__(self, num_classes=6):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.2), persistent=False)
        self.body = nn.Sequential(conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2))
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        return self.fc(self.body((x - self.mean) / self.std).mean((2, 3)))


class FixedSize(nn.Module):
    """The classifier reads every position of the last map."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.body = nn.Sequential(conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2))
        self.fc = nn.Linear(16 * 8 * 8, num_classes)

    def forward(self, x):
        return self.fc(self.body(x).flatten(1))


class Grey(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.one, self.two = conv_norm_act(1, 8, 2), conv_norm_act(8, 16, 2)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        return self.fc(self.two(self.one(x)).amax((2, 3)))


class BottleneckBlock(nn.Module):
    def __init__(self, ins, width, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(ins, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, width * 2, 1, bias=False), nn.BatchNorm2d(width * 2)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or ins != width * 2:
            self.downsample = nn.Sequential(nn.Conv2d(ins, width * 2, 1, stride), nn.BatchNorm2d(width * 2))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.conv2(y))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Residual(nn.Module):
    """Its norm bn2 is created, and never used."""

    def __init__(self, layers=(1, 2), num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(*[BottleneckBlock(8 if i == 0 else 16, 8) for i in range(layers[0])])
        self.layer2 = nn.Sequential(
            *[BottleneckBlock(16 if i == 0 else 32, 16, 2 if i == 0 else 1) for i in range(layers[1])]
        )
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(32, num_classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class DenseLayer(nn.Module):
    def __init__(self, ins, growth):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(ins), nn.Conv2d(ins, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


class Dense(nn.Module):
    def __init__(self, growth=4, num_classes=10):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 3, 2, 1)
        self.block1 = nn.Sequential(*[DenseLayer(8 + i * growth, growth) for i in range(2)])
        self.trans1 = nn.Sequential(nn.BatchNorm2d(8 + 2 * growth), nn.ReLU(inplace=True), nn.AvgPool2d(2))
        self.block2 = nn.Sequential(*[DenseLayer(8 + (2 + i) * growth, growth) for i in range(2)])
        self.norm5 = nn.BatchNorm2d(8 + 4 * growth)
        self.classifier = nn.Linear(8 + 4 * growth, num_classes)

    def forward(self, x):
        x = self.block2(self.trans1(self.block1(self.conv0(x))))
        x = F.relu(self.norm5(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class InvertedBlock(nn.Module):
    def __init__(self, ins, outs, stride):
        super().__init__()
        self.same = ins == outs and stride == 1
        self.conv = nn.Sequential(
            nn.Conv2d(ins, ins * 4, 1),
            nn.BatchNorm2d(ins * 4),
            nn.ReLU6(inplace=True),
            nn.Conv2d(ins * 4, ins * 4, 3, stride, 1, groups=ins * 4),
            nn.BatchNorm2d(ins * 4),
            nn.ReLU6(inplace=True),
            nn.Conv2d(ins * 4, outs, 1),
            nn.BatchNorm2d(outs),
        )

    def forward(self, x):
        return x + self.conv(x) if self.same else self.conv(x)


class Mobile(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            conv_norm_act(3, 8, 2),
            InvertedBlock(8, 8, 1),
            InvertedBlock(8, 16, 2),
            InvertedBlock(16, 16, 1),
            conv_norm_act(16, 64, kernel=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(64, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class Auxiliary(nn.Module):
    """A second head, in training only."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.one, self.two = conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2)
        self.aux, self.fc = nn.Linear(8, num_classes), nn.Linear(16, num_classes)

    def forward(self, x):
        early = self.one(x)
        logits = self.fc(self.two(early).mean((2, 3)))
        return (logits, self.aux(early.mean((2, 3)))) if self.training else logits


class Convolutional(nn.Module):
    """The classifier is a convolution."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.body = nn.Sequential(conv_norm_act(3, 8, 2), conv_norm_act(8, 16, 2))
        self.out = nn.Conv2d(16, num_classes, 1)

    def forward(self, x):
        return F.adaptive_avg_pool2d(self.out(self.body(x)), 1).flatten(1)


class Recurrent(nn.Module):
    """No images at all."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


class Broken(nn.Module):
    """Its own mistake: the classifier takes other features than there are."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(9, 2)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))
