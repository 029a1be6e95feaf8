"""K nets of one reference anchor, evaluated together: every call serves all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from adestim.backbone.attention import log_mask_of
from adestim.backbone.reference import ReferenceBackbone
from adestim.training.nets.anchored import AnchoredFusion, match_rms
from adestim.training.nets.stacked_values import MappedValues, OwnReadable, PlacedValues
from adestim.training.nets.stacked_weights import (
    OUTPUT_READER,
    MappedTokens,
    PlacedTokens,
    ReadingMaps,
    collect_weights,
    stack_held,
    write_weights,
)
from adestim.training.nets.tabulated import PoolTable, can_tabulate, count_near, lie_within


class Prepared(NamedTuple):
    """What is made of weights alone."""

    blocks: list[ReadingMaps]  # one a block
    uni_modal: ReadingMaps | None
    cross_modal: ReadingMaps | None
    queries: Tensor | None  # (K, readers, Q, C); learned queries, what all of them read added
    at_keys: Tensor | None  # (K, readers, Q * heads, C)
    auxiliaries: dict[str, MappedTokens]
    own: PlacedTokens | MappedTokens


class StackedFusion:
    """K nets of one anchor and one architecture, whose weights lie side by side.

    It computes what each of the nets does; :func:`can_stack` must hold for them. Its weights are
    copies, which :meth:`write_back` takes to the nets.
    """

    def __init__(self, nets: Sequence[AnchoredFusion]):
        first = nets[0]
        self.anchor, self.auxiliaries = first.anchor, first.auxiliaries
        self.places = {name: place for place, name in enumerate(first.modalities)}
        self.n_heads = first.backbone.blocks[0].attention.n_heads
        self.n_blocks, self.join_at = len(first.backbone.blocks), first.backbone.join_at
        self.joins, self.at_output = bool(first.n_joining), first.output_reader is not None
        self.n_queries = 0 if first.qformer is None else first.qformer.n_queries
        self.is_crossed = bool(self.n_queries) and first.qformer.cross_modal is not None
        self.n_features = {name: count_features(first, name) for name in self.auxiliaries}
        self.dropouts = list_dropouts(first)
        held = [collect_weights(net) for net in nets]
        stacked = {name: torch.stack([stack_held(one[name]) for one in held]) for name in held[0]}
        self.weights = {
            name: value.detach().requires_grad_(value.requires_grad)
            for name, value in stacked.items()
        }
        self.remembered: Prepared | None = None
        self.tables: dict[str, PoolTable | None] = {}

    @property
    def trained(self) -> dict[str, Tensor]:
        """Weights that are trained, by name."""
        return {
            name: value
            for name, value in self.weights.items()
            if value.requires_grad and value.numel()
        }

    @property
    def n_dropouts(self) -> int:
        """Number of places at which activations are dropped."""
        return len(self.dropouts)

    @property
    def width(self) -> int:
        """Width of the nets."""
        return self.weights["head"].shape[2]

    def write_back(self, nets: Sequence[AnchoredFusion]) -> None:
        """Copy the weights into nets of the same architecture."""
        write_weights(self.weights, nets)

    def take(self, nets: Tensor) -> None:
        """Keep some of the nets alone, whose numbers are given."""
        self.weights = {
            name: value.detach()[nets].requires_grad_(value.requires_grad)
            for name, value in self.weights.items()
        }
        self.forget()

    def forget(self) -> None:
        """Let go of what :meth:`predict` remembers; to be called where weights have changed."""
        self.remembered, self.tables = None, {}

    def tabulate(self) -> None:
        """Let :meth:`predict` read what it can off tables, of weights as they are now."""
        with torch.no_grad():
            self.remembered = self.prepare()
            for number, (name, tokens) in enumerate(self.remembered.auxiliaries.items()):
                if can_tabulate(tokens, self.n_features[name]):
                    queries = tokens.at_features(self.remembered.at_keys[:, number])
                    self.tables[name] = PoolTable.of(tokens, queries)

    def predict(self, batch: Mapping) -> Tensor:
        """Return logits (K, B, n_outputs) in evaluation mode, without gradients.

        batch as in :meth:`forward`.
        """
        with torch.no_grad():
            if self.remembered is None:
                self.remembered = self.prepare()
            return self.compute(self.remembered, batch, None)

    def forward(self, batch: Mapping, noise: Tensor | None = None) -> Tensor:
        """Return logits (K, B, n_outputs).

        batch as of one net, every tensor (B, ...), or with every net's own subjects (K, B, ...);
        noise (K, B, n_dropouts, width), even random numbers from 0 to 1 by which activations are
        dropped, None for none.
        """
        return self.compute(self.prepare(), batch, noise)

    def prepare(self) -> Prepared:
        """Return what is made of weights alone."""
        weights = self.weights
        n_readers = len(self.auxiliaries) if self.n_queries else 0
        sizes = [self.n_blocks, n_readers, int(self.is_crossed)]
        whole = ReadingMaps.of(weights, self.n_heads)
        blocks, uni_modal, cross_modal = whole.split(sizes)
        blocks = blocks.behind_norm(weights["reader_gain"], weights["reader_shift"])
        queries = at_keys = None
        if n_readers:
            readers = ReadingMaps(*(part[:, self.n_blocks :] for part in whole))
            at_keys = readers.at_keys(weights["queries"])
            queries = weights["queries"] + readers.shift
        auxiliaries = {
            name: MappedTokens(weights[f"project {name}"], weights[f"project bias {name}"])
            for name in (self.auxiliaries if n_readers else ())
        }
        own = self._prepare_own()
        return Prepared(blocks.unbind(), uni_modal, cross_modal, queries, at_keys, auxiliaries, own)

    def _prepare_own(self) -> PlacedTokens | MappedTokens:
        """Return how own tokens are made."""
        weights = self.weights
        feature = weights["features"], weights["features_bias"]
        n_features, (n_places, width) = feature[0].shape[2], weights["place_gain"].shape[1:]
        if n_places and 2 * (n_features + 1) ** 2 <= width:
            return PlacedTokens(*feature, weights["place_gain"], weights["place_shift"])
        tokens = MappedTokens(*feature)
        tokens.direct = tokens.direct or n_places > 0
        if tokens.direct:
            tokens.maps = None
        return tokens

    def compute(self, prepared: Prepared, batch: Mapping, noise: Tensor | None) -> Tensor:
        """Return logits of a batch, given what is made of weights alone."""
        batch = self._by_net(batch)
        drop = Dropper(self.dropouts, noise)
        present = batch["present"]
        shown = present[:, :, self.places[self.anchor], None]
        own_mask = batch["masks"][self.anchor]
        log_masks = [score_log_masks(own_mask & shown[: len(own_mask)])] * 2
        auxiliary = None
        if self.n_queries:
            auxiliary, gate = self._auxiliary_tokens(prepared, batch)
            if self.joins:
                of_own = log_masks[0].expand(len(gate), -1, -1)
                log_masks[1] = torch.cat([of_own, gate], dim=2)
        own = self._own_values(prepared.own, batch["tokens"][self.anchor])
        reader = self._summary(batch["scores"][:, :, self.places[self.anchor]], shown)
        for number, block in enumerate(prepared.blocks):
            joined = self.joins and number >= self.join_at
            others = auxiliary if joined else None
            reader = self._read(block, reader, own, others, log_masks[joined], drop)
        pooled = scale_shift(norm(reader), self.weights["norm_gain"], self.weights["norm_shift"])
        pooled = pooled - self.weights["pooled_mean"][:, None]
        pooled = pooled / self.weights["pooled_scale"][:, None]
        if self.at_output:
            pooled = self._read_at_output(pooled, auxiliary, gate)
        head = self.weights["head_bias"][:, None], self.weights["head"].mT
        return batch["base"] + torch.baddbmm(head[0], drop(pooled), head[1])

    def _by_net(self, batch: Mapping) -> Mapping:
        """Return a batch in which every net has its subjects, the same ones for all if need be."""
        if batch["present"].dim() == 3:
            return batch
        n_nets = len(self.weights["head"])

        def repeat(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: repeat(item) for name, item in value.items()}
            return value.expand(n_nets, *value.shape)

        # Nets do not differ in what they are shown of the same subjects.
        masks = {name: mask[None] for name, mask in batch["masks"].items()}
        return {name: repeat(batch[name]) for name in READ} | {"masks": masks}

    def _summary(self, scores: Tensor, shown: Tensor) -> Tensor:
        """Return the summary (K, B, C), its stand-in where the anchor is not shown."""
        summary = self.weights["summary_bias"][:, None], self.weights["summary"].mT
        made = torch.baddbmm(summary[0], scores, summary[1])
        return torch.where(shown, made, self.weights["stand_in"][:, None].to(made.dtype))

    def _own_values(self, own: PlacedTokens | MappedTokens, inputs: Tensor) -> OwnReadable:
        """Return own tokens of inputs (K, B, T, F)."""
        if isinstance(own, PlacedTokens):
            inputs = inputs.transpose(2, 3)
            return PlacedValues(inputs, own.deviations(inputs), own.maps)
        if not own.direct:
            return MappedValues(own.standardise(F.pad(inputs, (0, 1), value=1.0)), own)
        tokens = map_tokens(inputs, own.weight, own.bias)
        if self.weights["place_gain"].shape[1]:
            shift = self.weights["place_shift"][:, None]
            tokens = torch.addcmul(shift, tokens, self.weights["place_gain"][:, None])
        return MappedValues(norm(tokens), own)

    def _read(self, block, reader, own, auxiliary, log_mask, drop) -> Tensor:
        """Return the reader (K, B, C) behind a block; log_mask (K, B, T + 1 + A)."""
        standard = norm(reader)
        queries = torch.baddbmm(block.key_bias, standard, block.to_keys)
        queries = queries.unflatten(2, (self.n_heads, -1))
        itself = standard[:, :, None]
        logits = [own.weigh(queries), (queries * itself).sum(dim=3, keepdim=True)]
        if auxiliary is not None:
            logits.append(queries @ auxiliary.mT)
        sizes = [part.shape[3] for part in logits]
        shares = torch.softmax(torch.cat(logits, dim=3) + log_mask[:, :, None], dim=3)
        of_own, of_itself, *others = shares.split(sizes, dim=3)
        mixed = torch.addcmul(own.mix(of_own), of_itself, itself)
        for part in others:
            mixed = mixed + part @ auxiliary
        reader = reader + drop(torch.baddbmm(block.shift, mixed.flatten(2), block.to_output))
        return reader + drop(through_mlp(reader, block))

    def _auxiliary_tokens(self, prepared: Prepared, batch: Mapping) -> tuple[Tensor, Tensor]:
        """Return auxiliary tokens (K, B, A, C) as they are read, and their log-gate (K, B, A)."""
        # A list as an index would be sent to the device, and waited for.
        places = [self.places[name] for name in self.auxiliaries]
        present = torch.stack([batch["present"][:, :, place] for place in places], dim=2)
        n_nets, n_subjects, n_groups = present.shape
        pooled = [
            self._pool(prepared, batch, name, number)
            for number, name in enumerate(self.auxiliaries)
        ]
        read = torch.stack(pooled, dim=1).view(n_nets, n_groups, n_subjects, self.n_queries, -1)
        x = read + prepared.queries[:, :n_groups, None]
        x = x + through_mlp(x.flatten(2, 3), prepared.uni_modal).view(x.shape)
        x = x.transpose(1, 2).flatten(2, 3)
        standard = norm(x)
        found = [self._as_read(x, standard)]
        if self.is_crossed:
            x = self._cross(prepared, standard, present)
            found.append(self._as_read(x, norm(x)))
            present = torch.cat([present, present.any(dim=2, keepdim=True)], dim=2)
        gate = self.weights["log_gate"][:, None] + log_mask_of(present)
        return torch.cat(found, dim=2), self._by_query(gate)

    def _as_read(self, tokens: Tensor, standard: Tensor) -> Tensor:
        """Return tokens as they are read: of variance 1 within the blocks, of size 1 behind."""
        return (
            match_rms(tokens, torch.ones_like(tokens[:1, :1, :1, :1]))
            if self.at_output
            else (standard)
        )

    def _by_query(self, groups: Tensor) -> Tensor:
        """Return what is of groups (K, B, G) for every query, (K, B, G * Q)."""
        return groups[..., None].expand(*groups.shape, self.n_queries).flatten(2)

    def _pool(self, prepared: Prepared, batch: Mapping, name: str, number: int) -> Tensor:
        """Return what a modality's queries read, (K, B * Q, C)."""
        tokens, place = prepared.auxiliaries[name], self.places[name]
        scores, shown = batch["scores"][:, :, place], batch["present"][:, :, place, None]
        inputs, mask = batch["tokens"][name], batch["masks"][name]
        seen = shown[: len(mask)]
        queries = tokens.at_features(prepared.at_keys[:, number])
        table = self.tables.get(name)
        if table is not None and lie_within(inputs[0, :, :, 0]):
            # Tables are for subjects that all nets read alike.
            last = auxiliary_values(tokens, inputs[:, :, :0], scores)[:, :, 0]
            logits = torch.bmm(last, queries.mT) + log_mask_of_last(mask & seen, seen)
            pooled = table.pool(count_near(inputs[0, :, :, 0], (mask & seen)[0]), last, logits)
        else:
            log_mask = score_log_masks(mask & seen, seen)
            pooled = pool_values(auxiliary_values(tokens, inputs, scores), queries, log_mask)
        to_output = tokens.map_outputs(prepared.uni_modal.to_output[:, number], self.n_heads)
        return torch.bmm(pooled.reshape(len(pooled), -1, to_output.shape[1]), to_output)

    def _cross(self, prepared: Prepared, tokens: Tensor, present: Tensor) -> Tensor:
        """Return the cross-modal tokens (K, B, Q, C) of the others (K, B, G * Q, C)."""
        maps, log_mask = prepared.cross_modal, self._by_query(log_mask_of(present))
        pooled = pool_values(tokens, prepared.at_keys[:, -1], log_mask)
        pooled = pooled.reshape(len(pooled), -1, maps.to_output.shape[2])
        read = torch.bmm(pooled, maps.to_output[:, 0]).unflatten(1, (-1, self.n_queries))
        x = read + prepared.queries[:, -1:]
        return x + through_mlp(x.flatten(1, 2)[:, None], maps).view(x.shape)

    def _read_at_output(self, pooled: Tensor, tokens: Tensor, log_mask: Tensor) -> Tensor:
        """Return pooled vectors (K, B, C) after they have read tokens (K, B, A, C)."""
        own = {
            name.removeprefix(OUTPUT_READER): value
            for name, value in self.weights.items()
            if name.startswith(OUTPUT_READER)
        }
        reader = scale_shift(norm(pooled), own["norm_pooled.weight"], own["norm_pooled.bias"])
        gain, shift = own["norm_tokens.weight"][:, None], own["norm_tokens.bias"][:, None]
        keys = torch.cat([reader[:, :, None], scale_shift(norm(tokens), gain, shift)], dim=2)
        heads = (self.n_heads, -1)
        queries = map_tokens(
            reader[:, :, None], own["attention.query.weight"], own["attention.query.bias"]
        )
        both = own["attention.key_value.weight"], own["attention.key_value.bias"]
        key, value = (
            part.unflatten(3, heads).transpose(2, 3) for part in map_tokens(keys, *both).chunk(2, 3)
        )
        queries = queries.unflatten(3, heads).transpose(2, 3) * key.shape[-1] ** -0.5
        logits = queries @ key.mT + F.pad(log_mask, (1, 0))[:, :, None, None]
        mixed = (torch.softmax(logits, dim=-1) @ value).transpose(2, 3).flatten(3)
        return (
            pooled
            + map_tokens(mixed, own["attention.out.weight"], own["attention.out.bias"])[:, :, 0]
        )


READ = ("tokens", "masks", "scores", "present", "base")


class Dropper:
    """Drops activations, place after place, by random numbers that were drawn before."""

    def __init__(self, dropouts: Sequence[float], noise: Tensor | None):
        self.factors: Iterator[Tensor] | None = None
        if noise is not None and any(dropouts):
            shares = torch.tensor(dropouts).to(noise, non_blocking=True)[:, None]
            self.factors = iter(((noise >= shares) / (1 - shares)).unbind(2))

    def __call__(self, x: Tensor) -> Tensor:
        """Return activations (K, B, C), some of them 0."""
        return x if self.factors is None else x * next(self.factors)


def count_features(net: AnchoredFusion, name: str) -> int:
    """Return the number of features of a modality's tokens, 0 where nothing reads them."""
    if net.qformer is None:
        return 0
    of_modality = net.qformer.project[net.auxiliaries.index(name)]
    return of_modality.in_features - net.own.scores.in_features - 1


def list_dropouts(net: AnchoredFusion) -> list[float]:
    """Return the share that is dropped at every place, in the order of computation."""
    return [p for block in net.backbone.blocks for p in [block.dropout.p] * 2] + [net.dropout.p]


def can_stack(net: Any) -> bool:
    """Tell whether nets like one can be evaluated together."""
    if not isinstance(net, AnchoredFusion) or type(net.backbone) is not ReferenceBackbone:
        return False
    attention = net.backbone.blocks[0].attention if len(net.backbone.blocks) else None
    if attention is None or net.qformer is None:
        return attention is not None
    own = net.qformer.uni_modal
    same_width = own.queries.shape[2] == net.backbone.width
    return same_width and own.n_heads == attention.n_heads


def architecture_of(net: AnchoredFusion) -> tuple:
    """Return what nets must have in common to be evaluated together."""
    shapes = [(name, tuple(value.shape)) for name, value in net.state_dict().items()]
    trained = [value.requires_grad for value in net.parameters()]
    heads, join_at = net.backbone.blocks[0].attention.n_heads, net.backbone.join_at
    return net.anchor, net.modalities, *shapes, *trained, heads, join_at, *list_dropouts(net)


def norm(x: Tensor) -> Tensor:
    """Return vectors of mean 0 and variance 1."""
    return F.layer_norm(x, x.shape[-1:])


def scale_shift(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """Return what a norm makes of (K, ..., C); gain and shift (K, ..., C) of fewer dimensions."""
    return torch.addcmul(shift[:, None], x, gain[:, None])


def map_tokens(tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return a linear map of tokens (K, B, T, F); weight (K, C, F), bias (K, C)."""
    found = torch.baddbmm(bias[:, None], tokens.flatten(1, 2), weight.mT)
    return found.unflatten(1, tokens.shape[1:3])


def through_mlp(x: Tensor, maps: ReadingMaps) -> Tensor:
    """Return what norms and hidden layers make of (K, N, C), or of (K, R, N, C) for R layers."""
    flat, parts = norm(x), (maps.up, maps.up_bias, maps.down, maps.down_bias)
    if x.dim() == 4:
        flat = flat.flatten(0, 1)
        parts = tuple(part.flatten(0, 1) for part in parts)
    up, up_bias, down, down_bias = parts
    hidden = F.gelu(torch.baddbmm(up_bias, flat, up))
    return torch.baddbmm(down_bias, hidden, down).view(x.shape)


def score_log_masks(mask: Tensor, shown: Tensor | None = None) -> Tensor:
    """Return the log-mask (K, B, T + 1) of tokens and a last one that weighs as all of them.

    mask (K, B, T), shown (K, B, 1), which closes the last one; it is open for None.
    """
    return torch.cat([log_mask_of(mask), log_mask_of_last(mask, shown)], dim=2)


def log_mask_of_last(mask: Tensor, shown: Tensor | None = None) -> Tensor:
    """Return the log-mask (K, B, 1) of the last token of :func:`score_log_masks`."""
    last = mask.sum(dim=2, keepdim=True).clamp(min=1).log()
    return last if shown is None else last + log_mask_of(shown)


def auxiliary_values(tokens: MappedTokens, inputs: Tensor, scores: Tensor) -> Tensor:
    """Return a modality's tokens (K, B, T + 1, F), or what stands for them, the scores last.

    inputs (K, B, T, n_features), scores (K, B, n_scores).
    """
    n_features, n_scores = inputs.shape[3], scores.shape[2]
    if tokens.direct:
        plain, of_scores, flag = tokens.weight.split([n_features, n_scores, 1], dim=2)
        summary = torch.baddbmm((flag[:, :, 0] + tokens.bias)[:, None], scores, of_scores.mT)
        mapped = map_tokens(inputs, plain, tokens.bias)
        return norm(torch.cat([mapped, summary[:, :, None].to(mapped.dtype)], dim=2))
    # Features, scores, a flag that tells the two kinds apart, and the one that a bias belongs to.
    plain = F.pad(F.pad(inputs, (0, n_scores + 1)), (0, 1), value=1.0)
    summary = F.pad(F.pad(scores, (n_features, 0)), (0, 2), value=1.0)
    return tokens.standardise(torch.cat([plain, summary[:, :, None]], dim=2))


def pool_values(values: Tensor, queries: Tensor, log_mask: Tensor) -> Tensor:
    """Return what queries (K, N, F) mix of values (K, B, T, F).

    log_mask (K, B, T) -> (K, B, N, F).
    """
    logits = torch.bmm(values.flatten(1, 2), queries.mT).unflatten(1, values.shape[1:3])
    shares = torch.softmax(logits + log_mask[..., None], dim=2)
    return shares.mT @ values
