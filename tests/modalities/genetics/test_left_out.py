import numpy as np
import pytest

from adestim import GeneticsExtractor
from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics.left_out import (
    N_SHOWN,
    LeftOut,
    keep_first_reasons,
    left_out_of_files,
    list_counts,
    require_a_variant,
    warn_of_unused_variants,
)
from adestim.modalities.genetics.vcf import open_vcf
from tests.modalities.genetics.files import (
    random_dosages,
    simple_variants,
    variants,
    write_plink,
    write_vcf,
    write_vcf_lines,
)
from tests.modalities.genetics.frames import frame_of

NAMES = [f"s{number}" for number in range(40)]
HEADER = ["##fileformat=VCFv4.2", "\t".join(
    ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *NAMES]
)]  # fmt: skip


def vcf_with(tmp_path, *lines):
    """A VCF file whose lines are (name, REF, ALT, FILTER), each with calls of all kinds."""
    calls = ["0/0", "0/1", "1/1", "0/1"] * (len(NAMES) // 4)
    text = [
        "\t".join(["1", str(100 * number), name, ref, alt, ".", passed, ".", "GT", *calls])
        for number, (name, ref, alt, passed) in enumerate(lines, start=1)
    ]
    return write_vcf_lines(tmp_path / "a.vcf", [*HEADER, *text])


def fitted(genotypes, **params):
    return GeneticsExtractor(genotypes=genotypes, **params).fit(frame_of(NAMES))


MINIMAC = [
    "GENOTYPED", "GENOTYPED_ONLY", "IMPUTED", "TYPED", "TYPED_ONLY", "TYPED;IMPUTED",
    "PASS;GENOTYPED", "Genotyped", "imputed",
]  # fmt: skip


@pytest.mark.parametrize("passed", MINIMAC)
def test_sites_that_minimac_marks_are_kept_and_named(tmp_path, passed):
    vcf = vcf_with(tmp_path, ("rs1", "A", "G", passed), ("rs2", "A", "G", "PASS"))
    with pytest.warns(DataWarning, match=f"^1 of FILTER {passed} are read as others: Minimac"):
        extractor = fitted(vcf)
    assert extractor.variants_["id"].tolist() == ["rs1", "rs2"]


@pytest.mark.parametrize("passed", ["PASS", ".", "pass"])
def test_sites_that_passed_need_no_word(tmp_path, passed):
    extractor = fitted(vcf_with(tmp_path, ("rs1", "A", "G", passed)))
    assert extractor.variants_["id"].tolist() == ["rs1"]


REASONS = {
    "failed the filter q10": ("rs2", "A", "G", "q10"),
    "failed the filter LowQual, q10": ("rs2", "A", "G", "LowQual;q10"),
    "failed the filter R2": ("rs2", "A", "G", "IMPUTED;R2"),
    "have an allele that is not spelled in A, C, G and T": ("rs2", "A", "<DEL>", "PASS"),
    "have no second allele in the file": ("rs2", "A", ".", "PASS"),
    "have twice the same allele": ("rs2", "A", "A", "PASS"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_left_out_is_counted_by_reason(tmp_path, reason):
    vcf = vcf_with(tmp_path, ("rs1", "A", "G", "PASS"), REASONS[reason], ("rs3", "A", "C", "."))
    with pytest.warns(DataWarning, match=f"^1 variant.* left out, and 2 kept: 1 {reason}"):
        fitted(vcf)


def test_all_reasons_stand_in_one_warning(tmp_path):
    vcf = vcf_with(tmp_path, *REASONS.values(), ("rs1", "A", "G", "PASS"))
    with pytest.warns(DataWarning) as caught:
        fitted(vcf)
    [told] = [str(each.message) for each in caught]
    assert all(f"1 {reason}" in told for reason in REASONS)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("rs2", "0", 500, "A", "G"), "1 lie on none of the chromosomes"),
        (("rs9", "1", 1000, "G", "A"), "1 repeat an earlier variant"),
    ],
)
def test_variants_of_plink_are_counted_too(tmp_path, row, reason):
    table = variants(("rs1", "1", 1000, "A", "G"), row)
    bed = write_plink(tmp_path / "a", random_dosages(40, 2), NAMES, table)
    with pytest.warns(DataWarning, match=reason):
        fitted(bed)


def test_what_the_parameters_ask_for_needs_no_warning(tmp_path):
    table = variants(*[(f"rs{n}", c, 10 * n + 10, "A", "G") for n, c in enumerate("1111X")])
    dosages = random_dosages(40, 5)
    dosages[:, 0], dosages[:20, 1] = 0, np.nan
    extractor = fitted(write_plink(tmp_path / "a", dosages, NAMES, table), max_snps=1)
    assert len(extractor.variants_) == 1


def test_where_no_snp_is_left_the_true_reasons_are_told(tmp_path):
    vcf = vcf_with(tmp_path, ("rs1", "A", "G", "q10"), ("rs2", "A", "G", "s50"))
    with (
        pytest.warns(DataWarning, match="0 kept"),
        pytest.raises(
            GenotypeError,
            match=r"Got none: 1 failed the filter q10; 1 failed the filter s50\. Lower min_maf=",
        ),
    ):
        fitted(vcf)


def test_thresholds_that_nothing_passes_are_told(tmp_path):
    dosages = np.zeros((40, 3))
    dosages[0, 0], dosages[:20, 1] = 1, np.nan
    vcf = write_vcf(tmp_path / "a.vcf", dosages, NAMES, simple_variants(3))
    with pytest.raises(GenotypeError) as caught:
        fitted(vcf, min_maf=0.05)
    told = str(caught.value)
    assert "1 have a call rate below 0.95" in told
    assert "1 do not vary in the training rows" in told
    assert "1 have a minor allele rarer than 0.05" in told


def test_a_requested_snp_that_was_left_out_says_why(tmp_path):
    vcf = vcf_with(tmp_path, ("rs1", "A", "G", "q10"), ("rs2", "A", "G", "PASS"))
    with pytest.raises(GenotypeError, match=r"not: rs1; of .* left out: 1 failed the filter q10"):
        fitted(vcf, snps=["rs1", "rs2"])
    with pytest.warns(DataWarning, match="1 failed the filter q10"):
        fitted(vcf, snps=["rs1", "rs2"], absent="mask")
    assert fitted(vcf, snps=["rs2"]).variants_["id"].tolist() == ["rs2"]


def test_every_variant_counts_for_one_reason():
    first, second = np.array([True, False, False]), np.array([True, True, False])
    assert keep_first_reasons({"one": first, "two": second}) == {"one": 1, "two": 1}


def test_of_many_reasons_the_first_are_told():
    told = list_counts({f"reason {number}": 2 for number in range(N_SHOWN + 3)})
    assert told.endswith("; 6 for other reasons")


def test_files_are_counted_together(tmp_path):
    vcf = vcf_with(tmp_path, ("rs1", "A", "G", "q10"), ("rs2", "A", "G", "TYPED"))
    total = left_out_of_files([open_vcf(vcf)] * 2)
    assert (total.tell(), dict(total.kept)) == ("2 failed the filter q10", {"of FILTER TYPED": 2})


def test_nothing_is_said_of_nothing():
    warn_of_unused_variants(LeftOut(), 0)
    require_a_variant(0, True, LeftOut())
    require_a_variant(1, False, LeftOut())
    with pytest.raises(GenotypeError, match="none: no variant at all"):
        require_a_variant(0, False, LeftOut())
