"""Free text as a few numbers."""

import numpy as np
import pandas as pd

from adestim.modalities.clinical.latent_semantics import keep_known_texts, learn_latent_semantics

TEXTS = [
    "forgets names of friends and appointments",
    "forgets appointments and names",
    "resting tremor of the right hand",
    "tremor of the left hand at rest",
]


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_texts_that_share_words_lie_close():
    memory, memory_too, tremor, tremor_too = learn_latent_semantics(TEXTS, 2, 0).embed(TEXTS)
    assert cosine(memory, memory_too) > 0.9
    assert cosine(tremor, tremor_too) > 0.9
    assert abs(cosine(memory, tremor)) < 0.3


def test_case_and_accents_do_not_matter():
    semantics = learn_latent_semantics(["démence légère", "tremor"], 2, 0)
    np.testing.assert_allclose(*semantics.embed(["DEMENCE legere", "démence légère"]))


def test_one_seed_gives_one_projection():
    first, again = (learn_latent_semantics(TEXTS, 3, 7) for _ in range(2))
    np.testing.assert_array_equal(first.components, again.components)
    assert first.digest() == again.digest()


def test_other_texts_give_another_digest():
    assert (
        learn_latent_semantics(TEXTS, 2, 0).digest()
        != learn_latent_semantics(TEXTS[:3], 2, 0).digest()
    )


def test_fewer_texts_than_coordinates_leave_the_last_ones_zero():
    embedded = learn_latent_semantics(["a tremor"], 3, 0).embed(["a tremor", "other words"])
    assert embedded.shape == (2, 3)
    np.testing.assert_allclose(np.abs(embedded[0]), [1, 0, 0], atol=1e-6)


def test_a_text_without_words_is_at_the_origin():
    assert not learn_latent_semantics(TEXTS, 2, 0).embed(["?"]).any()


def test_only_texts_that_are_there_are_learned_from():
    assert keep_known_texts(pd.Series(["a", None, " ", "b"])) == ["a", "b"]


def test_words_sum_to_the_coordinates_of_a_text():
    texts = ["Forgets names, forgets appointments", "tremor of the right hand", "naïve", "a 1 ?"]
    semantics = learn_latent_semantics(texts, width=3, seed=0)
    for text, coordinates in zip(texts, semantics.embed(texts), strict=True):
        words, parts = semantics.parts(text)
        assert parts.shape == (len(words), 3)
        np.testing.assert_allclose(parts.sum(axis=0), coordinates, atol=1e-6)
    assert semantics.parts(texts[0])[0] == ["forgets", "names", "forgets", "appointments"]
    assert semantics.parts(texts[2])[0] == ["naive"]


def test_repeated_texts_have_no_coordinates_of_rounding():
    texts = ["forgets names", "walks every day"] * 8
    components = learn_latent_semantics(texts, width=4, seed=0).components
    assert (np.abs(components).max(axis=1) > 0).tolist() == [True, True, False, False]
