"""Training and judging many models of one data set."""

from adestim._support.scores import (
    HIGHER_IS_BETTER,
    ORDINAL_SCORES,
    REGRESSION_SCORES,
    SCORES,
)
from adestim.encoding.presence import modality_columns
from adestim.evaluation.comparing.ablation import ablate
from adestim.evaluation.comparing.compare import compare
from adestim.evaluation.comparing.comparison import Comparison
from adestim.evaluation.comparing.controls import CovariateClassifier, MaskOnlyClassifier
from adestim.evaluation.comparing.flow import CohortFlow, cohort_flow
from adestim.evaluation.comparing.recalibration import recalibrate
from adestim.evaluation.comparing.rivals import plain_rivals, rivals
from adestim.evaluation.comparing.shift import modality_shift
from adestim.evaluation.comparing.tabular_rivals import tabular_rivals
from adestim.evaluation.comparing.transfer import Transfer, transfer
from adestim.evaluation.fold_fits import FoldFits, cross_val_fit
from adestim.evaluation.leakage.mask_check import MaskCheck, shuffled_mask_check
from adestim.evaluation.leakage.permutation import PermutationTest, permutation_test, permute_labels
from adestim.evaluation.leakage.pretraining import warn_pretraining
from adestim.evaluation.measuring.next_measurement import next_measurement
from adestim.evaluation.measuring.policy import MeasurementPolicy, measurement_policy
from adestim.evaluation.missing.dropout import ModalityDropout, draw_hidden, hide_modalities
from adestim.evaluation.missing.patterns import (
    missing_patterns,
    pattern_labels,
    score_by_pattern,
)
from adestim.evaluation.missing.robustness import plot_robustness, robustness_curve
from adestim.evaluation.scores.intervals import (
    BootstrapInterval,
    CorrectedTest,
    bootstrap_interval,
    corrected_interval,
    corrected_t_test,
)
from adestim.evaluation.scores.metrics import (
    score_ordinal,
    score_predictions,
    score_probabilities,
)
from adestim.evaluation.scores.proportions import wilson_interval
from adestim.evaluation.scores.significance import DeLongResult, delong, holm
from adestim.evaluation.scores.thresholds import choose_threshold, inner_threshold
from adestim.evaluation.splitting.splits import (
    RepeatedStratifiedGroupKFold,
    check_split,
    require_groups,
)
from adestim.evaluation.subgroups.group_scores import GroupScores, score_by_group
from adestim.evaluation.survival.rivals import survival_rivals
from adestim.evaluation.survival.scores import (
    score_survival,
    survival_auc,
    survival_brier,
    survival_calibration,
    uno_concordance,
)

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
    "GroupScores",
    "MaskCheck",
    "MaskOnlyClassifier",
    "MeasurementPolicy",
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
    "measurement_policy",
    "missing_patterns",
    "modality_columns",
    "modality_shift",
    "next_measurement",
    "pattern_labels",
    "permutation_test",
    "permute_labels",
    "plain_rivals",
    "plot_robustness",
    "recalibrate",
    "require_groups",
    "rivals",
    "robustness_curve",
    "score_by_group",
    "score_by_pattern",
    "score_ordinal",
    "score_predictions",
    "score_probabilities",
    "score_survival",
    "shuffled_mask_check",
    "survival_auc",
    "survival_brier",
    "survival_calibration",
    "survival_rivals",
    "tabular_rivals",
    "transfer",
    "uno_concordance",
    "warn_pretraining",
    "wilson_interval",
]
