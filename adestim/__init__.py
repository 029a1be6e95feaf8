"""adestim: several kinds of a patient's data, one scikit-learn pipeline.

The map of the package:

* :mod:`adestim.smri`, :mod:`adestim.fmri`, :mod:`adestim.clinical`, :mod:`adestim.genetics`: one
  folder a modality, with its readers, its backbones and its extractor;
* :class:`ModalityUnion` puts extractors side by side; :class:`PoolTokens` turns their output
  into numbers for any other scikit-learn model;
* :class:`AnchoredFusionClassifier` is the method: one modality's model is the anchor and reads the
  others through a modality-aware Q-former; its rivals are there too, all by name in
  :func:`adestim.evaluation.rivals`; :class:`AnchoredFusionRegressor` predicts a number, and
  :class:`OrdinalClassifier` lets any classifier heed the order of its classes;
* :func:`list_backbones` shows the models that extractors can use; :class:`Backbone`,
  :func:`check_backbone` and :func:`register_backbone` are for one of your own;
* :mod:`adestim.evaluation` splits, scores, compares, and trains the folds of one fusion together
  (:func:`adestim.evaluation.cross_val_fit`);
* :mod:`adestim.datasets` simulates cohorts to try it on.

Names are imported when first used, so that ``import adestim`` stays quick.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME_OF = {
    "AnchoredFusionClassifier": "adestim.estimators",
    "AnchoredFusionRegressor": "adestim.estimators",
    "Backbone": "adestim.backbone",
    "BackboneCard": "adestim.backbone",
    "BlockAverageClassifier": "adestim.estimators",
    "ClinicalExtractor": "adestim.clinical",
    "ConcatFusionClassifier": "adestim.estimators",
    "CrossAttentionFusionClassifier": "adestim.estimators",
    "FMRIExtractor": "adestim.fmri",
    "GeneticsExtractor": "adestim.genetics",
    "LateFusionClassifier": "adestim.estimators",
    "LinearFusionClassifier": "adestim.estimators",
    "MixtureFusionClassifier": "adestim.estimators",
    "ModalityUnion": "adestim.union",
    "PatternCalibratedClassifier": "adestim.estimators",
    "PatternConformalClassifier": "adestim.estimators",
    "OrdinalClassifier": "adestim.estimators",
    "PoolTokens": "adestim.pooling",
    "SMRIExtractor": "adestim.smri",
    "SelfAttentionFusionClassifier": "adestim.estimators",
    "UnimodalClassifier": "adestim.estimators",
    "check_backbone": "adestim.backbone",
    "list_backbones": "adestim.backbone",
    "register_backbone": "adestim.backbone",
}

__all__ = sorted(_HOME_OF)


def __getattr__(name):
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'adestim' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME_OF])
