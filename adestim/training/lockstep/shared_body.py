"""One pass of a frozen body for several fusions, each with low-rank adapters of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import CLOSED
from adestim.backbone.loading import skeleton
from adestim.backbone.lora import ADAPTER, AdaptedBackbone
from adestim.exceptions import InputError
from adestim.training.lockstep.random_streams import RandomStream
from adestim.training.nets import AnchoredFusion

# Reduced precision changes a layer's input by about a hundredth; rows of others, wholly.
LARGEST_CHANGE = 0.1


class Shares:
    """Which rows of a joint batch are whose."""

    def __init__(self, streams: Sequence[RandomStream]):
        self.streams = streams
        self.members: list[int] = []
        self.sizes: list[int] = []
        self.drawn: dict[tuple[int, int], Any] = {}

    def hand_out(self, members: Sequence[int], sizes: Sequence[int]) -> None:
        """Say how many subjects of the next batch each member has, in order."""
        self.members, self.sizes, self.drawn = list(members), list(sizes), {}

    def rows(self, n_rows: int) -> list[int]:
        """Return every member's number of rows in a layer's input."""
        each, rest = divmod(n_rows, sum(self.sizes))
        if rest:
            raise not_by_subject(f"{n_rows} rows in a layer for {sum(self.sizes)} subjects")
        return [each * size for size in self.sizes]

    def apply_dropouts(self, x: Tensor, dropouts: Sequence[nn.Module]) -> Tensor:
        """Return a layer's input after every member's dropout, drawn from its own stream."""
        if not any(layer.training and getattr(layer, "p", 0) > 0 for layer in dropouts):
            return x
        # Activations that are made again begin at the same global state, so this number tells
        # which numbers were drawn before.
        visit = int(torch.randint(2**62, ()))
        parts = []
        members = zip(self.members, dropouts, x.split(self.rows(len(x))), strict=True)
        for member, dropout, part in members:
            stream = self.streams[member]
            before = self.drawn.get((visit, member))
            if before is None:
                self.drawn[visit, member] = stream.state
            with stream.taken_up(before):
                parts.append(dropout(part))
        return torch.cat(parts)


class JointLinear(nn.Module):
    """A frozen linear layer, applied once to all rows, with every member's low-rank update."""

    def __init__(self, layers: Sequence[nn.Module], shares: Shares):
        super().__init__()
        self.base_layer = layers[0].base_layer
        # A tuple: the adapters stay their owners' parameters.
        self.layers = tuple(layers)
        self.shares = shares

    @property
    def weight(self) -> Tensor:
        """The frozen weight."""
        return self.base_layer.weight

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias."""
        return self.base_layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (rows, ..., n_out) for (rows, ..., n_in)."""
        result = self.base_layer(x)
        layers = [self.layers[member] for member in self.shares.members]
        downs = [layer.lora_A[ADAPTER].weight for layer in layers]
        ups = [layer.lora_B[ADAPTER].weight for layer in layers]
        x = self.shares.apply_dropouts(
            x.to(downs[0].dtype), [layer.lora_dropout[ADAPTER] for layer in layers]
        )
        update = low_rank(x, self.shares.rows(len(x)), downs, ups)
        return (result + update * layers[0].scaling[ADAPTER]).to(result.dtype)


def low_rank(
    x: Tensor, sizes: Sequence[int], downs: Sequence[Tensor], ups: Sequence[Tensor]
) -> Tensor:
    """Return every member's rows through its own two factors."""
    if len(set(sizes)) > 1:
        parts = zip(x.split(list(sizes)), downs, ups, strict=True)
        return torch.cat([F.linear(F.linear(part, down), up) for part, down, up in parts])
    rows = x.reshape(len(sizes), -1, x.shape[-1])
    inner = torch.bmm(rows, torch.stack(list(downs)).mT)
    return torch.bmm(inner, torch.stack(list(ups)).mT).reshape(*x.shape[:-1], -1)


class SharedBody:
    """The frozen body of several fusions of one anchor."""

    def __init__(self, modules: Sequence[AnchoredFusion], streams: Sequence[RandomStream]):
        self.modules = modules
        self.shares = Shares(streams)
        self.body = skeleton(modules[0].backbone.body)
        for name in list_adapted_layers(self.body):
            layers = [module.backbone.body.get_submodule(name) for module in modules]
            exchange(self.body, name, JointLinear(layers, self.shares))

    def pooled(self, members: Sequence[int], batches: Sequence[Mapping]) -> list[Tensor]:
        """Return every member's pooled vectors.

        -> (B, width_pooled).
        """
        joined = []
        for member, batch, tokens in zip(
            members, batches, self._embedded(members, batches), strict=True
        ):
            module = self.modules[member]
            with self.shares.streams[member].taken_up():
                joined.append(module.join(batch, Embedded(module.backbone, tokens)))
        n_own = max(own.shape[1] for _, _, own in joined)
        sizes = [len(tokens) for tokens, _, _ in joined]
        self.shares.hand_out(members, sizes)
        encoded = self.body.encode(
            torch.cat([widen(tokens, own.shape[1], n_own, 0.0) for tokens, _, own in joined]),
            torch.cat([widen(gate, own.shape[1], n_own, CLOSED) for _, gate, own in joined]),
            n_own,
        )
        own = torch.cat([widen(own, own.shape[1], n_own, False) for _, _, own in joined])
        vectors = self.body.pool(encoded, own).split(sizes)
        return [
            vector.to(self.modules[member].pooled_mean.dtype)
            for member, vector in zip(members, vectors, strict=True)
        ]

    def require_rows_by_subject(self, n_aux: int, device: torch.device) -> None:
        """Refuse a model that does not treat the subjects of a batch one by one, in order."""
        shape = (3, self.body.n_stand_in + n_aux, self.body.width)
        tokens = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
        together = self._seen(tokens, [0, 1], [1, 2])
        alone = self._seen(tokens[1:], [1], [2])
        for whole, part in zip(together, alone, strict=True):
            own = whole[len(whole) // 3 :]
            if own.shape != part.shape or (own - part).norm() > LARGEST_CHANGE * part.norm():
                raise not_by_subject("a layer whose rows are not the subjects' in order")

    def _seen(self, tokens: Tensor, members: list[int], sizes: list[int]) -> list[Tensor]:
        """Return what every adapted layer reads of some tokens, and the model's output last."""
        seen: list[Tensor] = []
        layers = [layer for layer in self.body.modules() if isinstance(layer, JointLinear)]
        hooks = [
            layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].float()))
            for layer in layers
        ]
        self.shares.hand_out(members, sizes)
        log_mask = torch.zeros(tokens.shape[:2], device=tokens.device)
        try:
            with torch.no_grad():
                encoded = self.body.encode(tokens, log_mask, self.body.n_stand_in)
        finally:
            for hook in hooks:
                hook.remove()
        return [*seen, encoded.float()]

    def _embedded(self, members: Sequence[int], batches: Sequence[Mapping]) -> list[Tensor | None]:
        """Return every member's embedded inputs, at once where they are of one shape."""
        # Adapters come later, so that any member's body embeds for all.
        embed = self.modules[members[0]].backbone.embed_subjects
        inputs = [batch["inputs"] for batch in batches]
        shown = [item for item in inputs if item.values is not None]
        if len({item.values.shape[1:] for item in shown}) != 1:
            return [
                None if item.values is None else embed(item.values, item.sources) for item in inputs
            ]
        sources = [source for item in shown for source in item.sources]
        tokens = embed(torch.cat([item.values for item in shown]), sources)
        parts = iter(tokens.split([len(item.values) for item in shown]))
        return [None if item.values is None else next(parts) for item in inputs]


class Embedded:
    """A backbone whose inputs are embedded already."""

    def __init__(self, backbone: AdaptedBackbone, tokens: Tensor | None):
        self.backbone = backbone
        self.tokens = tokens

    def embed_subjects(self, inputs: Tensor, sources: Sequence[Any]) -> Tensor | None:
        """Return what was embedded before."""
        return self.tokens

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backbone, name)


def list_adapted_layers(body: nn.Module) -> Iterator[str]:
    """Return the names of the layers that have adapters."""
    named = body.named_modules()
    return iter([name for name, layer in named if ADAPTER in getattr(layer, "lora_A", ())])


def exchange(body: nn.Module, name: str, layer: nn.Module) -> None:
    """Put another layer into a model, under a name."""
    parent, _, own = name.rpartition(".")
    setattr(body.get_submodule(parent), own, layer)


def widen(x: Tensor, n_own: int, n_wanted: int, value: float) -> Tensor:
    """Insert places behind the own ones of (B, T, ...), as padding does."""
    if n_own == n_wanted:
        return x
    between = x.new_full((len(x), n_wanted - n_own, *x.shape[2:]), value)
    return torch.cat([x[:, :n_own], between, x[:, n_own:]], dim=1)


def not_by_subject(got: str) -> InputError:
    """Return the error about a model whose batches cannot be joined."""
    return InputError(
        "Folds are trained together where the anchor's model treats the subjects of a batch one "
        "by one, in order",
        got=got,
        remedy="Fit the folds one by one: pass n_together=1",
    )
