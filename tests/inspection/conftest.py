"""Fixtures of the tests of what looks into fusions."""

import pytest

from tests.inspection.fitted import fitted_reader
from tests.modalities.clinical.language_folders import small_folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    """Folder of a tiny encoder with random weights."""
    return small_folder(tmp_path_factory.mktemp("bert"), "bert")


@pytest.fixture(scope="session", params=["csf", "clinical"])
def reader(request, bert_folder):
    """A fitted pipeline whose clinical records a language model reads, and its table."""
    return fitted_reader(bert_folder, request.param)
