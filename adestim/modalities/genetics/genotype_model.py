"""Foundation models of genetics as the extractor uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from adestim.backbone.registry import find_card
from adestim.backbone.weights.hub import resolve_weights
from adestim.encoding import BackboneSpec, Encoding
from adestim.exceptions import GenotypeError
from adestim.extraction.foundation import FoundationModel, ModelRequest, open_foundation
from adestim.modalities.genetics.apoe import apoe_sites
from adestim.modalities.genetics.columns import ColumnRoles
from adestim.modalities.genetics.models.mixing import PreparedGenotypes, mix_alleles

MODALITY = "genetics"


def reads_dna(backbone: str) -> bool:
    """Tell whether a backbone reads DNA; another may read dosages."""
    card = find_card(backbone, MODALITY)
    if card is None or not card.is_foundation:
        return False
    from adestim.modalities.genetics.models.dna_model import DNABackbone

    return issubclass(card.backbone_class(), DNABackbone)


def require_places(columns: ColumnRoles, backbone: str) -> None:
    """Refuse to read DNA around columns of dosages, which say nothing about where they are."""
    if columns.dosages:
        raise GenotypeError(
            f"The DNA model {backbone!r} needs to know where SNPs are and which alleles they have, "
            "so genotypes must come from files",
            got=f"{len(columns.dosages)} columns of dosages",
            remedy="Pass genotypes='cohort.bed' or a VCF file, and a column of sample ids",
        )


def open_dna_model(
    request: ModelRequest,
    variants: pd.DataFrame,
    apoe_places: Sequence[int] | None,
    build: str | None,
) -> tuple[FoundationModel, pd.DataFrame]:
    """Open the DNA model that is asked for, and cut the DNA around the SNPs.

    apoe_places (int, int).
    """
    from adestim.modalities.genetics.models.dna_model import DNASites

    apoe = [] if apoe_places is None else [apoe_sites(apoe_places)]
    sites = pd.concat([variants, *apoe], ignore_index=True)
    card = find_card(request.backbone, MODALITY)
    weights = resolve_weights(card, request.weights)
    model = open_foundation(request, [DNASites(sites, build, weights)])
    kept = model.prepare.options["kept"]
    if not kept[len(variants) :].all():
        raise GenotypeError(
            "The reference genome must have a window around both SNPs that make APOE",
            remedy="Pass a whole reference genome, or leave APOE out",
        )
    return model, variants[kept[: len(variants)]].reset_index(drop=True)


def add_names(spec: BackboneSpec, names: Sequence[str], counted: Sequence[str]) -> BackboneSpec:
    """Return a model's name tag with what its tokens stand for.

    They are no ``token_names``: with these, phase 1 would lay all tokens side by side, thousands
    of columns that hold no more than the dosages.
    """
    meaning = (("snp_names", tuple(names)), ("counted_alleles", tuple(counted)))
    return replace(spec, options=(*spec.options, *meaning))


def encode_alleles(
    prepared: Sequence[PreparedGenotypes | None],
    spec: BackboneSpec,
    options: Mapping[str, Any],
    *,
    device: str,
    precision: str,
    batch_size: int,
) -> list[Encoding | None]:
    """Read each allele once, and mix the tokens of every subject."""
    if all(item is None for item in prepared):
        return [None] * len(prepared)
    from adestim.modalities.genetics.models.allele_tokens import allele_tokens

    alleles = allele_tokens(
        spec, options, device=device, precision=precision, batch_size=batch_size
    )
    return [None if item is None else mix_alleles(item, alleles, spec) for item in prepared]
