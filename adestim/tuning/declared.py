"""What of every estimator is searched, and among which values; what is not, and why.

Ranges lie around the defaults, which are part of them. Every parameter of a constructor stands in
one of the two tables of its class.
"""

from __future__ import annotations

from adestim.extraction.pool_tokens import PoolTokens
from adestim.extraction.union import ModalityUnion
from adestim.fusion import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
)
from adestim.modalities.clinical import ClinicalExtractor
from adestim.modalities.fmri import FMRIExtractor
from adestim.modalities.genetics import GeneticsExtractor
from adestim.modalities.smri import SMRIExtractor
from adestim.tuning.ranges import Choice, Range

Space = dict[str, Range | Choice]
Reasons = dict[str, str]

TRAINER: Space = {
    "learning_rate": Range(2e-4, 2e-2, log=True),
    "weight_decay": Range(1e-3, 0.5, log=True),
    "dropout": Range(0.0, 0.5),
    "modality_dropout": Range(0.0, 0.5),
    "batch_size": Choice((16, 32, 64)),
}

NOT_OF_THE_TRAINER: Reasons = {
    "max_epochs": "early stopping chooses it; pruning compares trials at the same epoch",
    "patience": "buys quality by time alone",
    "validation_fraction": "decides what early stopping knows, not what the model can be",
    "device": "where it runs",
    "precision": "how it runs",
    "random_state": "the best of several seeds is luck",
    "verbose": "what is printed",
}

CLASS_WEIGHT: Reasons = {"class_weight": "changes what the probabilities mean: the question's"}

PHASE_ONE: Space = {"n_trees": Choice((0, 200))}

SIZE: Space = {"width": Range(16, 64, step=16)}

TRANSFORMER: Space = {**SIZE, "depth": Range(1, 4)}

ANCHOR_MODEL: Space = {"lora_rank": Range(2, 32, log=True, on_request=True)}

NOT_OF_THE_ANCHOR_MODEL: Reasons = {
    "lora_params": "a dict; its rank can be searched on request",
    "gradient_checkpointing": "trades time for memory alone",
}

ANCHORED: Space = {
    **TRAINER,
    **TRANSFORMER,
    **ANCHOR_MODEL,
    "n_queries": Range(2, 32, log=True),
    "cross_modal": Choice((True, False)),
    "interaction_depth": Choice((0, "output")),
    "start": Choice(("stacked", "average", "anchor")),
    # Counts before a foundation model alone.
    "qformer_width": Choice((None, 64, 128, 256), on_request=True),
}

NOT_OF_THE_ANCHORED: Reasons = {
    **NOT_OF_THE_TRAINER,
    **NOT_OF_THE_ANCHOR_MODEL,
    "anchor": "names the cohort's modalities; steps of pruning count the anchors",
    "gate": "for ablations",
}

RIVAL: Space = {
    **TRAINER,
    **PHASE_ONE,
    **SIZE,
    "start": Choice(("late", "average", "stacked")),
}

NOT_OF_A_RIVAL: Reasons = {**NOT_OF_THE_TRAINER, **CLASS_WEIGHT}

NOT_OF_A_WRAPPER: Reasons = {
    "estimator": "given by the user; its own parameters are searched",
    "cv": "what is held out, not what is learned",
    "n_jobs": "how it runs",
    "random_state": NOT_OF_THE_TRAINER["random_state"],
}

NOT_OF_AN_EXTRACTOR: Reasons = {
    "backbone": "another model, whose options differ: a question of its own",
    "weights": "files",
    "backbone_params": "a dict, of other keys for every model",
    "trust_checkpoint": "a matter of trust",
    "device": "where it runs",
    "precision": "how it runs",
    "batch_size": "how it runs",
    "memory": "where results are kept",
    "errors": "what becomes of unusable data",
    "n_jobs": "how it runs",
    "verbose": "what is printed",
    "random_state": NOT_OF_THE_TRAINER["random_state"],
    "adapt": "trains a foundation model in every fold of every trial: a question of its own",
    "adapt_params": "as adapt",
    "cross_fit": "as adapt",
}

NOT_OF_A_UNION: Reasons = {
    "transformers": "given by the user; their own parameters can be searched on request",
    "memory": "where results are kept",
    "n_jobs": "how it runs",
    "verbose": "what is printed",
}

NOT_OF_CLINICAL: Reasons = {
    **dict.fromkeys(("numeric", "categorical", "ordinal", "text"), "what the columns are"),
    "diagnostic": "a matter of leakage, which a score would welcome",
}

NOT_OF_FMRI: Reasons = {
    **dict.fromkeys(("parcellation", "labels", "t_r", "confounds"), "what the files are"),
    "min_duration": "who takes part",
    "skip": "what the scanner needs to settle",
}

NOT_OF_GENETICS: Reasons = {
    **dict.fromkeys(("genotypes", "snps", "sample_column", "apoe_column"), "what the files are"),
    "absent": "what becomes of absent variants",
    "min_call_rate": "quality control, settled before any label is read",
}

NOT_OF_SMRI: Reasons = {
    **dict.fromkeys(("parcellation", "labels", "affine"), "what the files are"),
    "registration": "what the images need",
}

# Another value reads every subject's files again, so all are searched on request alone.
CLINICAL: Space = {
    "max_levels": Range(5, 40, on_request=True),
    "text_width": Range(8, 64, log=True, on_request=True),
}
FMRI: Space = {
    "high_pass": Choice(("auto", None, 0.01), on_request=True),
    "low_pass": Choice(("auto", None, 0.1), on_request=True),
    "window": Choice((None, 60.0, 120.0), on_request=True),
    "profile": Choice(("auto", "networks", "regions"), on_request=True),
}
GENETICS: Space = {
    "max_snps": Range(16, 1024, log=True, on_request=True),
    "min_maf": Range(0.001, 0.05, log=True, on_request=True),
}
SMRI: Space = {"resolution": Choice((2.0, 3.0, 4.0), on_request=True)}

SPACES: dict[type, Space] = {
    AnchoredFusionClassifier: {
        **ANCHORED,
        **PHASE_ONE,
        # Not "stacked", which takes six times as long.
        "aggregate": Choice(("mean", "confidence", "validation")),
        "calibrate": Choice((None, "temperature")),
    },
    AnchoredFusionRegressor: {
        **ANCHORED,
        "aggregate": Choice(("mean", "validation")),
        "loss": Choice(("huber", "squared")),
    },
    LinearFusionClassifier: RIVAL,
    ConcatFusionClassifier: RIVAL,
    SelfAttentionFusionClassifier: {**RIVAL, **TRANSFORMER},
    CrossAttentionFusionClassifier: {**RIVAL, **TRANSFORMER},
    MixtureFusionClassifier: {**RIVAL, "n_experts": Range(4, 16), "top_k": Range(1, 4)},
    UnimodalClassifier: {**TRAINER, **TRANSFORMER, **ANCHOR_MODEL},
    LateFusionClassifier: {"weighting": Choice(("mean", "weighted", "stacked"))},
    BlockAverageClassifier: {},
    OrdinalClassifier: {},
    PatternCalibratedClassifier: {
        "method": Choice(("temperature", "platt")),
        "shrinkage": Range(5.0, 80.0, log=True),
    },
    PatternConformalClassifier: {
        "conformity": Choice(("lac", "aps"), on_request=True),
        "shrinkage": Range(5.0, 80.0, log=True, on_request=True),
    },
    ClinicalExtractor: CLINICAL,
    FMRIExtractor: FMRI,
    GeneticsExtractor: GENETICS,
    SMRIExtractor: SMRI,
    ModalityUnion: {},
    PoolTokens: {"pool": Choice(("auto", "mean"))},
}

LEFT_OUT: dict[type, Reasons] = {
    AnchoredFusionClassifier: {**NOT_OF_THE_ANCHORED, **CLASS_WEIGHT},
    AnchoredFusionRegressor: NOT_OF_THE_ANCHORED,
    LinearFusionClassifier: NOT_OF_A_RIVAL,
    ConcatFusionClassifier: NOT_OF_A_RIVAL,
    SelfAttentionFusionClassifier: NOT_OF_A_RIVAL,
    CrossAttentionFusionClassifier: NOT_OF_A_RIVAL,
    MixtureFusionClassifier: NOT_OF_A_RIVAL,
    UnimodalClassifier: {
        **NOT_OF_A_RIVAL,
        **NOT_OF_THE_ANCHOR_MODEL,
        "modality": "the question itself",
    },
    LateFusionClassifier: {**CLASS_WEIGHT, "random_state": NOT_OF_THE_TRAINER["random_state"]},
    BlockAverageClassifier: {
        name: NOT_OF_A_WRAPPER[name] for name in ("estimator", "random_state")
    },
    OrdinalClassifier: {
        **{name: NOT_OF_A_WRAPPER[name] for name in ("estimator", "n_jobs")},
        "order": "what the labels mean",
    },
    PatternCalibratedClassifier: NOT_OF_A_WRAPPER,
    PatternConformalClassifier: {
        **NOT_OF_A_WRAPPER,
        "alpha": "the error that the user accepts",
        "by_class": "for whom the error must hold",
    },
    ClinicalExtractor: {**NOT_OF_AN_EXTRACTOR, **NOT_OF_CLINICAL},
    FMRIExtractor: {**NOT_OF_AN_EXTRACTOR, **NOT_OF_FMRI},
    GeneticsExtractor: {**NOT_OF_AN_EXTRACTOR, **NOT_OF_GENETICS},
    SMRIExtractor: {**NOT_OF_AN_EXTRACTOR, **NOT_OF_SMRI},
    ModalityUnion: NOT_OF_A_UNION,
    PoolTokens: {},
}
