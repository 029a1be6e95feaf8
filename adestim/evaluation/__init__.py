"""Training and judging many models of one data set."""

from adestim.evaluation.ablation import ablate
from adestim.evaluation.compare import compare
from adestim.evaluation.comparison import Comparison
from adestim.evaluation.controls import CovariateClassifier, MaskOnlyClassifier
from adestim.evaluation.dropout import ModalityDropout, draw_hidden, hide_modalities
from adestim.evaluation.flow import CohortFlow, cohort_flow
from adestim.evaluation.intervals import (
    BootstrapInterval,
    CorrectedTest,
    bootstrap_interval,
    corrected_interval,
    corrected_t_test,
)
from adestim.evaluation.mask_check import MaskCheck, shuffled_mask_check
from adestim.evaluation.metrics import (
    HIGHER_IS_BETTER,
    ORDINAL_SCORES,
    REGRESSION_SCORES,
    SCORES,
    score_ordinal,
    score_predictions,
    score_probabilities,
)
from adestim.evaluation.patterns import (
    missing_patterns,
    modality_columns,
    pattern_labels,
    score_by_pattern,
)
from adestim.evaluation.permutation import PermutationTest, permutation_test, permute_labels
from adestim.evaluation.pretraining import warn_pretraining
from adestim.evaluation.rivals import plain_rivals, rivals
from adestim.evaluation.robustness import plot_robustness, robustness_curve
from adestim.evaluation.significance import DeLongResult, delong, holm
from adestim.evaluation.splits import RepeatedStratifiedGroupKFold, check_split, require_groups
from adestim.evaluation.thresholds import choose_threshold, inner_threshold
from adestim.evaluation.together import FoldFits, cross_val_fit
from adestim.evaluation.transfer import Transfer, transfer

__all__ = [
    "HIGHER_IS_BETTER",
    "ORDINAL_SCORES",
    "REGRESSION_SCORES",
    "SCORES",
    "BootstrapInterval",
    "CohortFlow",
    "Comparison",
    "CorrectedTest",
    "CovariateClassifier",
    "DeLongResult",
    "FoldFits",
    "MaskCheck",
    "MaskOnlyClassifier",
    "ModalityDropout",
    "PermutationTest",
    "RepeatedStratifiedGroupKFold",
    "Transfer",
    "ablate",
    "bootstrap_interval",
    "check_split",
    "choose_threshold",
    "cohort_flow",
    "compare",
    "corrected_interval",
    "corrected_t_test",
    "cross_val_fit",
    "delong",
    "draw_hidden",
    "hide_modalities",
    "holm",
    "inner_threshold",
    "missing_patterns",
    "modality_columns",
    "pattern_labels",
    "permutation_test",
    "permute_labels",
    "plain_rivals",
    "plot_robustness",
    "require_groups",
    "rivals",
    "robustness_curve",
    "score_by_pattern",
    "score_ordinal",
    "score_predictions",
    "score_probabilities",
    "shuffled_mask_check",
    "transfer",
    "warn_pretraining",
]
