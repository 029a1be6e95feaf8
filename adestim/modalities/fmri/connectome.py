"""The built-in reference backbone: who goes with whom, one token a region.

Shrunk correlations between the ROI series of one subject, Fisher-transformed. Nothing is
learned from other subjects and nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adestim.encoding import BackboneSpec
from adestim.modalities.fmri.timeseries import RoiLayout, RoiSeries

STRENGTHS = ("within_strength", "between_strength", "positive_strength", "participation")
LARGEST_CORRELATION = 1 - 1e-6


@dataclass(frozen=True)
class Connectome:
    """Tokens of functional connectivity."""

    layout: RoiLayout  # the regions, and their networks where these are known
    # what a region's token holds. ``"networks"``: its mean Fisher z to every functional network,
    # itself left out, then its mean z within its own network and to all others, its mean positive
    # z, and its participation coefficient. ``"regions"``: its z to every region, 0 on the diagonal
    profile: str = "networks"

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks, sorted."""
        return tuple(sorted(set(self.layout.networks or ())))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of a token's features."""
        if self.profile == "regions":
            return tuple(f"z_{name}" for name in self.layout.names)
        return (*(f"z_{name}" for name in self.networks), *STRENGTHS)

    def spec(self) -> BackboneSpec:
        """Return the name tag: what decides the tokens' meaning."""
        return BackboneSpec(
            "connectome",
            options=(
                ("profile", self.profile),
                ("token_names", self.layout.names),
                ("feature_names", self.feature_names),
            ),
        )

    def __call__(self, series: RoiSeries) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the token table of one subject.

        -> tokens (n_rois, width), mask (n_rois,).
        """
        present = series.present
        full = np.zeros((len(present), len(present)))
        full[np.ix_(present, present)] = fisher_z(series.values[:, present])
        if self.profile == "networks":
            full = network_profile(full, present, self._membership())
        table = np.where(present[:, None], full, 0.0).astype(np.float32)
        return table, None if present.all() else present

    def _membership(self) -> np.ndarray:
        """Return which region belongs to which network, shape (n_rois, n_networks)."""
        own = np.asarray(self.layout.networks)
        return (own[:, None] == np.asarray(self.networks)).astype(float)


def fisher_z(values: np.ndarray) -> np.ndarray:
    """Return the Fisher-transformed shrunk correlations between columns.

    The covariance of the standardised series is shrunk towards the identity by Ledoit and Wolf's
    formula, which keeps estimates from 140 volumes and 300 regions usable.

    values (n_volumes, n_rois) -> (n_rois, n_rois).

    Ledoit and Wolf (2004). A well-conditioned estimator for large-dimensional covariance
    matrices. Journal of Multivariate Analysis 88, 365-411.
    Varoquaux et al. (2010). Detection of brain functional-connectivity difference in
    post-stroke patients using group-level covariance modeling. MICCAI.
    """
    from nilearn.connectome import ConnectivityMeasure

    measure = ConnectivityMeasure(kind="correlation", standardize=True)
    correlation = measure.fit_transform([np.asarray(values, dtype=np.float64)])[0]
    z = np.arctanh(np.clip(correlation, -LARGEST_CORRELATION, LARGEST_CORRELATION))
    np.fill_diagonal(z, 0.0)
    return z


def network_profile(z: np.ndarray, present: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Return every region's mean z to every network, and its graph strengths.

    The participation coefficient is that of Guimera and Amaral (2005), Nature 433, 895-900,
    over positive z: 0 where a region goes with one network only. A mean over no region is 0.
    """
    members = membership * present[:, None]
    others = members.sum(axis=0)[None] - members
    means = ratio(z @ members, others)
    own = membership.astype(bool)
    n_outside = others.sum(axis=1) - others[own]
    positive = np.clip(z, 0, None)
    by_network = positive @ members
    share = ratio(by_network, by_network.sum(axis=1, keepdims=True))
    strengths = (
        means[own],
        ratio((z @ members).sum(axis=1) - (z @ members)[own], n_outside),
        ratio(positive.sum(axis=1), others.sum(axis=1)),
        np.where(share.any(axis=1), 1 - (share**2).sum(axis=1), 0.0),
    )
    return np.column_stack([means, *strengths])


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, 0 where the denominator is 0."""
    return np.divide(
        numerator, denominator, out=np.zeros_like(numerator, dtype=float), where=denominator > 0
    )
