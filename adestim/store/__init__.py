"""The store: what was made once is found again."""

from adestim.store.feature_store import FeatureStore, as_store

__all__ = ["FeatureStore", "as_store"]
