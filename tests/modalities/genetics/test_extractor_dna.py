"""GeneticsExtractor with DNA models, from genotype files and a reference genome."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from adestim import GeneticsExtractor, ModalityUnion, PoolTokens
from adestim.backbone import load_backbone
from adestim.backbone.forward import pool_backbone
from adestim.exceptions import CheckpointError, DataWarning, GenotypeError, InputError
from adestim.modalities.genetics.build import MARKERS, Marker
from adestim.modalities.genetics.models import allele_tokens
from adestim.modalities.genetics.models.kmers import KMERS_V1
from adestim.modalities.genetics.models.nucleotide_transformer import NucleotideTransformer
from tests.modalities.genetics.files import (
    random_dosages,
    simple_variants,
    variants,
    write_plink,
    write_vcf,
)
from tests.modalities.genetics.frames import SAMPLES, frame_of
from tests.modalities.genetics.genomes import (
    TINY,
    TINY_BERT,
    V1,
    V2,
    genome_of,
    random_dna,
    save_released,
    tiny_bert,
    tiny_v1,
    tiny_v2,
    with_alleles,
    write_fasta,
    write_tokenizer,
)

APOE_TABLE = variants(("rs429358", "19", 1000, "C", "T"), ("rs7412", "19", 1138, "T", "C"))


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Let no test see what another one has read."""
    monkeypatch.setattr(allele_tokens, "_READ", {})


@pytest.fixture
def weights(tmp_path):
    return save_released(tiny_v1(), tmp_path / "model.safetensors")


@pytest.fixture
def genome(tmp_path):
    return genome_of(tmp_path / "g.fa", simple_variants(6))


@pytest.fixture
def dna(bed, weights, genome):
    """A small DNA model over the cohort of the fixture bed."""
    return GeneticsExtractor(
        backbone=V1,
        weights=weights,
        backbone_params={"reference": genome, "architecture": TINY},
        genotypes=bed,
        min_call_rate=0,
        device="cpu",
    )


def with_params(extractor, **params):
    return clone(extractor).set_params(backbone_params={**extractor.backbone_params, **params})


def test_every_subject_gets_one_token_a_snp_and_its_sequence(dna, dosages):
    encodings = dna.fit_transform(frame_of(SAMPLES))
    cell = encodings.loc["sub-3", "genetics"]
    assert cell.tokens.shape == (6, 16)
    assert cell.inputs.shape == (1 + 6 * 12,)
    for row, cell in enumerate(encodings["genetics"]):
        mask = np.ones(6, bool) if cell.mask is None else cell.mask
        np.testing.assert_array_equal(mask, ~np.isnan(dosages[row]))


@pytest.mark.parametrize("of_files", [True, False])
def test_weights_of_another_model_are_refused_before_genotypes_are_read(dna, tmp_path, of_files):
    other = save_released(tiny_bert(), tmp_path / "other.safetensors")
    dna.set_params(weights=other, genotypes=str(tmp_path / "nowhere.bed") if of_files else None)
    frame = frame_of(SAMPLES) if of_files else pd.DataFrame({"rs1_A": [0, 1, 2]})
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        dna.fit(frame)


def test_tokens_say_what_they_stand_for_and_have_no_fixed_places(dna):
    spec = dna.fit(frame_of(SAMPLES)).backbone_
    assert spec.option("snp_names") == tuple(f"rs{number}" for number in range(100, 106))
    assert set(spec.option("counted_alleles")) == {"A"}
    assert spec.option("token_names") is None


def test_frozen_tokens_are_affine_in_the_dosage(dna, dosages):
    encodings = dna.fit_transform(frame_of(SAMPLES))
    tokens = np.stack([cell.tokens for cell in encodings["genetics"]])
    for snp in range(6):
        known = ~np.isnan(dosages[:, snp])
        line = np.column_stack([np.ones(known.sum()), dosages[known, snp]])
        fitted = line @ np.linalg.lstsq(line, tokens[known, snp], rcond=None)[0]
        np.testing.assert_allclose(tokens[known, snp], fitted, atol=1e-5)


def test_number_of_passes_does_not_depend_on_the_number_of_subjects(dna, monkeypatch):
    n_windows = []
    encode = NucleotideTransformer.encode

    def counting(self, tokens, *args):
        n_windows.append(len(tokens))
        return encode(self, tokens, *args)

    monkeypatch.setattr(NucleotideTransformer, "encode", counting)
    dna.fit(frame_of(SAMPLES[:20]))
    dna.transform(frame_of(SAMPLES))
    dna.transform(frame_of(SAMPLES[:3]))
    assert sum(n_windows) == 2 * 6


def test_anchor_reads_the_carried_alleles(dna, dosages, genome):
    encodings = dna.fit_transform(frame_of(SAMPLES))
    row = int(np.flatnonzero(~np.isnan(dosages).any(axis=1))[0])
    letters = with_alleles(random_dna(8000), simple_variants(6))
    windows = []
    for position, dosage in zip(simple_variants(6)["position"], dosages[row], strict=True):
        window = letters[position - 1 - 38 : position - 1 + 34]
        windows.append(window[:38] + ("A" if dosage >= 1 else "G") + window[39:])
    inputs = encodings["genetics"].iloc[row].inputs
    np.testing.assert_array_equal(inputs, KMERS_V1("".join(windows)))


def test_anchor_runs_on_the_inputs(dna):
    encodings = dna.fit_transform(frame_of(SAMPLES))
    model = load_backbone(dna.backbone_)
    pooled = pool_backbone(model, model.collate([cell.inputs for cell in encodings["genetics"]]))
    assert pooled.shape == (30, 16)
    assert pooled.std(0).max() > 0.01


def test_vcf_and_plink_give_the_same(tmp_path, dna, dosages):
    vcf = write_vcf(tmp_path / "cohort.vcf.gz", dosages, SAMPLES, simple_variants(6))
    frame = frame_of(SAMPLES)
    first = dna.fit_transform(frame)["genetics"]
    second = clone(dna).set_params(genotypes=vcf).fit_transform(frame)["genetics"]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(other.tokens, one.tokens)
        np.testing.assert_array_equal(other.inputs, one.inputs)


def test_other_cohort_with_swapped_alleles_is_read_as_the_first(tmp_path, dna, dosages):
    frame = frame_of(SAMPLES)
    first = dna.fit_transform(frame)["genetics"]
    other = write_plink(tmp_path / "o", 2 - dosages, SAMPLES, simple_variants(6, ("G", "A")))
    second = dna.set_params(genotypes=other).transform(frame)["genetics"]
    for one, two in zip(first, second, strict=True):
        np.testing.assert_allclose(two.tokens, one.tokens)


def test_missing_cells_become_none_without_a_model(dna, monkeypatch):
    dna.fit(frame_of(SAMPLES))
    monkeypatch.setattr(NucleotideTransformer, "load", None)
    assert dna.transform(frame_of([None, ""]))["genetics"].isna().all()


def test_pooled_tokens_have_the_models_width(dna):
    pipeline = make_pipeline(ModalityUnion([("genetics", dna, ["iid"])]), PoolTokens())
    pooled = pipeline.fit_transform(frame_of(SAMPLES))
    assert pooled.shape == (30, 16)
    assert pooled.columns[0] == "genetics__d0"
    assert pooled.notna().all().all()


def test_extractor_survives_pickling_and_cloning(dna):
    frame = frame_of(SAMPLES[:4])
    dna.fit(frame)
    restored = pickle.loads(pickle.dumps(dna))
    assert restored.backbone_ == dna.backbone_
    first, second = (item.transform(frame)["genetics"].iloc[0] for item in (dna, restored))
    np.testing.assert_array_equal(first.tokens, second.tokens)
    assert not hasattr(clone(dna), "_model")


@pytest.mark.parametrize("read", ["window", "difference"])
def test_token_may_be_read_otherwise(dna, read):
    frame = frame_of(SAMPLES[:9])
    plain = dna.fit_transform(frame)["genetics"].iloc[0]
    other = with_params(dna, read=read)
    tokens = other.fit_transform(frame)["genetics"].iloc[0].tokens
    assert tokens.shape == plain.tokens.shape
    assert not np.allclose(tokens, plain.tokens, atol=1e-3)
    assert other.backbone_ != dna.backbone_


def test_version_2_and_byte_pairs_are_read_too(tmp_path, dna, genome):
    frame = frame_of(SAMPLES[:9])
    second = save_released(tiny_v2(), tmp_path / "v2.safetensors")
    cells = clone(dna).set_params(backbone=V2, weights=second).fit_transform(frame)["genetics"]
    assert cells.iloc[0].tokens.shape == (6, 16)
    folder = tmp_path / "dnabert"
    folder.mkdir()
    write_tokenizer(folder)
    save_released(tiny_bert(), folder / "model.safetensors", prefix="bert.")
    bert = clone(dna).set_params(
        backbone="dnabert-2-117m",
        weights=folder,
        backbone_params={"reference": genome, "architecture": TINY_BERT},
    )
    cell = bert.fit_transform(frame)["genetics"].iloc[0]
    assert cell.tokens.shape == (6, 16)
    assert (cell.inputs[0], cell.inputs[-1]) == (1, 2)


def test_columns_of_dosages_are_refused(dna):
    frame = pd.DataFrame({"rs100_A": [0, 1, 2], "rs101_A": [1, 1, 0]})
    with pytest.raises(GenotypeError, match=r"must come from files.*2 columns.*'cohort\.bed'"):
        dna.set_params(genotypes=None).fit(frame)


def test_too_many_snps_are_refused_with_the_number_that_fits(dna, tmp_path):
    sizes = {**TINY, "max_positions": 50}
    weights = save_released(NucleotideTransformer(**sizes), tmp_path / "small.safetensors")
    small = with_params(dna, architecture=sizes).set_params(weights=weights)
    with pytest.raises(GenotypeError, match=r"48 tokens.*73 tokens for 6 windows.*at most 3"):
        small.fit(frame_of(SAMPLES))
    assert len(small.set_params(max_snps=3).fit(frame_of(SAMPLES)).variants_) == 3


def test_reference_of_another_build_is_refused(tmp_path, dna):
    other = write_fasta(tmp_path / "other.fa", chr1=random_dna(8000, seed=3))
    with pytest.raises(GenotypeError, match="FASTA of another build"):
        with_params(dna, reference=other).fit(frame_of(SAMPLES))


def test_indels_are_not_chosen_and_refused_by_name(tmp_path, dna, dosages):
    table = simple_variants(6)
    table.loc[2, "counted"] = "AT"
    bed = write_plink(tmp_path / "indel", dosages, SAMPLES, table)
    dna.set_params(genotypes=bed)
    assert "rs102" not in set(dna.fit(frame_of(SAMPLES)).variants_["id"])
    dna.set_params(snps=["rs101", "rs102"])
    with pytest.raises(GenotypeError, match=r"indels.*: rs102"):
        dna.fit(frame_of(SAMPLES))
    dropping = with_params(dna, unusable="drop")
    with pytest.warns(DataWarning, match="rs102"):
        encodings = dropping.fit_transform(frame_of(SAMPLES))
    assert dropping.variants_["id"].tolist() == ["rs101"]
    assert encodings["genetics"].iloc[0].tokens.shape == (1, 16)


def test_absent_snps_are_masked_tokens_without_dna(dna):
    dna.set_params(snps=["rs100", "rs6733839"], absent="mask")
    cell = dna.fit_transform(frame_of(SAMPLES))["genetics"].iloc[0]
    assert cell.mask.tolist() == [True, False]
    assert len(cell.inputs) == 13


def apoe_cohort(tmp_path, dosages):
    """Write a cohort with both SNPs of APOE at made-up places, and its genome."""
    table = pd.concat([simple_variants(6), APOE_TABLE], ignore_index=True)
    bed = write_plink(tmp_path / "apoe", dosages, SAMPLES, table)
    chr1 = with_alleles(random_dna(8000), simple_variants(6))
    chr19 = with_alleles(random_dna(3000, seed=1), APOE_TABLE)
    return bed, write_fasta(tmp_path / "both.fa", chr1=chr1, chr19=chr19)


def test_apoe_by_its_snps_is_dna_where_the_files_have_them(tmp_path, dna, dosages):
    apoe = np.column_stack([random_dosages(30, 1, seed=2), np.zeros(30)])
    bed, genome = apoe_cohort(tmp_path, np.hstack([dosages, apoe]))
    extractor = with_params(dna, reference=genome).set_params(genotypes=bed)
    encodings = extractor.fit_transform(frame_of(SAMPLES))
    assert extractor.backbone_.option("snp_names")[-2:] == ("APOE_e2", "APOE_e4")
    tokens = np.stack([cell.tokens for cell in encodings["genetics"]])
    assert tokens.shape == (30, 8, 16)
    assert np.ptp(tokens[:, 6], axis=0).max() == 0
    same = apoe[:, 0][:, None] == apoe[:, 0]
    distance = np.abs(tokens[:, None, 7] - tokens[:, 7]).max(-1)
    assert (distance[same] < 1e-6).all()
    assert (distance[~same] > 1e-4).all()


def test_reported_apoe_is_dna_at_its_place_on_the_build(tmp_path, dna, monkeypatch):
    monkeypatch.setitem(MARKERS, "rs429358", Marker("19", (5, 1000, 7)))
    monkeypatch.setitem(MARKERS, "rs7412", Marker("19", (5, 1138, 7)))
    chr19 = with_alleles(random_dna(3000, seed=1), APOE_TABLE)
    chr1 = with_alleles(random_dna(8000), simple_variants(6))
    genome = write_fasta(tmp_path / "both.fa", chr1=chr1, chr19=chr19)
    frame = frame_of(SAMPLES[:4], apoe=["3/4", "3/3", "2/4", None])
    extractor = with_params(dna, reference=genome)
    with pytest.raises(GenotypeError, match="genome build must be known"):
        extractor.fit(frame)
    extractor = with_params(extractor, build="hg19")
    cells = extractor.fit_transform(frame)["genetics"]
    assert cells.iloc[3].mask[-2:].tolist() == [False, False]
    e4 = [cell.tokens[-1] for cell in cells]
    np.testing.assert_array_equal(e4[0], e4[2])
    assert not np.allclose(e4[0], e4[1], atol=1e-4)


def test_reported_apoe_alone_is_dna_without_files(tmp_path, dna, monkeypatch):
    monkeypatch.setitem(MARKERS, "rs429358", Marker("19", (5, 6, 1000)))
    monkeypatch.setitem(MARKERS, "rs7412", Marker("19", (5, 6, 1138)))
    chr19 = with_alleles(random_dna(3000, seed=1), APOE_TABLE)
    genome = write_fasta(tmp_path / "c19.fa", chr19=chr19)
    extractor = with_params(dna, reference=genome, build="hg38").set_params(genotypes=None)
    frame = pd.DataFrame({"apoe": ["3/4", "2/3", None]})
    cells = extractor.fit_transform(frame)["genetics"]
    assert cells.iloc[0].tokens.shape == (2, 16)
    assert cells.isna().tolist() == [False, False, True]


def test_weights_of_the_built_in_backbone_are_refused(weights):
    with pytest.raises(InputError, match="weights of GeneticsExtractor must be left out"):
        GeneticsExtractor(weights=weights).fit(pd.DataFrame({"rs1": [0, 1]}))


def test_phase_one_adapts_a_dna_model(dna, dosages):
    frame, y = frame_of(SAMPLES), np.nan_to_num(dosages[:, 0]) > 0
    params = {"max_epochs": 1, "batch_size": 10}
    extractor = clone(dna).set_params(adapt="lora", adapt_params=params, random_state=0)
    adapted = extractor.fit_transform(frame, y)["genetics"].iloc[0]
    frozen = dna.fit_transform(frame)["genetics"].iloc[0]
    assert extractor.backbone_ != dna.backbone_
    assert adapted.tokens.shape == frozen.tokens.shape
    assert not np.array_equal(adapted.tokens, frozen.tokens)
    np.testing.assert_array_equal(adapted.inputs, frozen.inputs)
