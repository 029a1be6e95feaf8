"""What anchored fusions have in common: their parameters, their anchors, their mixture."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any
from zlib import crc32

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from adestim._support.ranges import HOW_IT_RUNS, Choice, Range
from adestim._support.sklearn import Interval, StrOptions, list_callbacks
from adestim.encoding.tokens import TokenTable
from adestim.exceptions import DataWarning, InputError
from adestim.fusion._base import (
    TRAINER_CONSTRAINTS,
    TRAINER_NOT_SEARCHED,
    TRAINER_SPACE,
    BaseFusion,
    FitStart,
    is_reproducible,
)
from adestim.fusion._members import read_members, require_what_is_stacked
from adestim.training.aggregation import Aggregation, Mean, Validated
from adestim.training.anchored_nets import AnchoredSettings, build_anchored_net, require_depth
from adestim.training.batches import FusionData
from adestim.training.inputs import NetInputs, Start
from adestim.training.lockstep.team import Team
from adestim.training.mixture import ANCHORED, Doubt, MemberMixture, Said, name_anchored
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.penalised import Scores
from adestim.training.task import Folds
from adestim.training.teams import TeamTraining, join_nets, prepare_team

MIXED = "mixture"

ANCHORED_CONSTRAINTS: dict = {
    "anchor": [str, list],
    "members": [str, list, tuple],
    "n_queries": [Interval(Integral, 0, None, closed="left")],
    "cross_modal": ["boolean"],
    "interaction_depth": [Interval(Integral, 0, None, closed="left"), StrOptions({"output"})],
    "gate": [StrOptions({"learned", "open", "closed"})],
    "start": [StrOptions({"auto", "stacked", "average", "anchor"})],
    "width": [Interval(Integral, 8, None, closed="left")],
    "depth": [Interval(Integral, 1, None, closed="left")],
    "qformer_width": [Interval(Integral, 8, None, closed="left"), None],
    "lora_rank": [Interval(Integral, 0, None, closed="left")],
    "lora_params": [dict, None],
    "gradient_checkpointing": ["boolean"],
    "n_trees": [Interval(Integral, 0, None, closed="left")],
    "n_folds": [Interval(Integral, 2, None, closed="left")],
    "n_jobs": [Integral, None],
    **TRAINER_CONSTRAINTS,
}
ANCHORED_SPACE: dict = {
    **TRAINER_SPACE,
    "width": Range(16, 64, step=16),
    "depth": Range(1, 4),
    "lora_rank": Range(2, 32, log=True, on_request=True),
    "n_queries": Range(2, 32, log=True),
    "cross_modal": Choice((True, False)),
    "interaction_depth": Choice((0, "output")),
    "start": Choice(("auto", "anchor", "stacked", "average")),
    "n_trees": Choice((0, 200)),
    # Counts before a foundation model alone.
    "qformer_width": Choice((None, 64, 128, 256), on_request=True),
}
ANCHORED_NOT_SEARCHED: dict = {
    **TRAINER_NOT_SEARCHED,
    "lora_params": "a dict; its rank can be searched on request",
    "gradient_checkpointing": "trades time for memory alone",
    "anchor": "names the cohort's modalities; steps of pruning count the anchors",
    "gate": "for ablations",
    "members": "their shares are learned in every fit",
    "n_folds": "buys quality by time alone",
    "n_jobs": HOW_IT_RUNS,
}


class AnchoredBase(BaseFusion):
    """Base of the fusions that have a net for every anchor, mixed with members of phase 1."""

    anchor: Any
    members: Any
    n_queries: int
    cross_modal: bool
    interaction_depth: int | str
    gate: str
    start: str
    n_trees: int
    depth: int
    qformer_width: int | None
    lora_rank: int
    lora_params: dict | None
    gradient_checkpointing: bool
    n_folds: int
    aggregate: str
    n_jobs: int | None
    aggregation_: Aggregation
    mixture_: MemberMixture

    @property
    def anchors_(self) -> list[str]:
        """Modalities that were anchor."""
        return list(self.inputs_.starts)

    def __repr__(self, N_CHAR_MAX=700):
        """Return how it was made, and once fitted what its prediction rests on."""
        # scikit-learn wraps the lines of classes alone whose __repr__ is its own.
        plain = type(type(self).__name__, (BaseEstimator,), {"__init__": type(self).__init__})()
        said = plain.set_params(**self.get_params(deep=False)).__repr__(N_CHAR_MAX)
        if not hasattr(self, "mixture_"):
            return said
        shares = ", ".join(f"{name} {share:.2f}" for name, share in self.shares_.items())
        kept = "" if sum(self.interaction_.values()) > 0 else "; phase 2 counts for nothing"
        return f"{said} with shares {shares.replace(' 0.', ' .')}{kept}"

    @property
    def shares_(self) -> dict[str, float]:
        """Share of every member in the mixture."""
        return dict(self.mixture_.shares)

    @property
    def interaction_(self) -> dict[str, float]:
        """Share of every anchor's net in the mixture."""
        if self.aggregate == MIXED:
            found = {name: self.shares_.get(name_anchored(name), 0.0) for name in self.anchors_}
            return {name: share if name in self.nets_ else 0.0 for name, share in found.items()}
        each = self.shares_.get(ANCHORED, 0.0) / max(len(self.nets_), 1)
        return {name: each if name in self.nets_ else 0.0 for name in self.anchors_}

    def _starts(self, subjects):
        anchors = choose_anchors(self.anchor, subjects.names, type(self).__name__)
        return {name: Start(self._start_of(subjects.tables[name]), name) for name in anchors}

    def _start_of(self, table: TokenTable) -> str:
        """Return what the nets of an anchor start from."""
        if self.start != "auto":
            return self.start
        return "anchor" if table.backbone.is_foundation or not len(self.members) else "stacked"

    def _draw_folds(self, data, seed):
        return self._task().folds(data.targets, data.groups, seed, self.n_folds)

    def _fit_phase_one(self, data, tables, folds, seed):
        task = self._task()
        asked = read_members(self.members, task.members, self)
        grower = Grower(self.n_trees, seed, self.n_jobs)
        given = tables, data.targets, data.weight, folds, grower, *asked
        return task.fit_phase_one(*given, remembered=is_reproducible(self.random_state))

    def _start_fit(self, *args):
        require_what_is_stacked(self.start, self.members, self)
        start = super()._start_fit(*args)
        # Before the first anchor is trained, not after hours of it.
        require_depth(self.inputs_.starts, self.inputs_.likes, self._net_settings())
        if not self.phase_one_.shares:
            self.inputs_ = start_from_anchors(self.inputs_)
        # Copies that callbacks get before training has ended take the mean of their anchors.
        self.aggregation_ = Mean()
        return start

    def _train_nets(self, start, context):
        unseen: dict[str, np.ndarray] = {}
        trains = self._has_folds(start) and self.max_epochs > 0
        self._expect_nothing()
        for group in self._group_anchors(start) if trains else ():
            with ExitStack() as watching:
                teams = {}
                for name, data in group:
                    hook = watching.enter_context(self._watch_epochs(name, start, context))
                    teams[name] = self._prepare_team(name, data, start, hook)
                    self.nets_[name] = join_nets(teams[name].modules, self._trainer_settings())
                self._expect_nothing()
                yield TeamTraining(list(teams.values()), self.n_jobs)
            for name, team in teams.items():
                unseen[name] = team.unseen_outputs(len(start.data.targets))
                self.history_.append({"anchor": name} | team.start_record)
                if team.best_epoch == 0:
                    # Nothing was gained on the anchor's own start, which costs nothing to ask.
                    del self.nets_[name]
        # In the order of anchors, however many were trained at the same time.
        self.nets_ = {name: self.nets_[name] for name in self.anchors_ if name in self.nets_}
        order = self.anchors_.index
        self.history_.sort(key=lambda record: (order(record["anchor"]), record["epoch"]))
        self._weigh_members(start, unseen)

    def _group_anchors(self, start: FitStart) -> Iterator[list[tuple[str, FusionData]]]:
        """Yield anchors that are trained at the same time, and the subjects as each reads them."""
        watched = self.verbose or list_callbacks(self)
        together = []
        for name, data in self._read_by_net(start):
            if watched or data.inputs is not None or effective_n_jobs(self.n_jobs) == 1:
                yield [(name, data)]
            else:
                together.append((name, data))
        if together:
            yield together

    def _has_folds(self, start: FitStart) -> bool:
        """Tell whether there are inner folds, and warn where there are none."""
        if not start.folds:
            warnings.warn(
                f"{self._task().split_unit} has a single group, so there are no inner folds: no "
                "net is trained, and the members of phase 1 count alike.",
                DataWarning,
                stacklevel=6,
            )
        return bool(start.folds)

    def _prepare_team(self, name: str, data: FusionData, start: FitStart, hook) -> Team:
        """Return an anchor's nets, one an inner fold, whose seeds are the anchor's own."""
        seed = (start.net_seed + crc32(name.encode())) % 2**32
        build = partial(self._module, name)
        return prepare_team(build, data, start.folds, seed, self._trainer_settings(), hook)

    def _expect_nothing(self) -> None:
        """Take the shares that are known before any evidence."""
        self.mixture_ = MemberMixture.start([*self.phase_one_.shares], self._name_anchored())

    def _name_anchored(self) -> list[str]:
        """Return the names of the anchored members, of which there are none without nets.

        Where nothing else is a member, anchors speak by their own heads of phase 1.
        """
        speak = [name for name in self.anchors_ if name in self.nets_]
        if not speak and not self.phase_one_.shares:
            speak = self.anchors_
        if self.aggregate == MIXED:
            return [name_anchored(name) for name in speak]
        return [ANCHORED] if speak else []

    def _name_doubted(self) -> list[str]:
        """Return the anchored members that correct the mixture of the others, their start."""
        corrects = [
            name for name in self.nets_ if self.inputs_.starts[name].combination == "stacked"
        ]
        if self.aggregate == MIXED:
            return [name_anchored(name) for name in corrects]
        return [ANCHORED] if corrects else []

    def _weigh_members(self, start: FitStart, unseen: Mapping[str, np.ndarray]) -> None:
        """Learn what members are worth from what they say of subjects they have not seen."""
        data, present = start.data, start.subjects.present
        outputs = self._ask_anchors(unseen, start.scores, present)
        rows = find_judged(start.folds, len(data.targets))
        judged = Validated(outputs, self._of_anchors(present), data.targets, data.weight)
        self.aggregation_ = self._learn_aggregation(judged.take(rows))
        self._expect_nothing()
        said = self._hear_members(start.scores, present, outputs)
        if len(rows):
            said, doubt = said.take(rows), Doubt(self._name_doubted(), data.groups[rows])
            mixed = self.mixture_.combine(said)
            loss = self._task().share_loss(mixed, data.targets[rows], data.weight[rows])
            self.mixture_ = self.mixture_.learn(said, loss, self._is_calibrated(), doubt)
        self._drop_unused()
        self._note_interaction()

    def _drop_unused(self) -> None:
        """Let go of members without a share, which prediction does not ask."""
        self.mixture_ = self.mixture_.drop_unused()
        shares = self.interaction_
        self.nets_ = {name: net for name, net in self.nets_.items() if shares[name] > 0}
        starts = [self.inputs_.starts[name].combination for name in self.nets_]
        if "stacked" not in starts:
            self.phase_one_ = self.phase_one_.keep(self.shares_)
            self.inputs_ = replace(self.inputs_, phase_one=self.phase_one_)

    def _note_interaction(self) -> None:
        """Write every anchor's share into the records of its epochs."""
        for record in self.history_:
            record["interaction"] = self.interaction_[record["anchor"]]

    def _hear_members(self, scores: Scores, present: np.ndarray, outputs: np.ndarray) -> Said:
        """Return what all members say.

        present (n_subjects, n_modalities), outputs (n_subjects, n_anchors, n_outputs).
        """
        odds = self.phase_one_.member_odds(scores, present)
        judged, task = {}, self._task()
        if self.aggregate != MIXED:
            values = self._values_of(outputs)
            combined = self.aggregation_.combine(values, self._of_anchors(present))
            odds[ANCHORED] = task.odds_of_values(combined)
            return Said(odds, judged)
        for place, name in enumerate(self.anchors_):
            odds[name_anchored(name)] = task.odds_of_outputs(outputs[:, place])
            judged[name_anchored(name)] = self._of_anchors(present)[:, place]
        return Said(odds, judged)

    def _ask_anchors(
        self, by_net: Mapping[str, np.ndarray], scores: Scores, present: np.ndarray
    ) -> np.ndarray:
        """Return what anchors say, by their heads where they have no net.

        by_net (n_subjects, n_outputs) each -> (n_subjects, n_anchors, n_outputs).
        """
        by_head: dict[Start, np.ndarray] = {}
        outputs = []
        for name, start in self.inputs_.starts.items():
            # Anchors' heads alone differ by anchor.
            start = start if start.combination == "anchor" else start._replace(anchor=None)
            if name not in by_net and start not in by_head:
                by_head[start] = self.phase_one_.logits(scores, present, *start)
            outputs.append(by_net[name] if name in by_net else by_head[start])
        return np.stack(outputs, axis=1).astype(np.float64)

    def _mix(self, X) -> np.ndarray:
        """Return the mixture's odds (n_subjects, n_scores)."""
        scores, present, by_net = self._judge(X)
        outputs = self._ask_anchors(by_net, scores, present)
        return self.mixture_.combine(self._hear_members(scores, present, outputs))

    def _outputs_by_anchor(self, X) -> dict[str, np.ndarray]:
        """Return every anchor's outputs (n_subjects, n_outputs)."""
        check_is_fitted(self, "nets_")
        scores, present, by_net = self._judge(X)
        outputs = self._ask_anchors(by_net, scores, present)
        return dict(zip(self.anchors_, np.moveaxis(outputs, 1, 0), strict=True))

    def _module(self, name):
        return build_anchored_net(name, self.inputs_, self._net_settings())

    def _net_settings(self) -> AnchoredSettings:
        """Return how nets are built."""
        return AnchoredSettings(
            n_queries=self.n_queries,
            cross_modal=self.cross_modal,
            interaction_depth=self.interaction_depth,
            gate=self.gate,
            width=self.width,
            depth=self.depth,
            qformer_width=self.qformer_width,
            lora_rank=self.lora_rank,
            lora_params=self.lora_params,
            gradient_checkpointing=self.gradient_checkpointing,
            dropout=self.dropout,
            device=self.device,
            precision=self.precision,
        )

    def _of_anchors(self, present):
        """Return which anchors every subject has, (n_subjects, n_anchors)."""
        return present[:, [list(self.inputs_.likes).index(name) for name in self.anchors_]]

    @abstractmethod
    def _values_of(self, outputs: np.ndarray) -> np.ndarray:
        """Return what aggregations combine, of the same shape as nets' outputs."""

    @abstractmethod
    def _learn_aggregation(self, unseen: Validated) -> Aggregation:
        """Return the rule that combines the anchors where they are one member."""

    def _is_calibrated(self) -> bool:
        """Tell whether the mixture's sharpness is chosen with its shares."""
        return False


def start_from_anchors(inputs: NetInputs) -> NetInputs:
    """Return the same, nets that would start from members starting from their anchors' heads.

    Where no member could be fitted, as a forest cannot be without inner folds.
    """
    starts = {
        name: Start("anchor", name) if start.combination == "stacked" else start
        for name, start in inputs.starts.items()
    }
    return replace(inputs, starts=starts)


def find_judged(folds: Folds, n_subjects: int) -> np.ndarray:
    """Return the rows that some fold holds out."""
    return np.unique(np.concatenate([[], *(test for _, test in folds)])).astype(np.intp)


def choose_anchors(
    anchor: str | Sequence[str], modalities: Sequence[str], estimator: str
) -> list[str]:
    """Return the anchors' names, or say which modality is not there."""
    if isinstance(anchor, str) and anchor == "all":
        return list(modalities)
    anchors = [anchor] if isinstance(anchor, str) else list(anchor)
    require_distinct_anchors(anchors, estimator)
    unknown = [name for name in anchors if name not in modalities]
    if unknown or not anchors:
        raise InputError(
            f"The 'anchor' parameter of {estimator} must name modalities that some training "
            "subject has",
            got=repr(anchor),
            remedy=f"Choose from {list(modalities)}, or write anchor='all'",
        )
    return anchors


def require_distinct_anchors(anchors: Sequence[str], estimator: str) -> None:
    """Refuse a modality that is named as anchor twice."""
    repeated = [name for place, name in enumerate(anchors) if name in anchors[:place]]
    if repeated:
        raise InputError(
            f"The 'anchor' parameter of {estimator} names every modality once",
            got=f"{repeated[0]!r} more than once",
            remedy="Leave the repetition out",
        )
