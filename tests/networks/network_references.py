"""Plain modules with the published key names, written without the tables they check."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    def __init__(self, width: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


class SqueezeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        fires = ((64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128))
        wide = ((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256))
        a, b, c, d = (Fire(*f) for f in fires)
        stem = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool]
        self.features = nn.Sequential(*stem, a, b, pool, c, d, pool, *(Fire(*f) for f in wide))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).mean((2, 3))


class Basic(nn.Module):
    def __init__(self, width: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class Mixed(nn.Module):
    def __init__(self, width: int, a: int, b: int, c: int, d: int, e: int, f: int) -> None:
        super().__init__()
        self.branch1 = Basic(width, a, 1)
        self.branch2 = nn.Sequential(Basic(width, b, 1), Basic(b, c, 3))
        self.branch3 = nn.Sequential(Basic(width, d, 1), Basic(d, e, 3))
        pool = nn.MaxPool2d(3, 1, 1, ceil_mode=True)
        self.branch4 = nn.Sequential(pool, Basic(width, f, 1))

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """Takes ImageNet-normalised pictures and turns them to [-1, 1], as the published one does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Basic(3, 64, 7, 2), Basic(64, 64, 1), Basic(64, 192, 3)
        self.inception3a = Mixed(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Mixed(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Mixed(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Mixed(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Mixed(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Mixed(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Mixed(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Mixed(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Mixed(832, 384, 192, 384, 48, 128, 128)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor:
        std, mean = x.new_tensor([0.229, 0.224, 0.225]), x.new_tensor([0.485, 0.456, 0.406])
        x = x * (std / 0.5).view(1, 3, 1, 1) + ((mean - 0.5) / 0.5).view(1, 3, 1, 1)
        big, small = nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, 2, ceil_mode=True)
        x = big(self.conv3(self.conv2(big(self.conv1(x)))))
        x = big(self.inception3b(self.inception3a(x)))
        x = self.inception4c(self.inception4b(self.inception4a(x)))
        x = small(self.inception4e(self.inception4d(x)))
        return self.fc(self.inception5b(self.inception5a(x)).mean((2, 3)))


class Bottleneck(nn.Module):
    def __init__(self, width: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * inner)
        self.downsample = None
        if stride > 1 or width != 4 * inner:
            project = nn.Conv2d(width, 4 * inner, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(4 * inner))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        side = x if self.downsample is None else self.downsample(x)
        return (self.bn3(self.conv3(y)) + side).relu()


def _stage(width: int, inner: int, depth: int, stride: int) -> nn.Sequential:
    rest = (Bottleneck(4 * inner, inner, 1) for _ in range(depth - 1))
    return nn.Sequential(Bottleneck(width, inner, stride), *rest)


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2 = _stage(64, 64, 3, 1), _stage(256, 128, 4, 2)
        self.layer3, self.layer4 = _stage(512, 256, 6, 2), _stage(1024, 512, 3, 2)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))
