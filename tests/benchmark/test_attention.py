"""Attention rollout: by hand, in closed form, in every way attention is written, and refusals."""

from __future__ import annotations

import planted_square as planted
import pytest
import torch
import torch.nn.functional as F
from planted_square import TARGETS
from torch import Tensor, nn

from medcontour.benchmark.methods import AttentionRollout
from medcontour.benchmark.methods.attention import attentions, rollout
from medcontour.errors import MedcontourError


class _Attention(nn.Module):
    """Self-attention of two heads, by a function of torch's or written out."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.qkv, self.fused = nn.Linear(16, 48), fused

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).view(len(x), -1, 3, 2, 8).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.transpose(-2, -1) / 8**0.5).softmax(dim=-1) @ value
        return mixed.transpose(1, 2).reshape(x.shape)


class _Multihead(nn.MultiheadAttention):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, x, x, need_weights=False)[0]


class _Patches(nn.Module):
    """Two blocks of attention over patches, without a class token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 16, 8, 8)
        self.blocks = nn.ModuleList(
            _Multihead(16, 2, batch_first=True) if kind == "module" else _Attention(kind == "fused")
            for _ in range(2)
        )
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = tokens + block(tokens)
        return self.head(tokens.mean(1)).softmax(1)


def _networks() -> dict[str, nn.Module]:
    """The same weights in every way of writing."""
    torch.manual_seed(0)
    made = {kind: _Patches(kind).eval() for kind in ("module", "fused", "written out")}
    with torch.no_grad():
        for own in (made["fused"], made["written out"]):
            own.patch.load_state_dict(made["module"].patch.state_dict())
            for one, block in zip(own.blocks, made["module"].blocks, strict=True):
                one.qkv.weight.copy_(block.in_proj_weight)
                one.qkv.bias.copy_(block.in_proj_bias)
                block.out_proj.weight.copy_(torch.eye(16))
                block.out_proj.bias.zero_()
    return made


def test_every_way_of_writing_attention_gives_the_same_map() -> None:
    images = 5 * planted.images()
    maps = {
        kind: AttentionRollout()(model, images, TARGETS).maps for kind, model in _networks().items()
    }
    assert maps["module"].shape == images.shape
    assert float(maps["module"].max() - maps["module"].min()) > 1e-4
    for own in maps.values():
        torch.testing.assert_close(own, maps["module"], atol=1e-6, rtol=0)


def test_the_map_is_the_class_tokens_row_of_the_product_by_hand() -> None:
    model, images = planted.Transformer().eval(), 5 * planted.images()
    with torch.no_grad():
        tokens = model.embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([model.token.expand(2, -1, -1), tokens], 1)
        flow = torch.eye(49).expand(2, -1, -1)
        for block in model.blocks:
            own = block.norm1(tokens)
            _, weights = block.attention(own, own, own)  # the mean of the heads
            flow = (0.5 * weights + 0.5 * torch.eye(49)).bmm(flow)
            tokens = block(tokens)
    wanted = F.interpolate(flow[:, 0, 1:].view(2, 1, 6, 8), images.shape[2:], mode="bilinear")
    found = AttentionRollout()(model, images, TARGETS)
    torch.testing.assert_close(found.maps, wanted, atol=1e-6, rtol=0)
    assert found.evaluations.tolist() == [0.25, 0.25]
    alone = AttentionRollout()(model, images[1:], TARGETS[1:]).maps
    torch.testing.assert_close(alone[0], found.maps[1], atol=1e-6, rtol=0)
    rows = rollout(attentions(model, images)).sum(-1)
    torch.testing.assert_close(rows, torch.ones_like(rows))


def test_attention_that_is_even_flows_evenly() -> None:
    """Of n tokens: a row keeps a quarter of itself after two blocks, and spreads the rest."""
    model = planted.Transformer().eval()
    with torch.no_grad():
        for block in model.blocks:
            block.attention.in_proj_weight[:32] = 0  # of queries and keys
            block.attention.in_proj_bias[:32] = 0
    maps = AttentionRollout()(model, planted.images(), TARGETS).maps
    torch.testing.assert_close(maps, torch.full_like(maps, 0.75 / 49), atol=1e-6, rtol=0)


def test_the_map_lies_where_the_attention_goes() -> None:
    model, images = _networks()["fused"], planted.images()
    with torch.no_grad():
        model.patch.weight[0], model.patch.bias[0] = 1 / 64, 0.0  # how bright a patch is
        for block in model.blocks:
            block.qkv.weight.zero_()
            block.qkv.bias[:16] = 5.0  # queries
            block.qkv.weight[16:32, 0] = 2.0  # keys
    maps = AttentionRollout()(model, images, TARGETS).maps
    inside = planted.squares().flatten(1) > 0
    peaks = maps.flatten(1).argmax(1)
    assert [bool(row[peak]) for row, peak in zip(inside, peaks, strict=True)] == [True, True]


def test_a_network_without_attention_is_refused_in_a_sentence() -> None:
    with pytest.raises(MedcontourError, match=r"needs a vision transformer.*another method"):
        AttentionRollout()(planted.network(), planted.images(), TARGETS)

    class Windows(_Patches):
        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patch(x).flatten(2).transpose(1, 2).reshape(len(x) * 4, 12, 16)
            return self.head(self.blocks[0](tokens).view(len(x), 48, 16).mean(1))

    with pytest.raises(MedcontourError, match="all patches"):
        AttentionRollout()(Windows("fused").eval(), planted.images(), TARGETS)


@pytest.mark.torchvision
@pytest.mark.parametrize("fused", [False, True])
def test_timm_shows_the_same_attention(fused: bool) -> None:
    import timm

    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=3).eval()
    image = torch.randn(1, 3, 224, 224)
    judge: list[Tensor] = []
    for block in model.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, out: judge.append(out))
    with torch.no_grad():
        model(image)
        for block in model.blocks:
            block.attn.fused_attn = fused
            block.attn.attn_drop._forward_hooks.clear()
        found = attentions(model, image)
    assert len(found) == len(judge) == 12
    for own, theirs in zip(found, judge, strict=True):
        torch.testing.assert_close(own, theirs, atol=1e-5, rtol=0)
