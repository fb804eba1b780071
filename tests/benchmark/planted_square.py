"""A tiny network whose answer sits in a known square, and images of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROWS, COLUMNS, SIDE = 48, 64, 12
PLACES = ((6, 40), (28, 10))
TARGETS = torch.tensor([1, 1])


def network() -> nn.Module:
    """Class 1 where there is a bright place, by a convolution of fixed weights; 0 otherwise."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0] = 1 / 25, -0.3
        model[4].weight[0], model[4].bias[0] = 0.0, 0.0
        model[4].weight[0, 0] = 1 / 9
        model[9].weight.mul_(0.05)
        model[9].weight[1, 0], model[9].weight[0, 0] = 200.0, -20.0
        model[9].bias.copy_(torch.tensor([1.5, -1.5]))
    return model.eval()


def images() -> Tensor:
    """(2, 1, 48, 64): one square each, on a little noise."""
    chance = torch.Generator().manual_seed(1)
    made = 0.05 * torch.randn(len(PLACES), 1, ROWS, COLUMNS, generator=chance)
    return made + squares()


def squares() -> Tensor:
    """(2, 1, 48, 64): 1 in the square."""
    made = torch.zeros(len(PLACES), 1, ROWS, COLUMNS)
    for image, (top, left) in zip(made, PLACES, strict=True):
        image[:, top : top + SIDE, left : left + SIDE] = 1.0
    return made


def others(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """(count, 1, 48, 64) images of a square anywhere, their classes (count,), and the squares."""
    generator = torch.Generator().manual_seed(seed)
    squares = torch.zeros(count, 1, ROWS, COLUMNS)
    for square in squares:
        top, left = (
            int(torch.randint(0, side - SIDE, (1,), generator=generator))
            for side in (ROWS, COLUMNS)
        )
        square[:, top : top + SIDE, left : left + SIDE] = 1.0
    noise = 0.05 * torch.randn(squares.shape, generator=generator)
    return squares + noise, torch.ones(count, dtype=torch.int64), squares


class Transformer(nn.Module):
    """A vision transformer of two blocks that reads its class token alone."""

    def __init__(self, patch: int = 8) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 16, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.blocks = nn.ModuleList([_Block() for _ in range(2)])
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x: Tensor) -> Tensor:
        own = self.norm1(x)
        x = x + self.attention(own, own, own, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


def volume_network(weight: float) -> nn.Module:
    """As `network`, of volumes; `weight` of the bright place."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(3, 2),
    )  # fmt: skip
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0] = 1 / 27, -0.3
        model[4].weight[1, 0] = weight
    return model


def volume() -> Tensor:
    """(1, 1, 12, 16, 20): 1 in a cube."""
    made = torch.zeros(1, 1, 12, 16, 20)
    made[0, :, 2:6, 9:13, 4:8] = 1.0
    return made
