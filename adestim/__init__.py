"""adestim: several kinds of a patient's data, one scikit-learn pipeline.

The map of the package:

* :mod:`adestim.modalities` has one folder a modality: readers, built-in model, extractor
  and foundation models;
* :class:`ModalityUnion` puts extractors side by side; :class:`PoolTokens` turns their output
  into numbers for any other scikit-learn model; :class:`VisitSummary` makes one encoding of
  several visits;
* :class:`AnchoredFusionClassifier` is the method: one modality's model is the anchor and reads the
  others through a modality-aware Q-former; its rivals are there too, all by name in
  :func:`adestim.evaluation.rivals`; :class:`AnchoredFusionRegressor` predicts a number,
  :class:`AnchoredFusionSurvival` the time to an event, and :class:`OrdinalClassifier` lets any
  classifier heed the order of its classes;
* :func:`list_backbones` shows the models that extractors can use; :class:`Backbone`,
  :func:`check_backbone` and :func:`register_backbone` are for one of your own;
* :mod:`adestim.evaluation` splits, scores, compares, and trains the folds of one fusion together
  (:func:`adestim.evaluation.cross_val_fit`);
* :func:`save` and :func:`load` keep a fitted model as a folder without code;
  :func:`push_to_hub` and :func:`from_pretrained` by the Hugging Face hub;
* :mod:`adestim.datasets` simulates cohorts to try it on.

Names are imported when first used, so that ``import adestim`` stays quick.
"""

from adestim._support.lazy import lazy_names
from adestim._support.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "AnchoredFusionClassifier": "adestim.fusion",
        "AnchoredFusionRegressor": "adestim.fusion",
        "AnchoredFusionSurvival": "adestim.fusion",
        "Backbone": "adestim.backbone",
        "BackboneCard": "adestim.backbone",
        "BlockAverageClassifier": "adestim.fusion",
        "ClinicalExtractor": "adestim.modalities.clinical",
        "ConcatFusionClassifier": "adestim.fusion",
        "CrossAttentionFusionClassifier": "adestim.fusion",
        "FMRIExtractor": "adestim.modalities.fmri",
        "FreeSurferExtractor": "adestim.modalities.freesurfer",
        "GeneticsExtractor": "adestim.modalities.genetics",
        "LateFusionClassifier": "adestim.fusion",
        "LinearFusionClassifier": "adestim.fusion",
        "MixtureFusionClassifier": "adestim.fusion",
        "ModalityUnion": "adestim.extraction.union",
        "PETExtractor": "adestim.modalities.pet",
        "PatternCalibratedClassifier": "adestim.fusion",
        "PatternConformalClassifier": "adestim.fusion",
        "OrdinalClassifier": "adestim.fusion",
        "PoolTokens": "adestim.extraction.pool_tokens",
        "SMRIExtractor": "adestim.modalities.smri",
        "SelfAttentionFusionClassifier": "adestim.fusion",
        "UnimodalClassifier": "adestim.fusion",
        "VisitSummary": "adestim.extraction.visits",
        "check_backbone": "adestim.backbone",
        "from_pretrained": "adestim.handover",
        "list_backbones": "adestim.backbone",
        "load": "adestim.handover",
        "make_survival": "adestim._support.survival_targets",
        "push_to_hub": "adestim.handover",
        "register_backbone": "adestim.backbone",
        "save": "adestim.handover",
        "show_versions": "adestim._support.show_versions",
    },
)
