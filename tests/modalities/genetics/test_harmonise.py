import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adestim.exceptions import DataWarning
from adestim.modalities.genetics import harmonise
from adestim.modalities.genetics.harmonise import (
    COMPLEMENT,
    Alignment,
    align,
    allele_frequency,
    clear_side,
    orient_dosages,
    warn_of_masked,
)
from adestim.modalities.genetics.plink import open_plink
from tests.modalities.genetics.files import random_dosages, variants, write_plink

NON_PALINDROMIC = [(a, b) for a in "ACGT" for b in "ACGT" if b not in (a, COMPLEMENT[a])]


def reference_table(rows, *, frequency=0.3, n_called=1000):
    return variants(*rows).assign(frequency=frequency, n_called=n_called, origin="training")


def file_of(tmp_path, rows, dosages):
    samples = [f"s{number}" for number in range(len(dosages))]
    return open_plink(write_plink(tmp_path / "other", dosages, samples, variants(*rows)))


def harmonised(reference, genotypes):
    alignment = align(reference, genotypes)
    dosages = genotypes.dosages(np.arange(genotypes.n_samples), alignment.columns)
    return orient_dosages(dosages, alignment.swapped)


def rewritten(alleles, *, swap, flip):
    alleles = alleles[::-1] if swap else alleles
    return tuple(COMPLEMENT[allele] for allele in alleles) if flip else alleles


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(NON_PALINDROMIC), st.booleans(), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    order=st.randoms(use_true_random=False),
)
def test_any_mixture_of_swaps_and_strand_flips_gives_the_true_dosages(tmp_path, changes, order):
    truth = random_dosages(6, len(changes), missing=0.1)
    rows = [(f"rs{n}", "1", 10 * (n + 1), *change[0]) for n, change in enumerate(changes)]
    written = [
        (*row[:3], *rewritten(alleles, swap=swap, flip=flip))
        for row, (alleles, swap, flip) in zip(rows, changes, strict=True)
    ]
    swapped = np.array([swap for _, swap, _ in changes])
    places = list(range(len(changes)))
    order.shuffle(places)
    dosages = np.where(swapped, 2 - truth, truth)[:, places]
    genotypes = file_of(tmp_path, [written[place] for place in places], dosages)
    np.testing.assert_array_equal(harmonised(reference_table(rows), genotypes), truth)


@pytest.fixture
def two_variants(tmp_path):
    """A reference of two variants and a file that holds them."""
    rows = [("rs1", "1", 10, "A", "C"), ("rs2", "1", 20, "A", "G")]
    return reference_table(rows), file_of(tmp_path, rows, np.zeros((3, 2)))


def test_variants_are_looked_for_once_in_an_opened_file(two_variants):
    reference, genotypes = two_variants
    assert align(reference, genotypes) is align(reference.copy(), genotypes)


@pytest.mark.parametrize(
    "change", [{"counted": "C", "other": "A"}, {"origin": "elsewhere"}, {"frequency": 0.4}]
)
def test_variants_of_another_reference_are_looked_for_anew(two_variants, change):
    reference, genotypes = two_variants
    first, second = align(reference, genotypes), align(reference.assign(**change), genotypes)
    assert first is not second
    assert second.swapped.tolist() == [change.get("counted") == "C", False]


def test_alignments_that_are_kept_are_few_and_small(two_variants, monkeypatch):
    reference, genotypes = two_variants
    monkeypatch.setattr(harmonise, "MOST_REMEMBERED", 2)
    for number in range(4):
        align(reference.assign(n_called=number), genotypes)
    assert len(genotypes.alignments) == 2
    monkeypatch.setattr(harmonise, "LARGEST_REMEMBERED", 1)
    genotypes.alignments.clear()
    align(reference, genotypes)
    assert not genotypes.alignments


@pytest.mark.parametrize("alleles", [("A", "T"), ("C", "G")])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_palindromic_variant_is_settled_by_clear_frequencies(tmp_path, alleles, swap, flip):
    truth = random_dosages(200, 1, frequency=0.1)
    written = ("rs1", "1", 5, *rewritten(alleles, swap=swap, flip=flip))
    genotypes = file_of(tmp_path, [written], 2 - truth if swap else truth)
    reference = reference_table([("rs1", "1", 5, *alleles)], frequency=0.1)
    np.testing.assert_array_equal(harmonised(reference, genotypes), truth)


@pytest.mark.parametrize(
    ("ours", "theirs", "n_samples"), [(0.45, 0.1, 200), (0.1, 0.45, 200), (0.1, 0.1, 2)]
)
def test_palindromic_variant_is_masked_when_frequencies_are_not_clear(
    tmp_path, ours, theirs, n_samples
):
    dosages = random_dosages(n_samples, 1, frequency=theirs)
    genotypes = file_of(tmp_path, [("rs1", "1", 5, "A", "T")], dosages)
    reference = reference_table([("rs1", "1", 5, "A", "T")], frequency=ours)
    alignment = align(reference, genotypes)
    assert alignment.columns.tolist() == [-1]
    assert (alignment.n_incompatible, alignment.n_unresolved) == (0, 1)


def test_palindromic_variant_of_the_file_it_was_learned_from_is_kept(tmp_path):
    genotypes = file_of(tmp_path, [("rs1", "1", 5, "A", "T")], np.ones((3, 1)))
    reference = reference_table([("rs1", "1", 5, "A", "T")], frequency=0.5)
    alignment = align(reference.assign(origin=genotypes.fingerprint), genotypes)
    assert alignment.columns.tolist() == [0]
    assert not alignment.swapped.any()


def test_other_alleles_are_masked_and_counted(tmp_path):
    genotypes = file_of(tmp_path, [("rs1", "1", 5, "A", "C")], np.ones((3, 1)))
    alignment = align(reference_table([("rs1", "1", 5, "A", "G")]), genotypes)
    assert alignment.columns.tolist() == [-1]
    with pytest.warns(DataWarning, match=r"other\.bed: 1 variant\(s\) have other alleles"):
        warn_of_masked({"other.bed": alignment})


def test_nothing_is_said_when_nothing_is_masked():
    warn_of_masked({"other.bed": Alignment(np.zeros(1, dtype=int), np.zeros(1, dtype=bool))})


@pytest.mark.parametrize(
    ("written", "swapped"),
    [(("0", "G"), False), (("0", "A"), True), (("0", "C"), False), (("0", "T"), True)],
)
def test_monomorphic_file_that_names_one_allele_is_aligned(tmp_path, written, swapped):
    genotypes = file_of(tmp_path, [("rs1", "1", 5, *written)], np.zeros((2, 1)))
    reference = reference_table([("rs1", "1", 5, "A", "G")])
    assert harmonised(reference, genotypes).tolist() == [[2.0 if swapped else 0.0]] * 2


def test_insertion_is_swapped_but_never_flipped(tmp_path):
    rows = [("rs1", "1", 5, "A", "AC"), ("rs2", "1", 9, "T", "TG")]
    genotypes = file_of(tmp_path, rows, np.zeros((1, 2)))
    reference = reference_table([("rs1", "1", 5, "AC", "A"), ("rs2", "1", 9, "A", "AC")])
    alignment = align(reference, genotypes)
    assert alignment.columns.tolist() == [0, -1]
    assert alignment.swapped.tolist() == [True, False]


def test_variants_are_matched_by_place_whatever_their_names(tmp_path):
    genotypes = file_of(tmp_path, [("exm7", "1", 5, "A", "G")], np.ones((1, 1)))
    assert align(reference_table([("rs1", "1", 5, "A", "G")]), genotypes).columns.tolist() == [0]


def test_same_name_at_another_place_is_another_variant(tmp_path):
    genotypes = file_of(tmp_path, [("rs1", "1", 6, "A", "G")], np.ones((1, 1)))
    assert align(reference_table([("rs1", "1", 5, "A", "G")]), genotypes).columns.tolist() == [-1]


def test_name_decides_where_a_place_is_unknown(tmp_path):
    genotypes = file_of(tmp_path, [("rs1", "0", 0, "A", "G")], np.ones((1, 1)))
    assert align(reference_table([("rs1", "1", 5, "A", "G")]), genotypes).columns.tolist() == [0]


def test_allele_that_fits_is_taken_at_a_multi_allelic_site(tmp_path):
    rows = [("rs1", "1", 5, "C", "G"), ("rs1", "1", 5, "T", "G")]
    genotypes = file_of(tmp_path, rows, np.zeros((1, 2)))
    alignment = align(reference_table([("rs1", "1", 5, "T", "G")]), genotypes)
    assert alignment.columns.tolist() == [1]


def test_frequency_counts_only_calls():
    frequency, n_called = allele_frequency(np.array([[2, np.nan], [0, np.nan], [np.nan, np.nan]]))
    np.testing.assert_array_equal(frequency, [0.5, np.nan])
    assert n_called.tolist() == [2, 0]


def test_side_is_clear_only_beyond_margin_and_sampling_error():
    frequency = np.array([0.2, 0.8, 0.45, 0.2, np.nan])
    n_called = np.array([500, 500, 10**6, 3, 0])
    assert clear_side(frequency, n_called).tolist() == [-1, 1, 0, 0, 0]
