"""Damaged genotype files and tables: refused by an error of ours, or read right."""

import gzip
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adestim import GeneticsExtractor
from adestim.exceptions import AdestimError
from adestim.modalities.genetics.columns import column_roles, read_genotype_cells
from adestim.modalities.genetics.plink import open_plink
from adestim.modalities.genetics.vcf import open_vcf
from adestim.modalities.genetics.vcf_lines import BGZIP_END
from tests.damage import mutate
from tests.modalities.genetics.files import (
    random_dosages,
    simple_variants,
    slow_bed,
    slow_vcf,
    write_plink,
    write_vcf,
)
from tests.modalities.genetics.test_vcf_lines import bgzip

NAMES = [f"s{number}" for number in range(6)]
N_DAMAGED = 200


@pytest.fixture(autouse=True)
def silent():
    """Says nothing of what is left out, or of ends that are missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_all(genotypes):
    """Return names, variants and dosages of a file set."""
    rows, columns = np.arange(genotypes.n_samples), np.arange(len(genotypes.variants))
    return (
        genotypes.lookup,
        genotypes.variants.to_numpy().tolist(),
        genotypes.dosages(rows, columns),
    )


def are_equal(first, second):
    same = first[:2] == second[:2] and first[2].shape == second[2].shape
    return same and np.array_equal(first[2], second[2], equal_nan=True)


@pytest.fixture
def text(tmp_path):
    """A small VCF file."""
    dosages = random_dosages(6, 12, missing=0.1)
    return write_vcf(tmp_path / "whole.vcf", dosages, NAMES, simple_variants(12)).read_bytes()


def pack_bgzip(text):
    blocks = [bgzip(text[start : start + 300]) for start in range(0, len(text), 300)]
    return b"".join(blocks) + BGZIP_END


@pytest.mark.parametrize("pack", [gzip.compress, pack_bgzip])
def test_a_damaged_packed_vcf_never_gives_other_values(tmp_path, text, pack):
    path, whole = tmp_path / "a.vcf.gz", pack(text)
    path.write_bytes(whole)
    expected, n_refused = read_all(open_vcf(path)), 0
    for seed in range(N_DAMAGED):
        path.write_bytes(mutate(whole, seed))
        try:
            found = read_all(open_vcf(path))
        except AdestimError:
            n_refused += 1
            continue
        # Of bgzip, whole blocks may be lost unseen, but for the last, of which is warned.
        kept = [row in expected[1] for row in found[1]]
        assert are_equal(found, expected) or (pack is pack_bgzip and all(kept))
    assert n_refused > 0.9 * N_DAMAGED


def add_dosages(text):
    """Return a VCF file with imputed dosages beside the calls."""
    for call, dosage in ((b"\tGT\t", b"\tGT:DS\t"), (b"0/1", b"0|1:0.9"), (b"0/0", b"0|0:.1")):
        text = text.replace(call, dosage)
    return text


@pytest.mark.parametrize("change", [bytes, add_dosages], ids=["calls", "imputed"])
def test_a_damaged_plain_vcf_is_refused_or_read_as_it_stands(tmp_path, text, change):
    path, whole, n_refused = tmp_path / "a.vcf", change(text), 0
    for seed in range(N_DAMAGED):
        path.write_bytes(mutate(whole, seed))
        try:
            _, _, found = read_all(open_vcf(path))
        except AdestimError:
            n_refused += 1
            continue
        np.testing.assert_array_equal(found, slow_vcf(path).reshape(found.shape))
    assert n_refused > 0.5 * N_DAMAGED


@pytest.mark.parametrize("ending", [".bed", ".bim", ".fam"])
def test_a_damaged_file_set_is_refused_or_read_as_it_stands(tmp_path, ending):
    dosages = random_dosages(6, 12, missing=0.1)
    bed = write_plink(tmp_path / "a", dosages, NAMES, simple_variants(12))
    damaged, n_refused = bed.with_suffix(ending), 0
    whole = damaged.read_bytes()
    for seed in range(N_DAMAGED):
        damaged.write_bytes(mutate(whole, seed))
        try:
            _, _, found = read_all(open_plink(bed))
        except AdestimError:
            n_refused += 1
            continue
        expected = dosages if ending != ".bed" else slow_bed(bed)
        # Of somebody too many in the .fam file nothing tells.
        np.testing.assert_array_equal(found[: len(expected)], expected)
    assert n_refused > 0.2 * N_DAMAGED


CELLS = st.one_of(
    st.none(),
    st.floats(),
    st.integers(),
    st.text(max_size=6),
    st.booleans(),
    st.sampled_from(["3/4", "e3/e3", 34, "NA", "-4", 0, 1, 2, 2.0001, "1.5", pd.NA, pd.NaT, b"1"]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_any_cells_are_read_or_are_their_subjects_errors(cells):
    frame = pd.DataFrame(cells, columns=["apoe", "rs1"], dtype=object)
    try:
        roles = column_roles(frame, from_files=False, sample=None, apoe=None)
    except AdestimError:
        return
    found = read_genotype_cells(frame, roles)
    values = found.dosages[~np.isnan(found.dosages)]
    assert ((values >= 0) & (values <= 2)).all()
    assert set(found.errors) <= set(range(len(frame)))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=2, max_size=5))
def test_any_table_is_encoded_or_refused_by_an_error_of_ours(cells):
    frame = pd.DataFrame(cells, columns=["apoe", "rs1"], dtype=object)
    try:
        encodings = GeneticsExtractor(errors="missing", min_call_rate=0).fit_transform(frame)
    except AdestimError:
        return
    for cell in encodings["genetics"].dropna():
        assert np.isfinite(cell.tokens).all()
