"""Weights of K nets side by side: gathered from the nets, and made into what batches are read by.

Nothing here grows with the number of subjects. K is the number of nets, R that of layers that
read: the blocks first, then the readers of each auxiliary modality, then the cross-modal one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from adestim.backbone.attention import AttentionWeights, absorb
from adestim.backbone.reading import inverse_deviation
from adestim.training.nets.anchored import AnchoredFusion
from adestim.training.nets.qformer import QueryReaders

# The layers that read have the same parts in a block and in the Q-former, under other names.
PARTS = {
    "query": "attention.query.weight",
    "query_bias": "attention.query.bias",
    "key_value": "attention.key_value.weight",
    "key_value_bias": "attention.key_value.bias",
    "out": "attention.out.weight",
    "out_bias": "attention.out.bias",
    "gain": "norm_tokens.weight",
    "shift": "norm_tokens.bias",
    "mlp_gain": "norm_mlp.weight",
    "mlp_shift": "norm_mlp.bias",
    "up": "mlp.0.weight",
    "up_bias": "mlp.0.bias",
    "down": "mlp.2.weight",
    "down_bias": "mlp.2.bias",
}
IN_QFORMER = {"norm_mlp": "norm", "mlp.0": "up", "mlp.2": "down"}
OUTPUT_READER = "output_reader."

Held = dict[str, Tensor | list[Tensor]]


def collect_weights(net: AnchoredFusion) -> Held:
    """Return a net's weights by the names of a stack; those of several layers as a list."""
    layers = [block_parts(block) for block in net.backbone.blocks]
    found: Held = {}
    if net.qformer is not None:
        readers = [net.qformer.uni_modal, net.qformer.cross_modal]
        own = [parts for each in readers if each is not None for parts in reader_parts(each)]
        layers += own
        found["queries"] = [parts.pop("queries") for parts in own]
        for name, project in zip(net.auxiliaries, net.qformer.project, strict=True):
            found |= {f"project {name}": project.weight, f"project bias {name}": project.bias}
    found |= {part: [parts[part] for parts in layers] for part in PARTS}
    blocks = net.backbone.blocks
    found["reader_gain"] = [block.norm_reader.weight for block in blocks]
    found["reader_shift"] = [block.norm_reader.bias for block in blocks]
    return found | dict(list_single(net))


def block_parts(block: nn.Module) -> dict[str, Tensor]:
    """Return the parts of a block."""
    return {part: block.get_parameter(name) for part, name in PARTS.items()}


def reader_parts(readers: QueryReaders) -> list[dict[str, Tensor]]:
    """Return the parts, and the queries, of every reader of a Q-former."""
    names = {"queries": "queries"}
    for part, name in PARTS.items():
        for own, other in IN_QFORMER.items():
            name = name.replace(own, other)
        names[part] = name.replace(".", "_")
    return [
        {part: readers.get_parameter(name)[place] for part, name in names.items()}
        for place in range(len(readers.queries))
    ]


def list_single(net: AnchoredFusion) -> list[tuple[str, Tensor]]:
    """Return names and values of weights that a net has one of."""
    backbone = net.backbone
    found = {
        "features": backbone.features.weight,
        "features_bias": backbone.features.bias,
        "place_gain": backbone.place_gain,
        "place_shift": backbone.place_shift,
        "norm_gain": backbone.norm.weight,
        "norm_shift": backbone.norm.bias,
        "summary": net.own.scores.weight,
        "summary_bias": net.own.scores.bias,
        "stand_in": net.own.stand_in,
        "log_gate": net.log_gate,
        "pooled_mean": net.pooled_mean,
        "pooled_scale": net.pooled_scale,
        "head": net.head.weight,
        "head_bias": net.head.bias,
    }
    reader = net.output_reader
    of_output = () if reader is None else reader.named_parameters(prefix=OUTPUT_READER[:-1])
    return [*found.items(), *of_output]


def stack_held(held: Tensor | list[Tensor]) -> Tensor:
    """Return the layers of one net side by side, what it has one of as it is."""
    return torch.stack(held) if isinstance(held, list) else held


def write_weights(weights: Mapping[str, Tensor], nets: Sequence[AnchoredFusion]) -> None:
    """Copy the weights of a stack, (K, ...) each, into K nets."""
    targets, values = [], []
    for number, net in enumerate(nets):
        for name, held in collect_weights(net).items():
            own = weights[name].detach()[number]
            values += own.unbind() if isinstance(held, list) else [own]
            targets += [each.detach() for each in (held if isinstance(held, list) else [held])]
    with torch.no_grad():
        torch._foreach_copy_(targets, values)


class ReadingMaps(NamedTuple):
    """What layers that read are made of, norms taken into the maps behind them, (K, R, ...)."""

    to_keys: Tensor  # (K, R, C, heads * C)
    key_bias: Tensor  # (K, R, 1, heads * C)
    to_output: Tensor  # (K, R, heads * C, C)
    shift: Tensor  # (K, R, 1, C)
    up: Tensor  # (K, R, C, 2 * C)
    up_bias: Tensor  # (K, R, 1, 2 * C)
    down: Tensor  # (K, R, 2 * C, C)
    down_bias: Tensor  # (K, R, 1, C)

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], n_heads: int) -> ReadingMaps:
        """Merge what does not depend on subjects."""
        flat = {part: weights[part].flatten(0, 1) for part in PARTS}
        absorbed = absorb(
            AttentionWeights(**{part: flat[part] for part in AttentionWeights._fields}), n_heads
        )
        up = flat["up"].mT * flat["mlp_gain"][:, :, None]
        up_bias = torch.baddbmm(flat["up_bias"][:, None], flat["mlp_shift"][:, None], flat["up"].mT)
        whole = cls(
            absorbed.to_keys[:, :-1],
            absorbed.to_keys[:, -1:],
            absorbed.to_output,
            absorbed.shift,
            up,
            up_bias,
            flat["down"].mT,
            flat["down_bias"][:, None],
        )
        n_layers = weights["query"].shape[1]
        return cls(*(part.unflatten(0, (-1, n_layers)) for part in whole))

    def split(self, sizes: Sequence[int]) -> list[ReadingMaps]:
        """Return the maps of some first layers, of the next ones, and so on."""
        parts = [part.split(list(sizes), dim=1) for part in self]
        return [ReadingMaps(*each) for each in zip(*parts, strict=True)]

    def behind_norm(self, gain: Tensor, shift: Tensor) -> ReadingMaps:
        """Return the same with a norm of the queries taken in; gain and shift (K, R, C)."""
        bias = self.key_bias + shift[:, :, None] @ self.to_keys
        return self._replace(to_keys=gain[..., None] * self.to_keys, key_bias=bias)

    def unbind(self) -> list[ReadingMaps]:
        """Return the maps of every layer, (K, ...) each."""
        return [ReadingMaps(*each) for each in zip(*(part.unbind(1) for part in self), strict=True)]

    def at_keys(self, queries: Tensor) -> Tensor:
        """Return learned queries (K, R, Q, C) at the side of the keys, (K, R, Q * heads, C)."""
        found = queries @ self.to_keys + self.key_bias
        return found.unflatten(3, (-1, queries.shape[3])).flatten(2, 3)


class MappedTokens:
    """Tokens that are linear maps of their features, for K nets: not computed where these are few.

    weight (K, C, F), bias (K, C).
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        width, n_features = weight.shape[1:]
        self.direct = n_features + 1 >= width
        self.maps: Tensor | None = None
        self.weight, self.bias = weight, bias
        if not self.direct:
            maps = torch.cat([weight.mT, bias[:, None]], dim=1)
            self.maps = maps - maps.mean(dim=2, keepdim=True)
            self.products = torch.bmm(self.maps, self.maps.mT) / width

    def standardise(self, features: Tensor) -> Tensor:
        """Return features (K, B, T, F + 1), a one among them, by their tokens' deviation."""
        flat = features.flatten(1, 2)
        variance = (torch.bmm(flat, self.products) * flat).sum(dim=2, keepdim=True)
        return (flat * inverse_deviation(variance)).view(features.shape)

    def at_features(self, queries: Tensor) -> Tensor:
        """Return queries (K, ..., C) at the side of what stands for the tokens."""
        if self.maps is None:
            return queries
        return torch.bmm(queries.flatten(1, -2), self.maps.mT).unflatten(1, queries.shape[1:-1])

    def map_outputs(self, to_output: Tensor, n_heads: int) -> Tensor:
        """Return the maps (K, heads * F, C) of what was mixed, for those (K, heads * C, C)."""
        if self.maps is None:
            return to_output
        by_head = to_output.unflatten(1, (n_heads, -1))
        return (self.maps[:, None] @ by_head).flatten(1, 2)


class PlacedTokens:
    """Own tokens whose maps are of their places, of few features, for K nets.

    weight (K, C, F), bias (K, C), gain and shift (K, T, C).
    """

    def __init__(self, weight: Tensor, bias: Tensor, gain: Tensor, shift: Tensor):
        maps = torch.cat(
            [
                weight.mT[:, :, None] * gain[:, None],
                torch.addcmul(shift, bias[:, None], gain)[:, None],
            ],
            dim=1,
        )
        maps = maps - maps.mean(dim=3, keepdim=True)
        # Of every pair of features, at every place.
        self.products = (maps[:, :, None] * maps[:, None]).mean(dim=4)
        self.maps = maps.flatten(1, 2)

    def deviations(self, inputs: Tensor) -> Tensor:
        """Return the inverse deviations (K, B, 1, T) of the tokens of inputs (K, B, F, T)."""
        products, features = self.products[:, None], inputs.unbind(2)
        variance = products[:, :, -1, -1]
        for place, own in enumerate(features):
            slope = 2 * products[:, :, place, -1]
            for other in range(place):
                slope = torch.addcmul(slope, features[other], 2 * products[:, :, place, other])
            slope = torch.addcmul(slope, own, products[:, :, place, place])
            variance = torch.addcmul(variance, slope, own)
        return inverse_deviation(variance[:, :, None])
