import builtins
import gzip
import shutil

import pysam
import pytest

from adestim.exceptions import GenotypeError, MissingDependencyError
from adestim.modalities.genetics.models.reference import (
    BUILD_OF_LENGTH,
    ReferenceGenome,
    open_reference,
    reference_build,
)
from tests.modalities.genetics.genomes import random_dna, write_fasta

DNA = random_dna(200)


class Lengths:
    """An opened FASTA file of which only the chromosomes' lengths are known."""

    def __init__(self, **lengths):
        self.references = list(lengths)
        self.get_reference_length = lengths.get


def test_stretches_are_fetched_by_any_spelling_of_the_chromosome(tmp_path):
    path = write_fasta(tmp_path / "g.fa", chr1=DNA, **{"19": DNA[::-1]}, chrM="ACGT", Chrx="GGG")
    with open_reference(path) as genome:
        assert genome.fetch("1", 10, 90) == DNA[10:90]
        assert genome.fetch("19", 0, 5) == DNA[::-1][:5]
        assert genome.fetch("MT", 0, 4) == "ACGT"
        assert genome.fetch("X", 0, 3) == "GGG"


def test_soft_masked_letters_are_put_into_upper_case(tmp_path):
    with open_reference(write_fasta(tmp_path / "g.fa", chr1="acgtNNac")) as genome:
        assert genome.fetch("1", 0, 8) == "ACGTNNAC"


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (190, 201), (300, 310)])
def test_stretch_over_an_end_is_empty(tmp_path, start, stop):
    with open_reference(write_fasta(tmp_path / "g.fa", chr1=DNA)) as genome:
        assert genome.fetch("1", start, stop) == ""
        assert genome.fetch("2", 0, 5) == ""
        assert genome.fetch("1", 190, 200) == DNA[190:]


def test_index_is_made_beside_the_file(tmp_path):
    path = write_fasta(tmp_path / "g.fa", chr1=DNA)
    with open_reference(path):
        pass
    assert sorted(item.name for item in tmp_path.iterdir()) == ["g.fa", "g.fa.fai"]


def test_index_is_made_elsewhere_where_the_folder_cannot_be_written_to(tmp_path, monkeypatch):
    path = write_fasta(tmp_path / "g.fa", chr1=DNA)

    def refuse(source, target):
        raise PermissionError(target)

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with open_reference(path) as genome:
        assert genome.fetch("1", 3, 9) == DNA[3:9]
    assert [item.name for item in tmp_path.iterdir()] == ["g.fa"]


def test_compressed_genome_is_read(tmp_path):
    plain = write_fasta(tmp_path / "g.fa", chr1=DNA)
    path = tmp_path / "h.fa.gz"
    pysam.tabix_compress(str(plain), str(path))
    for _ in range(2):
        with open_reference(path) as genome:
            assert genome.fetch("1", 3, 9) == DNA[3:9]
    assert (tmp_path / "h.fa.gz.gzi").is_file()


def test_gzip_instead_of_bgzip_is_refused_with_a_remedy(tmp_path):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">chr1\nACGT\n"))
    with (
        pytest.raises(GenotypeError, match=r"plain or compressed by bgzip.*Unpack it"),
        open_reference(path),
    ):
        pass


def test_lacking_file_is_named(tmp_path):
    with (
        pytest.raises(GenotypeError, match=r"existing FASTA file.*hg38\.fa"),
        open_reference(tmp_path / "hg38.fa"),
    ):
        pass


@pytest.mark.parametrize(("chromosome", "length"), BUILD_OF_LENGTH)
def test_lengths_of_chromosomes_tell_the_build(chromosome, length):
    genome = ReferenceGenome(Lengths(**{f"chr{chromosome}": length, "chr7": 5}))
    assert genome.build == BUILD_OF_LENGTH[chromosome, length]


def test_made_up_genome_has_no_build(tmp_path):
    assert reference_build(write_fasta(tmp_path / "g.fa", chr1=DNA)) is None


def test_genome_of_two_builds_has_none():
    assert ReferenceGenome(Lengths(**{"1": 249250621, "19": 58617616})).build is None


def test_missing_package_is_named(tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pysam":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with (
        pytest.raises(MissingDependencyError, match=r"adestim\[sequence\]"),
        open_reference("g.fa"),
    ):
        pass


@pytest.mark.parametrize("index", ["garbage\n", ""])
def test_index_that_cannot_be_read_is_refused_in_silence(tmp_path, index, capfd):
    path = write_fasta(tmp_path / "g.fa", chr1=DNA)
    (tmp_path / "g.fa.fai").write_text(index)
    with pytest.raises(GenotypeError, match=r"g\.fa\.fai must be that of.*Delete the index"):
        reference_build(path)
    assert capfd.readouterr().err == ""


def test_index_of_a_longer_genome_is_refused(tmp_path):
    path = write_fasta(tmp_path / "g.fa", chr1=DNA)
    (tmp_path / "g.fa.fai").write_text("chr1\t9000\t6\t60\t61\n")
    with (
        open_reference(path) as genome,
        pytest.raises(GenotypeError, match="must be its own"),
    ):
        genome.fetch("1", 150, 250)


def test_verbosity_is_left_as_found(tmp_path):
    before = pysam.get_verbosity()
    reference_build(write_fasta(tmp_path / "g.fa", chr1=DNA))
    assert pysam.get_verbosity() == before
