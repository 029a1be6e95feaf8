import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics import harmonise
from adestim.modalities.genetics.harmonise import align
from adestim.modalities.genetics.plink import open_plink
from adestim.modalities.genetics.pooled import locate, open_genotypes, pool_dosages
from adestim.modalities.genetics.selection import (
    Rule,
    candidates,
    keep_requested,
    select,
    token_names,
    training_counts,
)
from tests.modalities.genetics.files import random_dosages, simple_variants, variants, write_plink

SAMPLES = [f"s{number}" for number in range(20)]


def counted_table(frequency, n_called, chromosome="1"):
    table = simple_variants(len(frequency), chromosome=chromosome)
    return table.assign(frequency=frequency, n_called=n_called, alias="")


def training(sets, names, requested=None):
    rows = locate(sets, names)
    return training_counts(candidates(sets, requested), sets, rows)


def test_thresholds_of_frequency_and_call_rate_hold():
    counted = counted_table([0.3, 0.005, 0.995, 0.99, 0.4, np.nan], [100, 100, 100, 100, 90, 0])
    assert select(counted, 100, Rule(0.01, 0.95, None))["id"].tolist() == ["rs100", "rs103"]


def test_too_many_are_thinned_evenly_for_the_highest_call_rate():
    counted = counted_table([0.3, 0.2, 0.3, 0.2, 0.3, 0.4], [9, 10, 10, 9, 10, 10])
    assert select(counted, 10, Rule(0, 0, 3))["id"].tolist() == ["rs101", "rs102", "rs105"]


def test_chosen_variants_are_in_order_of_place_with_numeric_chromosomes():
    counted = pd.concat([counted_table([0.3], [5], "10"), counted_table([0.3], [5], "2")])
    assert select(counted, 5, Rule(0, 0, None))["chromosome"].tolist() == ["2", "10"]


def test_automatic_choice_leaves_out_sex_chromosomes_apoe_and_repeated_variants(tmp_path):
    table = variants(
        ("rs1", "1", 5, "A", "G"),
        ("exm1", "1", 5, "G", "A"),
        ("rs2", "X", 5, "A", "G"),
        ("rs7412", "19", 45412079, "T", "C"),
        ("rs3", "1", 6, "0", "G"),
        ("rs4", "0", 0, "A", "G"),
    )
    bed = write_plink(tmp_path / "a", np.ones((1, 6)), ["s"], table)
    assert candidates([open_plink(bed)], None)["id"].tolist() == ["rs1"]


def test_counts_are_of_the_training_samples_only(tmp_path):
    dosages = random_dosages(20, 5, missing=0.2)
    sets = [open_plink(write_plink(tmp_path / "a", dosages, SAMPLES, simple_variants(5)))]
    counted = training(sets, SAMPLES[:8])
    np.testing.assert_allclose(counted["frequency"], np.nanmean(dosages[:8], axis=0) / 2)
    assert counted["n_called"].tolist() == (~np.isnan(dosages[:8])).sum(axis=0).tolist()


def test_counts_do_not_depend_on_how_the_variants_are_cut(tmp_path, monkeypatch):
    dosages = random_dosages(20, 7, missing=0.2)
    sets = [open_plink(write_plink(tmp_path / "a", dosages, SAMPLES, simple_variants(7)))]
    whole = training(sets, SAMPLES)
    monkeypatch.setattr(harmonise, "BLOCK_VALUES", 40)
    pd.testing.assert_frame_equal(training(sets, SAMPLES), whole)


def test_counts_are_pooled_over_arrays_with_swapped_alleles(tmp_path):
    dosages = random_dosages(20, 4, missing=0.1)
    table = simple_variants(4)
    swapped = table.rename(columns={"counted": "other", "other": "counted"})[table.columns]
    sets = open_genotypes(
        [
            write_plink(tmp_path / "a", dosages[:12], SAMPLES[:12], table),
            write_plink(tmp_path / "b", 2 - dosages[12:], SAMPLES[12:], swapped),
        ]
    )
    counted = training(sets, SAMPLES)
    np.testing.assert_allclose(counted["frequency"], np.nanmean(dosages, axis=0) / 2)


def test_palindromic_variants_of_a_second_array_are_settled_in_training(tmp_path):
    dosages = random_dosages(400, 2, frequency=0.1)
    names = [f"s{number}" for number in range(400)]
    table = simple_variants(2, ("A", "T"))
    swapped = table.assign(counted="T", other="A")
    sets = open_genotypes(
        [
            write_plink(tmp_path / "a", dosages[:200], names[:200], table),
            write_plink(tmp_path / "b", 2 - dosages[200:], names[200:], swapped),
        ]
    )
    counted = training(sets, names)
    np.testing.assert_allclose(counted["frequency"], dosages.mean(axis=0) / 2)
    assert counted["n_called"].tolist() == [400, 400]


def test_files_by_chromosome_are_read_as_one(tmp_path):
    dosages = random_dosages(20, 6)
    first, second = simple_variants(3), simple_variants(3, chromosome="2")
    second["id"] = ["rs7", "rs8", "rs9"]
    sets = open_genotypes(
        [
            write_plink(tmp_path / "chr1", dosages[:, :3], SAMPLES, first),
            str(write_plink(tmp_path / "chr2", dosages[:, 3:], SAMPLES, second))[:-4],
        ]
    )
    reference = training(sets, SAMPLES)
    pooled = pool_dosages(
        sets, locate(sets, SAMPLES[::-1]), [align(reference, item) for item in sets], n_jobs=2
    )
    np.testing.assert_array_equal(pooled, dosages[::-1])


def test_later_file_fills_only_what_an_earlier_one_lacks(tmp_path):
    table = simple_variants(2)
    sets = open_genotypes(
        [
            write_plink(tmp_path / "a", [[np.nan, 0]], ["s"], table),
            write_plink(tmp_path / "b", [[1, 2]], ["s"], table),
        ]
    )
    reference = training(sets, ["s"])
    pooled = pool_dosages(sets, locate(sets, ["s"]), [align(reference, item) for item in sets])
    assert pooled.tolist() == [[1, 0]]


@pytest.mark.parametrize("name", ["rs101", "1:2000", "chr1:2000"])
def test_variant_is_asked_for_by_name_or_place(tmp_path, name):
    bed = write_plink(tmp_path / "a", np.ones((1, 3)), ["s"], simple_variants(3))
    counted = training([open_plink(bed)], ["s"], [name])
    assert keep_requested(counted, [name], "raise")["id"].tolist() == ["rs101"]


def test_asked_variants_keep_the_order_and_the_absent_are_masked(tmp_path):
    bed = write_plink(tmp_path / "a", np.ones((1, 3)), ["s"], simple_variants(3))
    names = ["rs102", "rs999", "rs100"]
    counted = training([open_plink(bed)], ["s"], names)
    chosen = keep_requested(counted, names, "mask")
    assert chosen["id"].tolist() == names
    assert chosen["n_called"].tolist() == [1, 0, 1]


def test_absent_variants_are_named_the_first_few(tmp_path):
    bed = write_plink(tmp_path / "a", np.ones((1, 3)), ["s"], simple_variants(3))
    names = [f"rs90{number}" for number in range(7)]
    counted = training([open_plink(bed)], ["s"], names)
    with pytest.raises(GenotypeError, match=r"7 that are not: rs900, .*rs904, \.\.\..*absent='ma"):
        keep_requested(counted, names, "raise")


def test_alleles_of_one_site_have_different_token_names():
    rows = [("rs1", "1", 5, "A", "G"), ("rs1", "1", 5, "T", "G"), ("rs2", "1", 6, "A", "G")]
    assert token_names(variants(*rows)) == ["rs1_A", "rs1_T", "rs2"]
