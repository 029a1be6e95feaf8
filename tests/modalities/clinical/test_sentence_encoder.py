"""A real pretrained sentence encoder through the whole path, as extractor and as anchor."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion
from adestim.backbone.lora import list_updates
from tests.kept_nets import fit_even

N_SUBJECTS = 16
RECORDS, OTHERS = ["age", "sex", "note"], ["tau", "abeta"]
PHASE_ONE = {"max_epochs": 1, "batch_size": 8, "lora_rank": 2, "validation_fraction": 0.34}


@pytest.fixture(scope="module")
def cohort():
    """Return records and markers of some subjects, and their classes."""
    rng = np.random.default_rng(0)
    y = np.tile(["CN", "AD"], N_SUBJECTS // 2)
    ill = y == "AD"
    frame = pd.DataFrame(
        {
            "age": 60 + 15 * ill + rng.integers(0, 5, N_SUBJECTS),
            "sex": ["F", "M", "M", "F"] * (N_SUBJECTS // 4),
            "note": np.where(ill, "gets lost on the way home", "walks and reads every day"),
            "tau": rng.normal(0.5 * ill),
            "abeta": rng.normal(-0.5 * ill),
        }
    )
    frame.loc[2, OTHERS] = np.nan
    frame.loc[5, RECORDS] = None
    return frame, y


@pytest.fixture(scope="module", params=[None, "lora"])
def pipeline(request, sentence_encoder, cohort):
    """Return the fitted pipeline, the encoder frozen or adapted first."""
    extractor = ClinicalExtractor(
        backbone="all-minilm-l6-v2",
        weights=sentence_encoder,
        text=["note"],
        adapt=request.param,
        adapt_params=PHASE_ONE if request.param else None,
        device="cpu",
        random_state=0,
    )
    union = ModalityUnion([("clinical", extractor, RECORDS), ("csf", "passthrough", OTHERS)])
    anchored = AnchoredFusionClassifier(
        anchor="clinical",
        n_trees=0,
        max_epochs=2,
        lora_rank=2,
        n_queries=2,
        batch_size=8,
        device="cpu",
        random_state=0,
    )
    return fit_even(make_pipeline(union, anchored), *cohort)


def test_it_predicts_those_who_lack_a_modality_too(pipeline, cohort):
    probabilities = pipeline.predict_proba(cohort[0])
    assert probabilities.shape == (N_SUBJECTS, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (pipeline.predict(cohort[0]) == cohort[1]).mean() > 0.8


def test_adapters_sit_on_the_anchor_in_every_block(pipeline):
    for module in pipeline[-1].net_.module_.folds:
        names = {name for name, _, _ in list_updates(module.backbone.body)}
        assert len(names) == 6 * 2
        assert all(name.endswith(("query", "value")) for name in names)


def test_it_predicts_alike_after_pickling_without_its_weights(pipeline, cohort):
    payload = pickle.dumps(pipeline)
    assert len(payload) < 5e6 * len(pipeline[-1].net_.module_.folds)
    np.testing.assert_array_equal(
        pickle.loads(payload).predict_proba(cohort[0]), pipeline.predict_proba(cohort[0])
    )


def test_the_released_digest_is_that_of_the_installed_weights(sentence_encoder, recwarn):
    ClinicalExtractor(backbone="all-minilm-l6-v2", weights=sentence_encoder).fit(
        pd.DataFrame({"age": [70, 60]})
    )
    assert not recwarn.list
