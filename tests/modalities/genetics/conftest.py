"""A small cohort in a PLINK file set."""

import pytest

from adestim import GeneticsExtractor
from tests.modalities.genetics.files import random_dosages, simple_variants, write_plink
from tests.modalities.genetics.frames import SAMPLES


@pytest.fixture
def dosages():
    return random_dosages(30, 6, missing=0.02)


@pytest.fixture
def bed(tmp_path, dosages):
    return write_plink(tmp_path / "cohort", dosages, SAMPLES, simple_variants(6))


@pytest.fixture
def extractor(bed):
    return GeneticsExtractor(genotypes=bed, min_call_rate=0)
