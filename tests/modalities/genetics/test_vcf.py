import gzip

import numpy as np
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.vcf import open_vcf
from tests.modalities.genetics.files import (
    random_dosages,
    simple_variants,
    write_vcf,
    write_vcf_lines,
)

HEADER = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\ts3"


def everything(genotypes):
    return genotypes.dosages(np.arange(genotypes.n_samples), np.arange(len(genotypes.variants)))


def one_line(tmp_path, format_, *cells, alternate="G", passed="PASS"):
    line = "\t".join(["1", "100", "rs1", "A", alternate, ".", passed, ".", format_, *cells])
    return write_vcf_lines(tmp_path / "one.vcf", ["##fileformat=VCFv4.2", HEADER, line])


@pytest.fixture
def specification(realdata):
    return open_vcf(realdata / "vcf" / "sgkit_sample" / "sample.vcf.gz")


def test_specification_example_lists_every_alternate_allele_once(specification):
    table = specification.variants
    assert table["id"].value_counts()[["rs6040355", "microsat1", "rsTest"]].tolist() == [2, 2, 3]
    assert specification.n_samples == 3


def test_multi_allelic_site_counts_each_alternate_allele(specification):
    chosen = np.flatnonzero(specification.variants["id"] == "rs6040355")
    dosages = specification.dosages(np.arange(3), chosen)
    assert dosages.tolist() == [[1, 1], [1, 1], [0, 2]]


def test_half_calls_are_missing(specification):
    chosen = np.flatnonzero(specification.variants["id"] == "microsat1")
    dosages = specification.dosages(np.arange(3), chosen)
    np.testing.assert_array_equal(dosages, [[1, 0], [0, 1], [np.nan, np.nan]])


def test_site_that_failed_a_filter_is_left_out(specification):
    assert 17330 not in set(specification.variants["position"])


def test_site_without_an_alternate_allele_counts_none(specification):
    chosen = np.flatnonzero(specification.variants["position"] == 1230237)
    assert specification.variants["counted"].iloc[chosen].tolist() == ["0"]
    assert specification.dosages(np.arange(3), chosen).ravel().tolist() == [0, 0, 0]


def test_build_is_read_from_the_header(specification):
    assert specification.declared_build == "hg18"


@pytest.mark.parametrize("name", ["small.vcf", "small.vcf.gz"])
def test_written_calls_are_read_back(tmp_path, name):
    dosages = random_dosages(5, 6, missing=0.2)
    vcf = write_vcf(tmp_path / name, dosages, list("abcde"), simple_variants(6))
    np.testing.assert_array_equal(everything(open_vcf(vcf)), dosages)


def test_any_samples_and_variants_are_read_in_the_asked_order(tmp_path):
    dosages = random_dosages(5, 6)
    vcf = write_vcf(tmp_path / "small.vcf", dosages, list("abcde"), simple_variants(6))
    rows, columns = np.array([4, 0]), np.array([5, 2, 3])
    read = open_vcf(vcf).dosages(rows, columns)
    np.testing.assert_array_equal(read, dosages[np.ix_(rows, columns)])


def test_file_of_several_gzip_members_is_read_to_its_end(tmp_path):
    plain = write_vcf(tmp_path / "a.vcf", np.ones((2, 3)), ["x", "y"], simple_variants(3))
    lines = plain.read_text().splitlines(keepends=True)
    packed = tmp_path / "a.vcf.gz"
    packed.write_bytes(b"".join(gzip.compress(line.encode()) for line in lines))
    assert everything(open_vcf(packed)).sum() == 6


def test_imputed_dosage_wins_over_the_call(tmp_path):
    vcf = one_line(tmp_path, "GT:DS", "0/1:1.25", "./.:0.5", "1|1:.")
    assert everything(open_vcf(vcf)).ravel().tolist() == [1.25, 0.5, 2.0]


def test_imputed_dosage_of_every_alternate_allele_is_read(tmp_path):
    vcf = one_line(tmp_path, "DS", "0.5,1", "0,2", ".", alternate="G,T")
    np.testing.assert_array_equal(everything(open_vcf(vcf)), [[0.5, 1], [0, 2], [np.nan] * 2])


def test_haploid_call_counts_twice(tmp_path):
    assert everything(open_vcf(one_line(tmp_path, "GT", "1", "0", "."))).ravel()[:2].tolist() == [
        2,
        0,
    ]


def test_half_call_of_a_biallelic_site_is_missing(tmp_path):
    dosages = everything(open_vcf(one_line(tmp_path, "GT", "./1", "1|.", "0|1")))
    np.testing.assert_array_equal(dosages.ravel(), [np.nan, np.nan, 1])


def test_symbolic_alleles_are_left_out(tmp_path):
    genotypes = open_vcf(one_line(tmp_path, "GT", "0/2", "0/0", "1/2", alternate="<DEL>,G,*"))
    assert genotypes.variants["counted"].tolist() == ["G"]
    assert everything(genotypes).ravel().tolist() == [1, 0, 1]


def test_doubled_sample_name_is_found_by_its_half(tmp_path):
    vcf = write_vcf(tmp_path / "a.vcf", np.ones((1, 1)), ["023_S_1_023_S_1"], simple_variants(1))
    assert open_vcf(vcf).rows_of(["023_S_1", "023_S_1_023_S_1"]).tolist() == [0, 0]


@pytest.mark.parametrize("cell", ["0/1/1", "a/b", "x", "0/2", "9", "-1/0", "+1/0", "1_0/0", "0\\1"])
def test_genotype_that_is_no_call_names_the_line(tmp_path, cell):
    with pytest.raises(GenotypeError, match=r"Line 3 of .*one.vcf holds a genotype"):
        everything(open_vcf(one_line(tmp_path, "GT", cell, "0/0", "0/0")))


@pytest.mark.parametrize("cell", ["2.5", "-0.1", "inf", "1e999", "1_0", "0x1", "0.1,0.2", " 1"])
def test_impossible_imputed_dosage_names_the_line(tmp_path, cell):
    with pytest.raises(GenotypeError, match="between 0 and 2"):
        everything(open_vcf(one_line(tmp_path, "DS", cell, "0", "0")))


def test_line_with_too_few_columns_is_named(tmp_path):
    vcf = one_line(tmp_path, "GT", "0/1", "0/0")
    with pytest.raises(GenotypeError, match=r"must have 12 columns. Got 11"):
        everything(open_vcf(vcf))


def test_cut_off_file_is_named(tmp_path):
    vcf = write_vcf(tmp_path / "a.vcf.gz", np.ones((2, 50)), ["x", "y"], simple_variants(50))
    vcf.write_bytes(vcf.read_bytes()[:-40])
    with pytest.raises(GenotypeError, match=r"cannot be read to its end.*copy it again"):
        open_vcf(vcf)


def test_file_without_header_is_refused(tmp_path):
    with pytest.raises(GenotypeError, match="#CHROM"):
        open_vcf(write_vcf_lines(tmp_path / "a.vcf", ["1\t2\t3"]))


def test_file_without_samples_is_refused(tmp_path):
    with pytest.raises(GenotypeError, match="at least one sample"):
        open_vcf(write_vcf(tmp_path / "a.vcf", np.ones((0, 1)), [], simple_variants(1)))


def test_absent_file_is_named(tmp_path):
    with pytest.raises(GenotypeError, match=r"nowhere\.vcf does not exist"):
        open_vcf(tmp_path / "nowhere.vcf")


def test_pointer_says_how_to_fetch_the_file(tmp_path):
    path = tmp_path / "one.vcf"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(GenotypeError, match=r"one\.vcf .*a git-lfs pointer.*git lfs pull"):
        open_vcf(path)


@pytest.mark.parametrize("format_", ["GP", "HDS", "AD:DP", "."])
def test_sites_without_calls_or_dosages_are_left_out_and_counted(tmp_path, format_):
    genotypes = open_vcf(one_line(tmp_path, format_, "0.1", "0.2", "0.3"))
    assert len(genotypes.variants) == 0
    assert genotypes.left_out == {"have neither calls (GT) nor dosages (DS)": 1}
