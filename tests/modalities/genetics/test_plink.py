import numpy as np
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import ABSENT
from adestim.modalities.genetics.harmonise import allele_frequency
from adestim.modalities.genetics.plink import open_plink
from tests.modalities.genetics.files import random_dosages, simple_variants, slow_bed, write_plink

REAL_SETS = {
    "plinkQC_hg19/data": (200, 10_000, (0.005, 0.02)),
    "bed_reader_some_missing/some_missing": (100, 100, (0.21, 0.23)),
    "pandas_plink/chr11": (14, 779, (0.05, 0.06)),
    "pandas_plink/chr12": (14, 473, (0.07, 0.08)),
}


def everything(genotypes):
    return genotypes.dosages(np.arange(genotypes.n_samples), np.arange(len(genotypes.variants)))


@pytest.mark.parametrize("name", REAL_SETS)
def test_real_file_sets_have_the_documented_size_and_missing_rate(realdata, name):
    n_samples, n_variants, (least, most) = REAL_SETS[name]
    genotypes = open_plink(realdata / "plink" / name)
    dosages = everything(genotypes)
    assert dosages.shape == (n_samples, n_variants)
    assert least <= np.isnan(dosages).mean() <= most
    frequency, n_called = allele_frequency(dosages)
    assert ((frequency[n_called > 0] >= 0) & (frequency[n_called > 0] <= 1)).all()


def test_first_allele_is_the_minor_one_in_a_file_written_by_plink(realdata):
    frequency, _ = allele_frequency(everything(open_plink(realdata / "plink/plinkQC_hg19/data")))
    assert (frequency <= 0.5).mean() > 0.95


@pytest.mark.parametrize("name", [name for name in REAL_SETS if "plinkQC" not in name])
def test_decoding_agrees_with_a_slow_decoder(realdata, name):
    prefix = realdata / "plink" / name
    np.testing.assert_array_equal(everything(open_plink(prefix)), slow_bed(prefix))


@pytest.mark.parametrize("n_samples", [1, 3, 4, 5, 8])
def test_written_dosages_are_read_back(tmp_path, n_samples):
    dosages = random_dosages(n_samples, 7, missing=0.2)
    names = [f"s{n}" for n in range(n_samples)]
    bed = write_plink(tmp_path / "small", dosages, names, simple_variants(7))
    np.testing.assert_array_equal(everything(open_plink(bed)), dosages)


def test_any_samples_and_variants_are_read_in_the_asked_order(tmp_path):
    dosages = random_dosages(9, 6, missing=0.2)
    bed = write_plink(tmp_path / "small", dosages, list("abcdefghi"), simple_variants(6))
    rows, columns = np.array([8, 0, 5]), np.array([4, 1])
    read = open_plink(bed).dosages(rows, columns)
    np.testing.assert_array_equal(read, dosages[np.ix_(rows, columns)])


def test_samples_go_by_individual_and_by_family_and_individual_id(tmp_path):
    samples = [("fam", "one"), ("other", "two")]
    bed = write_plink(tmp_path / "small", np.zeros((2, 1)), samples, simple_variants(1))
    rows = open_plink(bed).rows_of(["two", "fam one", "fam_one", "three", None])
    assert rows.tolist() == [1, 0, 0, ABSENT, ABSENT]


@pytest.mark.parametrize("change", [-1, 3])
def test_bed_of_the_wrong_length_says_expected_and_found_bytes(tmp_path, change):
    bed = write_plink(tmp_path / "small", np.zeros((5, 4)), list("abcde"), simple_variants(4))
    whole = bed.read_bytes()
    bed.write_bytes(whole[:change] if change < 0 else whole + bytes(change))
    with pytest.raises(GenotypeError, match=rf"must be 11 bytes.*Got {11 + change} bytes"):
        open_plink(bed)


def test_bed_with_other_first_bytes_is_refused(tmp_path):
    bed = write_plink(tmp_path / "small", np.zeros((1, 1)), ["s"], simple_variants(1))
    bed.write_bytes(b"chr1\t100\t200\n")
    with pytest.raises(GenotypeError, match=r"6c 1b.*genomic intervals"):
        open_plink(bed)


def test_bed_in_sample_major_order_is_refused_with_the_command_that_converts(tmp_path):
    bed = write_plink(tmp_path / "small", np.zeros((1, 1)), ["s"], simple_variants(1))
    bed.write_bytes(b"\x6c\x1b\x00\x00")
    with pytest.raises(GenotypeError, match="--make-bed"):
        open_plink(bed)


def test_empty_bed_is_refused(tmp_path):
    bed = write_plink(tmp_path / "small", np.zeros((1, 1)), ["s"], simple_variants(1))
    bed.write_bytes(b"")
    with pytest.raises(GenotypeError, match="an empty file"):
        open_plink(bed)


@pytest.mark.parametrize("part", [".bim", ".fam", ".bed"])
def test_missing_part_of_a_file_set_is_named(tmp_path, part):
    bed = write_plink(tmp_path / "small", np.zeros((1, 1)), ["s"], simple_variants(1))
    bed.with_suffix(part).unlink()
    with pytest.raises(GenotypeError, match=rf"small\{part} does not exist"):
        open_plink(bed)


@pytest.mark.parametrize("text", ["", "1 rs1 0 100 A\n", "1 rs1 0 here A G\n"])
def test_malformed_bim_is_named(tmp_path, text):
    bed = write_plink(tmp_path / "small", np.zeros((1, 1)), ["s"], simple_variants(1))
    bed.with_suffix(".bim").write_text(text)
    with pytest.raises(GenotypeError, match=r"small\.bim"):
        open_plink(bed)


@pytest.mark.parametrize("part", [".bim", ".fam", ".bed"])
def test_pointer_to_a_part_says_how_to_fetch_it(tmp_path, part):
    bed = write_plink(tmp_path / "small", np.zeros((1, 1)), ["s"], simple_variants(1))
    bed.with_suffix(part).write_text("/annex/objects/MD5E-s1--0\n")
    with pytest.raises(GenotypeError, match=rf"small\{part} .*git-annex pointer.*git annex get"):
        open_plink(bed)


@pytest.mark.parametrize("lost", [0, 2, 5])
def test_a_sample_that_the_fam_file_lost_is_missed(tmp_path, lost):
    bed = write_plink(tmp_path / "a", random_dosages(6, 30), list("abcdef"), simple_variants(30))
    lines = bed.with_suffix(".fam").read_text().splitlines(keepends=True)
    bed.with_suffix(".fam").write_text("".join(lines[:lost] + lines[lost + 1 :]))
    with pytest.raises(GenotypeError, match=r"of the 5 samples of the \.fam file alone"):
        open_plink(bed)
