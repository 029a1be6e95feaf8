"""What the DNA models share: how genotypes become their token ids, padding and pooling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from adestim.backbone.contract import Backbone
from adestim.backbone.weights.checkpoint import load_strict, read_state
from adestim.encoding import BackboneSpec
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.apoe import place_apoe
from adestim.modalities.genetics.models.reference import reference_build
from adestim.modalities.genetics.models.sequence import (
    AlleleWindows,
    WindowSettings,
    allele_windows,
)

READINGS = ("variant", "window", "difference")
POOLINGS = ("mean", "cls")
# For the cards of the models.
NEEDS_OF_DNA = (
    'genotypes="cohort.bed"',
    'backbone_params={"reference": "GRCh38.fa"}',
)


class DNASites(NamedTuple):
    """What a DNA model learns from: the variants, instead of the training subjects."""

    variants: pd.DataFrame  # the chosen variants, see ``allele_windows``
    build: str | None = None  # genome build that they are on
    weights: Path | None = None  # the model's weights, beside which its tokenizer may lie


@dataclass(frozen=True)
class DNAOptions:
    """What ``backbone_params`` of a DNA model may hold."""

    # FASTA file of the reference genome, without which nothing can be read
    reference: str | Path | None = None
    window: int = 72  # length of a window in base pairs, a multiple of 6
    read: str = "variant"  # what the token of a SNP is, see ``allele_tokens``
    strand: str = "forward"  # strand of the alleles, see ``WindowSettings``
    unusable: str = "raise"  # what becomes of variants without a window
    # genome build of genotypes and reference genome; None: what the genotypes tell, or else the
    # lengths of the chromosomes
    build: str | None = None
    tokenizer: str | Path | None = None  # path of the tokenizer, for models that have a file of it
    # how many tokens a sequence may have, special ones included; the architecture tells
    max_tokens: int | None = None


class DNATokenizer:
    """Base of the tokenizers of DNA windows."""

    pad: int
    starts: tuple[int, ...]
    ends: tuple[int, ...] = ()

    def window(self, sequence: str, offset: int) -> tuple[np.ndarray, int]:
        """Return a window's ids without special tokens, and which one covers a letter.

        -> ids (n_tokens,).
        """
        raise NotImplementedError


class DNABackbone(Backbone):
    """Base of the models that read DNA as token ids.

    A subject's inputs are the windows of all SNPs in a row, behind one class token. Genotypes are
    not phased and one sequence stands for both chromosomes: a window carries the counted allele
    where at least half a copy is expected (so a heterozygote's does), and the other allele
    otherwise. A missing genotype leaves padding in its place, which is masked.
    """

    n_stand_in: int = 2
    computed: ClassVar[tuple[str, ...]] = ()
    pad: int
    pooling: str

    @classmethod
    @abstractmethod
    def tokenizer(cls, weights: Path | None, path: str | Path | None) -> DNATokenizer:
        """Return the tokenizer, from a path of its own or from beside the weights."""

    @classmethod
    def learn(cls, raws: Iterable[DNASites], **params: Any) -> dict[str, Any]:
        """Cut the windows around the variants and tokenise them, once with each allele."""
        options = dna_options(params)
        sites = next(iter(raws))
        build = options.build or sites.build or reference_build(options.reference)
        settings = WindowSettings(
            options.reference, options.window, options.strand, options.unusable, build
        )
        windows = allele_windows(place_apoe(sites.variants, build), settings)
        words = cls.tokenizer(sites.weights, options.tokenizer)
        ids = window_ids(windows, words)
        require_room(ids["lengths"], len(words.starts) + len(words.ends), options)
        return {
            "kept": windows.kept,
            **ids,
            "read": options.read,
            "pad": words.pad,
            "starts": words.starts,
            "ends": words.ends,
        }

    @staticmethod
    def prepare(raw: np.ndarray, **options: Any) -> np.ndarray:
        """Return one subject's token ids.

        raw (n_kept,) -> (n_tokens,).
        """
        lengths = options["lengths"]
        carried = np.repeat(raw >= 0.5, lengths)
        known = np.repeat(~np.isnan(raw), lengths)
        ids = np.where(carried, options["counted"], options["other"])
        ids = np.where(known, ids, options["pad"])
        return np.concatenate([options["starts"], ids, options["ends"]]).astype(np.int64)

    @classmethod
    def load(cls, spec: BackboneSpec) -> DNABackbone:
        """Build the model and fill it with its weights, but for tables that it computes."""
        with torch.device("meta"):
            module = cls(**dict(spec.option("architecture", ())))
        state = read_state(spec.source("weights"), cls.checkpoint, spec.source("trust") == "pickle")
        ends = cls.computed or ("\0",)
        state = {name: value for name, value in state.items() if not name.endswith(ends)}
        load_strict(module, state, spec)
        return module.eval()

    def collate(self, inputs: Sequence[np.ndarray]) -> Tensor:
        """Pad the subjects' ids at the end, (B, T)."""
        ids = torch.full((len(inputs), max(map(len, inputs))), self.pad)
        for row, item in enumerate(inputs):
            ids[row, : len(item)] = torch.from_numpy(np.asarray(item, dtype=np.int64))
        return ids

    def own_mask(self, inputs: Tensor) -> Tensor:
        """Return where there is no padding, (B, T)."""
        return inputs != self.pad

    def readable(self, own: Tensor) -> Tensor:
        """Return the tokens of DNA: all but the class token, unless there is no other."""
        rest = own.clone()
        rest[:, 0] = False
        return torch.where(rest.any(1, keepdim=True), rest, own)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the mean of the tokens of DNA, or the class token, (B, width_out)."""
        if self.pooling == "mean":
            return super().pool(tokens, own)
        # The first that is there: where there is no DNA, a stand-in at any place.
        return tokens[torch.arange(len(tokens), device=tokens.device), own.int().argmax(1)]


def dna_options(params: Mapping[str, Any]) -> DNAOptions:
    """Return the options of a DNA model, or say which there are."""
    known = [field.name for field in fields(DNAOptions) if field.name != "max_tokens"]
    unknown = sorted(params.keys() - set(known) - {"max_tokens"})
    if unknown:
        raise GenotypeError(
            "backbone_params of a DNA model must be among its options",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {', '.join(map(repr, [*known, 'architecture']))}",
        )
    options = DNAOptions(**params)
    if options.reference is None:
        raise GenotypeError(
            "A DNA model needs the reference genome that the genotypes are on",
            got="backbone_params without 'reference'",
            remedy="Pass backbone_params={'reference': 'hg38.fa'}, the path of a FASTA file",
        )
    require_choice("read", options.read, READINGS)
    return options


def require_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Return an option, or say which values it may have."""
    if value not in choices:
        raise GenotypeError(
            f"{name!r} of a DNA model must be one of {', '.join(map(repr, choices))}",
            got=repr(value),
            remedy=f"Leave it out for {choices[0]!r}",
        )
    return value


def require_room(lengths: np.ndarray, n_special: int, options: DNAOptions) -> None:
    """Refuse more windows than the model's context holds, and say how many it does hold."""
    n_tokens, limit = int(lengths.sum()) + n_special, options.max_tokens
    if limit is None or n_tokens <= limit:
        return
    n_fitting = (limit - n_special) // int(lengths.max())
    raise GenotypeError(
        f"The windows of all SNPs and of APOE must fit into the model's {limit} tokens",
        got=f"{n_tokens} tokens for {len(lengths)} windows of {options.window} base pairs",
        remedy=f"Use at most {n_fitting} of that length (max_snps=, snps=), or shorter ones "
        "(backbone_params={'window': 36})",
    )


def window_ids(windows: AlleleWindows, words: DNATokenizer) -> dict[str, np.ndarray]:
    """Tokenise all windows; the two of a variant are padded to one length."""
    pairs = [
        [words.window(text, windows.offset) if text else (np.zeros(0, int), 0) for text in pair]
        for pair in zip(windows.counted, windows.other, strict=True)
    ]
    lengths = np.array([max(len(ids) for ids, _ in pair) for pair in pairs], dtype=np.int64)
    rows = [
        np.concatenate(
            [
                np.pad(pair[which][0], (0, length - len(pair[which][0])), constant_values=words.pad)
                for pair, length in zip(pairs, lengths, strict=True)
            ]
            or [np.zeros(0, int)]
        )
        for which in (0, 1)
    ]
    places = np.array([[place for _, place in pair] for pair in pairs], dtype=np.int64)
    return {
        "counted": rows[0],
        "other": rows[1],
        "lengths": lengths,
        "places": places.reshape(-1, 2).T,
    }
