"""Changes of a training batch that keep its labels.

Every function takes and gives (B, 1, x, y) in [0, 1].
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from breast_us.images import Images
from breast_us.recipe import SIZE, Recipe


def uniform(low: float, high: float, *shape: int) -> Tensor:
    """Uniform random numbers in ``[low, high]``."""
    return low + (high - low) * torch.rand(*shape)


def blur(images: Tensor, sigma: Tensor | float) -> Tensor:
    """Gaussian blur, one ``sigma`` in pixels an image, edges continued."""
    sigmas = torch.as_tensor(sigma, dtype=torch.float32).expand(len(images)).clamp_min(1e-3)
    reach = max(1, int(3 * float(sigmas.max()) + 0.5))
    offset = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offset / sigmas[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
    rows = images.transpose(0, 1)
    rows = F.pad(rows, (0, 0, reach, reach), mode="replicate")
    rows = F.conv2d(rows, kernel[..., None], groups=len(images))
    rows = F.pad(rows, (reach, reach, 0, 0), mode="replicate")
    return F.conv2d(rows, kernel[:, :, None], groups=len(images)).transpose(0, 1)


def wide_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur by ``sigma`` of 4 px or more, at a quarter of the size."""
    small = blur(F.avg_pool2d(images, 4), sigma / 4)
    return F.interpolate(small, scale_factor=4.0, mode="bilinear", align_corners=False)


def draw_marks(rng: np.random.Generator, kinds: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Draw what scanners burn in: (1, x, y) opacity and the grey value to draw with.

    ``kinds`` are taken from ``calipers``, ``text``, ``box``, ``ruler`` and ``arrow``.
    """
    fine = 2 * SIZE
    canvas = Image.new("L", (fine, fine))
    pen = ImageDraw.Draw(canvas)
    for kind in rng.choice(kinds, size=rng.integers(1, 3)):
        x, y = (int(v) for v in rng.integers(0, fine, 2))
        if kind == "calipers":
            length, angle = rng.uniform(30, 200), rng.uniform(0, np.pi)
            reach, width = int(rng.integers(4, 9)), int(rng.integers(1, 3))
            for pair in range(int(rng.integers(1, 3))):
                dx, dy = np.cos(angle + pair * np.pi / 2), np.sin(angle + pair * np.pi / 2)
                ends = [
                    (x + sign * dx * length / 2, y + sign * dy * length / 2) for sign in (-1, 1)
                ]
                for u, v in ends:
                    pen.line((u - reach, v, u + reach, v), fill=255, width=width)
                    pen.line((u, v - reach, u, v + reach), fill=255, width=width)
                for t in np.arange(0, 1, rng.uniform(6, 14) / length):
                    u, v = (e0 + t * (e1 - e0) for e0, e1 in zip(*ends, strict=True))
                    pen.ellipse((u - 1, v - 1, u + 1, v + 1), fill=255)
        elif kind == "text":
            letters = "".join(
                rng.choice(list("ABCDEILMRST0123456789 .+:"), int(rng.integers(3, 14)))
            )
            size = int(rng.integers(9, 20))
            pen.text((x * 0.8, y), letters, fill=255, font=ImageFont.load_default(size))
        elif kind == "box":
            w, h = (int(v) for v in rng.integers(30, 160, 2))
            pen.rectangle((x, y, x + w, y + h), outline=255, width=int(rng.integers(1, 3)))
        elif kind == "ruler":
            for tick in range(0, fine, int(rng.integers(12, 30))):
                pen.line((x, tick, x + 8, tick), fill=255, width=2)
        elif kind == "arrow":
            u, v = (int(k) for k in rng.integers(-40, 40, 2))
            pen.line((x, y, x + u, y + v), fill=255, width=3)
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=255)
    opacity = np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.BOX), np.float32).T / 255
    return torch.from_numpy(opacity.copy())[None], torch.tensor(rng.uniform(0.6, 1.0)).float()


def soft_ellipses(centers: Tensor, axes: Tensor, edge: Tensor) -> Tensor:
    """Ellipses with a soft edge: (B, 1, x, y), 1 inside.

    ``centers`` and ``axes`` are (B, 2) in units where the image spans [-1, 1]; ``edge`` is (B,).
    """
    line = torch.linspace(-1, 1, SIZE)
    x = (line[None, :, None] - centers[:, 0, None, None]) / axes[:, 0, None, None]
    y = (line[None, None, :] - centers[:, 1, None, None]) / axes[:, 1, None, None]
    radius = torch.sqrt(x * x + y * y + 1e-9)
    return torch.sigmoid((1 - radius) / edge[:, None, None])[:, None]


def warp(images: Tensor) -> Tensor:
    """Mirror left and right, zoom, stretch, turn and shift at random; edges are reflected."""
    n = len(images)
    turn = uniform(-0.15, 0.15, n)
    zoom = uniform(0.72, 1.12, n)
    stretch = torch.exp(uniform(-0.18, 0.18, n))
    mirror = 1.0 - 2.0 * (torch.rand(n) < 0.5).float()
    room = (1 - zoom).clamp_min(0) + 0.05
    theta = torch.zeros(n, 2, 3)  # grid_sample's first axis is our y, its second our x
    theta[:, 0, 0] = zoom / stretch * torch.cos(turn)
    theta[:, 0, 1] = -zoom * torch.sin(turn)
    theta[:, 1, 0] = mirror * zoom * torch.sin(turn)
    theta[:, 1, 1] = mirror * zoom * stretch * torch.cos(turn)
    theta[:, :, 2] = uniform(-1, 1, n, 2) * room[:, None]
    grid = F.affine_grid(theta, [n, 1, SIZE, SIZE], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def change_gain(images: Tensor) -> Tensor:
    """Gamma, contrast, gain that drifts with depth and side, blur, speckle."""
    n = len(images)
    line = torch.linspace(-1, 1, SIZE)
    drift = uniform(-0.35, 0.35, n, 1, 1, 1) * line + uniform(-0.2, 0.2, n, 1, 1, 1) * line[:, None]
    gamma = torch.exp(uniform(-0.5, 0.5, n, 1, 1, 1))
    out = images.clamp(0, 1) ** gamma * torch.exp(drift) * uniform(0.75, 1.2, n, 1, 1, 1)
    out = blur(out, torch.where(torch.rand(n) < 0.4, uniform(0.3, 1.8, n), torch.zeros(n)))
    grain = blur(torch.randn(n, 1, SIZE, SIZE), uniform(0.4, 1.0, n))
    return (out * (1 + uniform(0, 0.3, n, 1, 1, 1) * grain)).clamp(0, 1)


def sector_edges(images: Tensor) -> Tensor:
    """Black corners as a curved probe leaves them, in one image of six."""
    n = len(images)
    line = torch.linspace(-1, 1, SIZE)
    slope = uniform(0.05, 0.4, n, 1, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.5)
    left = uniform(0.75, 1.1, n, 1, 1, 1) + slope * line
    right = uniform(0.75, 1.1, n, 1, 1, 1) + slope * line
    x = line[:, None]
    inside = ((x > -left) & (x < right)).float()
    return torch.where(torch.rand(n, 1, 1, 1) < 1 / 6, images * inside, images)


def augment(
    images: Images, chosen: Tensor, recipe: Recipe, marks: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """Change the ``chosen`` images in ways that keep their labels: one training batch."""
    n = len(chosen)
    out = warp(images.pixels[chosen])
    lesion = images.lesion[chosen]

    # Surroundings from any other image, of either class, sharp or blurred: the label stays with
    # the middle. Images without a lesion may be cut at any place, being so everywhere.
    if recipe.border_mix:
        normal = torch.nonzero(~images.lesion).flatten()
        other = torch.randint(len(images.files), (n,))
        for i in range(n):
            if not lesion[i] and torch.rand(()) < 0.5:
                other[i] = normal[torch.randint(len(normal), ())]
        around = warp(images.pixels[other])
        wide = torch.rand(n) < 0.4
        around = torch.where(
            wide[:, None, None, None], wide_blur(around, uniform(4.0, 14.0, n)), around
        )
        center = uniform(-0.15, 0.15, n, 2)
        axes = uniform(0.6, 1.05, n, 2)
        free = ~lesion & ~images.lesion[other]
        center = torch.where(free[:, None], uniform(-0.9, 0.9, n, 2), center)
        axes = torch.where(free[:, None], uniform(0.15, 0.8, n, 2), axes)
        middle = soft_ellipses(center, axes, uniform(0.01, 0.12, n))
        mixed = out * middle + around * (1 - middle)
        out = torch.where(torch.rand(n, 1, 1, 1) < recipe.border_mix, mixed, out)

    # One small patch smoothed away, so that a smooth patch means nothing.
    patch = soft_ellipses(uniform(-1, 1, n, 2), uniform(0.08, 0.25, n, 2), uniform(0.02, 0.15, n))
    smooth = wide_blur(out, uniform(5.0, 12.0, n))
    out = torch.where(torch.rand(n, 1, 1, 1) < 0.3, out * (1 - patch) + smooth * patch, out)

    out = sector_edges(change_gain(out))
    for i in range(n):
        if torch.rand(()) < recipe.marks:
            opacity, grey = marks[int(torch.randint(len(marks), ()))]
            out[i] = out[i] * (1 - opacity) + grey * opacity
    return out
