"""
Time to conversion
==================

Who with mild cognitive impairment will have dementia, and when? People are followed for different
times, and many leave before anything happened: they are censored, and still teach the model.
"""

# %%
# A simulated cohort
# ------------------
# Targets say whether conversion was seen, and after how many years; or until when there was none.
# The true survival function of everybody is known: the oracle.

from adestim.datasets import make_survival_cohort

TIMES = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
cohort = make_survival_cohort(
    300, times=TIMES, missing="adni", resolution=12, bold_resolution=12, random_state=0
)
print(cohort)
cohort.target[:4]

# %%
# Three modalities and the model
# ------------------------------
# The last step learns hazards: the probability of conversion in an interval for who came so far.

from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionSurvival, ClinicalExtractor, ModalityUnion, SMRIExtractor
from adestim.extraction import GeneticsExtractor

