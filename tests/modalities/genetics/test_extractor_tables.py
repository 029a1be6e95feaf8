import numpy as np
import pandas as pd
import pytest

from adestim import GeneticsExtractor
from adestim.exceptions import DataWarning, GenotypeError, SubjectsError
from tests.modalities.genetics.files import (
    variants,
    write_plink,
    write_vcf,
)
from tests.modalities.genetics.frames import frame_of, stacked

APOE_VARIANTS = variants(
    ("rs429358", "19", 45411941, "G", "A"), ("rs7412", "19", 45412079, "T", "C"),
    ("rs100", "1", 1000, "A", "G"),
)  # fmt: skip
# e3/e3, e3/e4, e2/e4, e4/e4 and a combination that needs e1; the first SNP on the other strand.
APOE_DOSAGES = np.array([[0, 0, 1], [1, 0, 0], [1, 1, 1], [2, 0, 2], [2, 1, 1]])


@pytest.fixture
def apoe_bed(tmp_path):
    return write_plink(tmp_path / "apoe", APOE_DOSAGES, list("abcde"), APOE_VARIANTS)


def test_apoe_is_read_from_its_two_snps(apoe_bed):
    extractor = GeneticsExtractor(genotypes=apoe_bed)
    encodings = extractor.fit_transform(frame_of(list("abcde")))
    assert extractor.backbone_.option("token_names") == ("rs100", "APOE_e2", "APOE_e4")
    expected = [[1, 0, 0], [0, 0, 1], [1, 1, 1], [2, 0, 2], [1, np.nan, np.nan]]
    np.testing.assert_array_equal(stacked(encodings), expected)


def test_apoe_is_found_by_place_where_a_vcf_has_no_names(tmp_path):
    table = APOE_VARIANTS.assign(id=".")
    vcf = write_vcf(
        tmp_path / "a.vcf", APOE_DOSAGES, list("abcde"), table,
        header=["##reference=file:///ref/GRCh37.fa"],
    )  # fmt: skip
    encodings = GeneticsExtractor(genotypes=vcf, snps=None).fit_transform(frame_of(["b", "c"]))
    assert stacked(encodings)[:, -2:].tolist() == [[0, 1], [1, 1]]


def test_apoe_column_wins_over_the_snps_and_fills_their_gaps(apoe_bed):
    extractor = GeneticsExtractor(genotypes=apoe_bed)
    frame = frame_of(list("abcde"), ["3/3", None, "E2E4", "44", "3/4"])
    encodings = extractor.fit_transform(frame)
    assert stacked(encodings)[:, 1:].tolist() == [[0, 0], [0, 1], [1, 1], [0, 2], [0, 1]]


def test_apoe_column_that_contradicts_the_snps_is_warned_about(apoe_bed):
    frame = frame_of(list("abc"), ["3/4", "3/4", None])
    extractor = GeneticsExtractor(genotypes=apoe_bed).fit(frame)
    with pytest.warns(DataWarning, match=r"1 subject\(s\) have another APOE"):
        encodings = extractor.transform(frame)
    assert stacked(encodings)[0, 1:].tolist() == [0, 1]


def test_subject_with_apoe_but_no_sample_keeps_apoe(extractor):
    frame = frame_of(["p0", "p1", None], ["3/3", "3/4", "4/4"])
    encodings = extractor.fit_transform(frame)
    last = encodings["genetics"].iloc[2]
    assert last.mask.tolist() == [False] * (last.n_tokens - 2) + [True, True]
    assert last.tokens.ravel()[-2:].tolist() == [0, 2]


def test_apoe_column_alone_is_enough():
    frame = pd.DataFrame({"apoe": ["E3E4", 34, "ε2/ε3", None]})
    encodings = GeneticsExtractor().fit_transform(frame)
    assert encodings["genetics"].isna().tolist() == [False, False, False, True]
    assert encodings["genetics"].iloc[2].tokens.ravel().tolist() == [1, 0]


def test_bad_apoe_cell_names_the_subject_and_hides_the_cell():
    frame = pd.DataFrame({"apoe": ["E3E4", "44"]}, index=["s1", "s2"])
    extractor = GeneticsExtractor().fit(frame)
    with pytest.raises(GenotypeError, match="Subject 's2': An APOE genotype") as caught:
        extractor.transform(frame.assign(apoe=["33", "E5E9"]))
    assert "E5E9" not in str(caught.value)


def test_dosage_columns_become_tokens():
    frame = pd.DataFrame({"rs1_A": [0, 1.5, np.nan], "rs2": [2, 0, np.nan]})
    encodings = GeneticsExtractor(min_call_rate=0.5).fit_transform(frame)
    assert encodings["genetics"].isna().tolist() == [False, False, True]
    assert stacked(encodings.iloc[:2]).tolist() == [[0, 2], [1.5, 0]]


def test_dosage_columns_are_chosen_by_name_and_thresholds():
    frame = pd.DataFrame({"rs1_A": [0, 1, 2], "rs2": [0, 0, 0], "rs3": [np.nan, np.nan, 1]})
    assert GeneticsExtractor().fit(frame).variants_["id"].tolist() == ["rs1_A"]
    asked = GeneticsExtractor(snps=["rs2", "rs1"]).fit(frame)
    assert asked.backbone_.option("token_names") == ("rs2", "rs1_A")
    assert stacked(asked.transform(frame)).tolist() == [[0, 0], [0, 1], [0, 2]]


def test_apoe_is_read_from_dosage_columns_that_name_their_alleles():
    frame = pd.DataFrame({"rs429358_T": [2, 1, 1], "rs7412_T": [0, 0, 1]})
    extractor = GeneticsExtractor()
    assert stacked(extractor.fit_transform(frame))[:, -2:].tolist() == [[0, 0], [0, 1], [1, 1]]
    unnamed = frame.set_axis(["rs429358", "rs7412"], axis=1)
    assert not extractor.fit(unnamed).has_apoe_


@pytest.mark.parametrize("value", [2.5, -1, np.inf])
def test_impossible_dosage_names_subject_and_column(value):
    frame = pd.DataFrame({"rs1": [0.0, 1.0, value]}, index=["s1", "s2", "s3"])
    with pytest.raises(GenotypeError, match=r"Subject 's3': A dosage.*'rs1'"):
        GeneticsExtractor().fit(frame)


def test_text_without_genotype_files_names_the_remedy():
    frame = pd.DataFrame({"genotypes": ["p1", "p2"]}, index=["s1", "s2"])
    with pytest.raises(SubjectsError, match=r"'s1'.*'genotypes' must hold numbers.*cohort\.bed"):
        GeneticsExtractor().fit(frame)


def test_impossible_dosages_are_left_out_of_the_statistics_when_missing():
    frame = pd.DataFrame({"rs1": [0.0, 1.0, 3.0]}, index=["s1", "s2", "s3"])
    extractor = GeneticsExtractor(errors="missing", min_call_rate=0).fit(frame)
    assert extractor.variants_["frequency"].tolist() == [0.25]
    with pytest.warns(DataWarning, match=r"'s3'.*treated as missing"):
        assert extractor.transform(frame)["genetics"].isna().tolist() == [False, False, True]
