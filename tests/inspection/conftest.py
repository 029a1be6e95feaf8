"""Fixtures of the tests of what looks into fusions."""

import pytest

from tests.inspection.fitted import fitted_reader


@pytest.fixture(scope="session", params=["csf", "clinical"])
def reader(request, bert_folder):
    """A fitted pipeline whose clinical records a language model reads, and its table."""
    return fitted_reader(bert_folder, request.param)
