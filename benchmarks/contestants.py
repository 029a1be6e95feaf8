"""The models of the benchmarks on open tables: rivals by name, and ours."""

from importlib.util import find_spec

from sklearn.calibration import CalibratedClassifierCV
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from adestim import AnchoredFusionClassifier, PoolTokens
from adestim.evaluation import rivals

OURS = "anchored fusion"
PHASE_ONE = "its phase 1 alone"
# Sorted by what they cost.
PLAIN = (
    "logistic, all columns",
    "logistic by modality",
    "random forest",
    "gradient boosting",
    "LightGBM",
    "CatBoost",
    "support vectors",
    "late fusion",
    "late fusion, weighted",
    "late fusion, stacked",
)
TOKENS = (
    "linear fusion",
    "concatenation",
    "self-attention",
    "cross-attention",
    "mixture of experts",
)
RIVALS = PLAIN + TOKENS
MODELS = (OURS, PHASE_ONE, *RIVALS)
OPTIONAL = {"LightGBM": "lightgbm", "CatBoost": "catboost"}
GROUPS = {"ours": (OURS, PHASE_ONE), "plain": PLAIN, "tokens": TOKENS, "rivals": RIVALS}


def make_models(seed):
    """Return every model that is installed, by name."""
    every = rivals([], tabular=False, device="cpu", random_state=seed)
    named = {name: every[name] for name in RIVALS if name in every}
    return named | {
        "support vectors": make_pipeline(
            PoolTokens(),
            StandardScaler(),
            SimpleImputer(keep_empty_features=True),
            CalibratedClassifierCV(SVC(random_state=seed)),
        ),
        **make_boosters(seed),
        OURS: make_ours(seed),
        PHASE_ONE: make_ours(seed, max_epochs=0),
    }


def make_ours(seed, **changes):
    """Return the method, at its defaults but for the changes."""
    return AnchoredFusionClassifier(**({"device": "cpu", "random_state": seed} | changes))


def make_boosters(seed):
    """Return the boosting libraries that are installed, set as scikit-learn's is."""
    found = {}
    if find_spec("lightgbm"):
        from lightgbm import LGBMClassifier

        booster = LGBMClassifier(
            n_estimators=150,
            learning_rate=0.05,
            colsample_bytree=0.3,
            random_state=seed,
            n_jobs=1,
            verbosity=-1,
        )
        found["LightGBM"] = make_pipeline(PoolTokens(), booster)
    if find_spec("catboost"):
        from catboost import CatBoostClassifier

        booster = CatBoostClassifier(
            random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False
        )
        found["CatBoost"] = make_pipeline(PoolTokens(), booster)
    return found


def choose_models(names):
    """Return names of models, groups of them being named by ``GROUPS``."""
    chosen = [each for name in names for each in GROUPS.get(name, (name,))]
    unknown = sorted(set(chosen) - set(MODELS))
    if unknown:
        raise SystemExit(f"No model {unknown}: choose from {[*GROUPS, *MODELS]}")
    return [name for name in chosen if name not in missing_libraries()]


def missing_libraries():
    """Return the models whose library is not installed."""
    return [name for name, module in OPTIONAL.items() if find_spec(module) is None]
