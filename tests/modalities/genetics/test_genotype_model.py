import numpy as np
import pandas as pd
import pytest
import torch

from adestim import Backbone, BackboneCard, GeneticsExtractor, register_backbone
from adestim.backbone import registry
from adestim.encoding import BackboneSpec
from adestim.exceptions import GenotypeError, InputError
from adestim.modalities.genetics.columns import ColumnRoles
from adestim.modalities.genetics.genotype_model import (
    add_names,
    encode_alleles,
    reads_dna,
    require_places,
)
from tests.modalities.genetics.genomes import V1, V2


class ScaledDosages(Backbone):
    """A model that reads dosages, divided by the largest in the training rows."""

    def __init__(self, width=1):
        super().__init__()
        self.width = self.width_out = width
        self.scale = torch.nn.Parameter(torch.zeros(1))

    @classmethod
    def learn(cls, raws, **params):
        return {"largest": float(np.nanmax(list(raws)))}

    @staticmethod
    def prepare(raw, largest):
        return np.nan_to_num(raw[:, None] / largest).astype(np.float32)

    def embed(self, inputs):
        return inputs + self.scale

    def encode(self, tokens, log_mask, n_own):
        return tokens


@pytest.fixture
def scaled(tmp_path, monkeypatch):
    """Register the model, and return a file of its weights."""
    monkeypatch.setattr(registry, "_CARDS", {card.name: card for card in registry.list_cards()})
    register_backbone(BackboneCard("scaled-dosages", "genetics", home=ScaledDosages))
    path = tmp_path / "scaled.pt"
    torch.save({"scale": torch.tensor([10.0])}, path)
    return path


def test_dna_models_are_told_from_others(scaled):
    assert reads_dna(V1)
    assert reads_dna(V2)
    assert reads_dna("dnabert-2-117m")
    assert not reads_dna("dosage")
    assert not reads_dna("scaled-dosages")
    assert not reads_dna("no such model")


def test_another_model_reads_dosages(scaled):
    extractor = GeneticsExtractor(backbone="scaled-dosages", weights=scaled, device="cpu")
    frame = pd.DataFrame({"rs1_A": [0, 1, 1, None], "rs2_A": [0, 0, 0.5, None]})
    cells = extractor.fit_transform(frame)["genetics"]
    assert cells.isna().tolist() == [False, False, False, True]
    np.testing.assert_allclose(cells.iloc[2].tokens.ravel(), [11, 10.5])
    assert extractor.backbone_.option("snp_names") == ("rs1_A", "rs2_A")


def test_unknown_model_is_refused_with_the_choices():
    extractor = GeneticsExtractor(backbone="nucleotide-transformer-500m-human")
    with pytest.raises(InputError, match=r"Did you mean 'nucleotide-transformer-500m-human-ref'"):
        extractor.fit(pd.DataFrame({"rs1": [0, 1]}))


def test_columns_of_dosages_have_no_places():
    with pytest.raises(GenotypeError, match="must come from files"):
        require_places(ColumnRoles(None, None, (0,)), V1)
    assert require_places(ColumnRoles(0, 1, ()), V1) is None


def test_names_are_kept_beside_the_other_options():
    spec = add_names(BackboneSpec("m", options=(("home", "a:B"),)), ["rs1"], ["A"])
    assert spec.option("home") == "a:B"
    assert spec.option("snp_names") == ("rs1",)
    assert spec.option("counted_alleles") == ("A",)


def test_nobody_to_encode_needs_no_model():
    assert encode_alleles(
        [None, None], BackboneSpec("any"), {}, device="cpu", precision="float32", batch_size=1
    ) == [None, None]
