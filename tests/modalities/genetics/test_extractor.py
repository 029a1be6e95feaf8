import numpy as np
import pytest
from sklearn.base import clone

from adestim import GeneticsExtractor, ModalityUnion
from adestim.exceptions import DataWarning, GenotypeError, NoModalityError, SubjectsError
from tests.modalities.genetics.files import (
    random_dosages,
    simple_variants,
    slow_bed,
    variants,
    write_plink,
    write_vcf,
)
from tests.modalities.genetics.frames import SAMPLES, frame_of, stacked


def test_sample_ids_become_one_token_a_snp(extractor, dosages):
    encodings = extractor.fit_transform(frame_of(SAMPLES))
    cell = encodings.loc["sub-0", "genetics"]
    assert cell.tokens.shape == (6, 1)
    assert cell.tokens.dtype == np.float32
    np.testing.assert_array_equal(stacked(encodings), dosages)
    assert (cell.tokens.ravel()[~cell.mask] == 0).all()


def test_backbone_says_names_and_counted_alleles(extractor):
    spec = extractor.fit(frame_of(SAMPLES)).backbone_
    assert spec.name == "dosage"
    assert spec.option("token_names") == tuple(f"rs{number}" for number in range(100, 106))
    assert spec.option("feature_names") == ("dosage",)
    assert set(spec.option("counted_alleles")) == {"A"}


def test_real_plink_set_is_encoded(realdata):
    prefix = realdata / "plink" / "plinkQC_hg19" / "data"
    samples = [line.split()[1] for line in prefix.with_suffix(".fam").read_text().splitlines()]
    extractor = GeneticsExtractor(genotypes=str(prefix), min_maf=0.05, min_call_rate=0.98)
    encodings = extractor.fit_transform(frame_of(samples))
    chosen = extractor.variants_
    assert extractor.build_ == "hg19"
    assert len(chosen) == 256
    assert chosen["frequency"].between(0.05, 0.95).all()
    assert (chosen["n_called"] >= 196).all()
    names = [line.split()[1] for line in prefix.with_suffix(".bim").read_text().splitlines()]
    columns = [names.index(name) for name in chosen["id"]]
    np.testing.assert_array_equal(stacked(encodings), slow_bed(prefix)[:, columns])


def test_real_sets_by_chromosome_are_read_as_one(realdata):
    folder = realdata / "plink" / "pandas_plink"
    extractor = GeneticsExtractor(
        genotypes=[folder / "chr11.bed", folder / "chr12.bed"], max_snps=None, min_maf=0.1, n_jobs=2
    )
    encodings = extractor.fit_transform(frame_of(["B001", "B002", "B014", "B007"]))
    assert set(extractor.variants_["chromosome"]) == {"11", "12"}
    assert encodings["genetics"].notna().all()


def test_real_vcf_is_encoded(realdata):
    extractor = GeneticsExtractor(
        genotypes=realdata / "vcf/sgkit_sample/sample.vcf.gz", snps=["rs6040355", "20:14370"]
    )
    encodings = extractor.fit_transform(frame_of(["NA00001", "NA00003"]))
    assert extractor.build_ == "hg18"
    assert extractor.backbone_.option("token_names") == (
        "rs6040355_G", "rs6040355_T", "rs6054257",
    )  # fmt: skip
    assert stacked(encodings).tolist() == [[1, 1, 0], [0, 2, 2]]


def test_vcf_and_plink_of_one_cohort_give_the_same(tmp_path, extractor, dosages):
    vcf = write_vcf(tmp_path / "cohort.vcf.gz", dosages, SAMPLES, simple_variants(6))
    other = clone(extractor).set_params(genotypes=vcf)
    frame = frame_of(SAMPLES)
    np.testing.assert_array_equal(
        stacked(other.fit_transform(frame)), stacked(extractor.fit_transform(frame))
    )


def test_missing_cells_become_none(extractor):
    frame = frame_of(SAMPLES[:4])
    encodings = extractor.fit(frame).transform(frame_of(["p0", None, "", np.nan]))
    assert encodings["genetics"].isna().tolist() == [False, True, True, True]


def test_subject_without_a_single_call_is_missing(tmp_path):
    bed = write_plink(tmp_path / "a", [[0, 1], [np.nan] * 2, [2, 1]], "xyz", simple_variants(2))
    extractor = GeneticsExtractor(genotypes=bed, min_call_rate=0)
    assert extractor.fit_transform(frame_of(list("xyz")))["genetics"].isna().tolist() == [
        False,
        True,
        False,
    ]


def test_unknown_sample_names_the_subject_and_how_many_samples_there_are(extractor):
    with pytest.raises(GenotypeError) as caught:
        extractor.fit(frame_of(["p0", "p1", "who"]))
    message = str(caught.value)
    assert "'sub-2'" in message
    assert "30 samples" in message
    assert "'who'" in message
    assert "p1" not in message


def test_unknown_samples_are_missing_when_told_so(extractor):
    extractor.set_params(errors="missing").fit(frame_of([*SAMPLES, "who"]))
    with pytest.warns(DataWarning, match=r"1 subject.*'sub-1'.*treated as missing"):
        encodings = extractor.transform(frame_of(["p0", "who"]))
    assert encodings["genetics"].isna().tolist() == [False, True]


def test_sample_of_two_families_is_refused(tmp_path):
    samples = [("a", "1"), ("b", "1")]
    bed = write_plink(tmp_path / "a", [[0], [2]], samples, simple_variants(1))
    extractor = GeneticsExtractor(genotypes=bed)
    with pytest.raises(SubjectsError, match=r"'sub-1'.*stands for several.*FID IID"):
        extractor.fit(frame_of(["1", "1"]))
    assert stacked(extractor.fit_transform(frame_of(["a 1", "b_1"]))).tolist() == [[0], [2]]


def test_transform_does_not_depend_on_the_other_rows(extractor):
    frame = frame_of(SAMPLES)
    extractor.fit(frame.iloc[:20])
    whole = stacked(extractor.transform(frame))
    alone = [stacked(extractor.transform(frame.iloc[[row]]))[0] for row in range(20, 30)]
    np.testing.assert_array_equal(whole[20:], alone)


def test_choice_depends_on_the_training_rows_only(tmp_path):
    dosages = np.zeros((20, 2))
    dosages[:10, 0] = dosages[10:, 1] = 1
    bed = write_plink(tmp_path / "a", dosages, SAMPLES[:20], simple_variants(2))
    extractor = GeneticsExtractor(genotypes=bed)
    assert extractor.fit(frame_of(SAMPLES[:10])).variants_["id"].tolist() == ["rs100"]
    assert extractor.fit(frame_of(SAMPLES[10:20])).variants_["id"].tolist() == ["rs101"]


@pytest.mark.parametrize(
    ("alleles", "swap"), [(("G", "A"), True), (("T", "C"), False), (("C", "T"), True)]
)
def test_other_cohort_with_other_alleles_or_strand_is_aligned(
    tmp_path, extractor, dosages, alleles, swap
):
    extractor.fit(frame_of(SAMPLES))
    written = 2 - dosages if swap else dosages
    other = write_plink(tmp_path / "other", written, SAMPLES, simple_variants(6, alleles))
    encodings = extractor.set_params(genotypes=other).transform(frame_of(SAMPLES))
    np.testing.assert_array_equal(stacked(encodings), dosages)


def test_other_alleles_in_another_cohort_are_masked_with_a_warning(tmp_path, extractor, dosages):
    extractor.fit(frame_of(SAMPLES))
    table = simple_variants(6)
    table.loc[2, "other"] = "T"
    other = write_plink(tmp_path / "other", dosages, SAMPLES, table)
    extractor.set_params(genotypes=other)
    with (
        pytest.warns(DataWarning, match=r"other\.bed: 1 variant\(s\) have other alleles"),
        pytest.warns(DataWarning, match="1 of 6 SNPs"),
    ):
        encodings = extractor.transform(frame_of(SAMPLES[:5]))
    assert np.isnan(stacked(encodings)[:, 2]).all()


def test_snps_that_another_cohort_lacks_are_masked_with_a_warning(tmp_path, extractor, dosages):
    extractor.fit(frame_of(SAMPLES))
    other = write_plink(tmp_path / "other", dosages[:, :4], SAMPLES, simple_variants(4))
    with pytest.warns(DataWarning, match="2 of 6 SNPs"):
        encodings = extractor.set_params(genotypes=other).transform(frame_of(SAMPLES))
    np.testing.assert_array_equal(stacked(encodings)[:, :4], dosages[:, :4])
    assert np.isnan(stacked(encodings)[:, 4:]).all()


def test_palindromic_snps_of_the_training_file_are_kept(tmp_path):
    dosages = random_dosages(30, 3, frequency=0.5)
    bed = write_plink(tmp_path / "a", dosages, SAMPLES, simple_variants(3, ("A", "T")))
    extractor = GeneticsExtractor(genotypes=bed).fit(frame_of(SAMPLES[:20]))
    np.testing.assert_array_equal(stacked(extractor.transform(frame_of(SAMPLES))), dosages)


def test_mixed_builds_are_refused_with_a_remedy(tmp_path):
    beds = [
        write_plink(
            tmp_path / f"cohort{position}",
            np.ones((1, 1)),
            [f"p{position}"],
            variants(("rs3094315", "1", position, "G", "A")),
        )
        for position in (742429, 752566)
    ]
    with pytest.raises(GenotypeError, match=r"hg18.*hg19.*Lift"):
        GeneticsExtractor(genotypes=beds).fit(frame_of(["p742429", "p752566"]))


def test_other_cohort_on_another_build_is_refused(tmp_path):
    first, second = (
        write_plink(
            tmp_path / f"cohort{position}",
            [[0], [1]],
            ["x", "y"],
            variants(("rs3094315", "1", position, "G", "A")),
        )
        for position in (752566, 817186)
    )
    extractor = GeneticsExtractor(genotypes=first).fit(frame_of(["x", "y"]))
    with pytest.raises(GenotypeError, match=r"training set, hg19. Got hg38.*Lift"):
        extractor.set_params(genotypes=second).transform(frame_of(["x"]))


def test_subjects_of_a_file_without_training_subjects_are_aligned(tmp_path, bed, dosages):
    names = [f"q{number}" for number in range(30)]
    table = simple_variants(6, ("C", "T"))
    other = write_plink(tmp_path / "other", 2 - dosages, names, table)
    extractor = GeneticsExtractor(genotypes=[other, bed], min_call_rate=0).fit(frame_of(SAMPLES))
    assert set(extractor.variants_["counted"]) == {"A"}
    np.testing.assert_array_equal(stacked(extractor.transform(frame_of(names))), dosages)


def test_progress_over_the_files_is_shown_when_verbose(extractor, terminal):
    extractor.set_params(verbose=True).fit_transform(frame_of(SAMPLES))
    assert "genetics: 100%" in terminal.getvalue()


def test_sex_and_phenotype_of_the_fam_file_are_not_used(tmp_path, bed, extractor):
    frame = frame_of(SAMPLES)
    before = stacked(extractor.fit_transform(frame))
    fam = bed.with_suffix(".fam")
    fam.write_text(fam.read_text().replace("0 0 0 -9", "0 0 2 2"))
    np.testing.assert_array_equal(stacked(extractor.fit_transform(frame)), before)


def test_asked_snps_become_tokens_in_the_asked_order(extractor, dosages):
    extractor.set_params(snps=["rs103", "rs100"])
    encodings = extractor.fit_transform(frame_of(SAMPLES[:9]))
    np.testing.assert_array_equal(stacked(encodings), dosages[:9][:, [3, 0]])


def test_absent_snps_are_an_error_or_masked(extractor):
    extractor.set_params(snps=["rs100", "rs6733839"])
    with pytest.raises(GenotypeError, match=r"1 that are not: rs6733839.*absent='mask'"):
        extractor.fit(frame_of(SAMPLES))
    encodings = extractor.set_params(absent="mask").fit_transform(frame_of(["p0", "p1"]))
    assert encodings["genetics"].iloc[0].mask.tolist() == [True, False]


def test_no_passing_snp_is_an_error_with_a_remedy(tmp_path):
    bed = write_plink(tmp_path / "a", np.zeros((3, 2)), list("xyz"), simple_variants(2))
    with pytest.raises(GenotypeError, match="Lower min_maf="):
        GeneticsExtractor(genotypes=bed).fit(frame_of(list("xyz")))


def test_training_rows_without_genotypes_are_refused(extractor):
    with pytest.raises(NoModalityError, match="sample id is in the genotype files"):
        extractor.fit(frame_of([None, np.nan]))


def test_a_fitted_union_reads_later_subjects_from_their_own_file(tmp_path):
    table, dosages = simple_variants(3), random_dosages(6, 3, seed=1)
    first = write_plink(tmp_path / "first", dosages, SAMPLES[:6], table)
    later = write_plink(tmp_path / "later", dosages[::-1], SAMPLES[6:12], table)
    union = ModalityUnion([("genetics", GeneticsExtractor(genotypes=first, min_maf=0), ["iid"])])
    union.fit(frame_of(SAMPLES[:6]))
    encodings = union.set_params(genetics__genotypes=later).transform(frame_of(SAMPLES[6:12]))
    np.testing.assert_array_equal(stacked(encodings), dosages[::-1])
