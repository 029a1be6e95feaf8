import numpy as np
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics import sniff_build
from adestim.modalities.genetics.build import MARKERS, common_build, require_same_build
from adestim.modalities.genetics.plink import open_plink
from adestim.modalities.genetics.vcf import open_vcf
from tests.modalities.genetics.files import simple_variants, variants, write_plink, write_vcf

BUILDS = ("hg18", "hg19", "hg38")


def plink_set(path, table):
    return open_plink(write_plink(path, np.zeros((1, len(table))), ["s"], table))


@pytest.mark.parametrize("name", MARKERS)
@pytest.mark.parametrize("build", BUILDS)
def test_each_marker_tells_each_build(name, build):
    marker = MARKERS[name]
    position = marker.positions[BUILDS.index(build)]
    assert sniff_build(variants((name, marker.chromosome, position, "A", "G"))) == build


def test_real_file_is_sniffed(realdata):
    assert sniff_build(open_plink(realdata / "plink/plinkQC_hg19/data").variants) == "hg19"


@pytest.mark.parametrize(
    "row", [("rs1", "1", 752566, "A", "G"), ("rs3094315", "1", 7, "A", "G"),
            ("rs3094315", "2", 752566, "A", "G")]
)  # fmt: skip
def test_build_is_unknown_without_a_marker_at_its_place(row):
    assert sniff_build(variants(row)) is None


def test_table_that_mixes_builds_is_refused():
    mixed = variants(("rs429358", "19", 45411941, "C", "T"), ("rs7412", "19", 44908822, "T", "C"))
    with pytest.raises(GenotypeError, match=r"hg19 and hg38.*Lift"):
        sniff_build(mixed)


def test_files_on_different_builds_by_their_markers_are_refused(tmp_path):
    sets = [
        plink_set(tmp_path / build, variants(("rs7412", "19", position, "T", "C")))
        for build, position in zip(BUILDS, MARKERS["rs7412"].positions, strict=True)
    ][:2]
    with pytest.raises(GenotypeError, match=r"hg18\.bed: hg18, .*hg19\.bed: hg19.*Lift"):
        common_build(sets)


def test_files_whose_shared_rs_numbers_lie_elsewhere_are_refused(tmp_path):
    table = simple_variants(5)
    moved = table.assign(position=table["position"] + 31)
    with pytest.raises(GenotypeError, match=r"0 of 5 shared rs numbers.*Lift"):
        common_build([plink_set(tmp_path / "a", table), plink_set(tmp_path / "b", moved)])


def test_one_moved_variant_among_many_is_no_other_build(tmp_path):
    table = simple_variants(5)
    moved = table.copy()
    moved.loc[0, "position"] = 7
    sets = [plink_set(tmp_path / "a", table), plink_set(tmp_path / "b", moved)]
    assert common_build(sets) is None


def test_build_that_a_vcf_header_declares_counts(tmp_path):
    vcf = open_vcf(
        write_vcf(
            tmp_path / "a.vcf", np.zeros((1, 1)), ["s"], simple_variants(1),
            header=["##contig=<ID=1,assembly=GRCh38>"],
        )
    )  # fmt: skip
    assert common_build([vcf]) == "hg38"
    hg19 = plink_set(tmp_path / "b", variants(("rs3094315", "1", 752566, "A", "G")))
    with pytest.raises(GenotypeError, match="one genome build"):
        common_build([vcf, hg19])


def test_file_on_another_build_than_the_training_set_is_refused(tmp_path):
    later = plink_set(tmp_path / "b", variants(("rs3094315", "1", 817186, "A", "G")))
    with pytest.raises(GenotypeError, match=r"of the training set, hg19. Got hg38"):
        require_same_build(simple_variants(1), "hg19", [later])
