"""Reading of ``members``: which of the built-in ones join, and which estimators of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn.base import is_classifier, is_regressor

from adestim.exceptions import InputError

ALL = "all"


class MemberNames(NamedTuple):
    """The members of phase 1 that were asked for."""

    built_in: tuple[str, ...]
    others: tuple[tuple[str, Any], ...]  # the user's estimators by name


def read_members(members: Any, known: Sequence[str], fusion: Any) -> MemberNames:
    """Return the members of phase 1 that a fusion is asked for, or say which ones there are."""
    asked = [members] if isinstance(members, str) else list(members)
    built_in: list[str] = []
    others: list[tuple[str, Any]] = []
    for member in asked:
        if member == ALL:
            built_in += known
        elif isinstance(member, str) and member in known:
            built_in.append(member)
        elif is_named_estimator(member, fusion):
            others.append(tuple(member))
        else:
            raise not_a_member(member, known, fusion)
    require_distinct_names([*dict.fromkeys(built_in), *(name for name, _ in others)], fusion)
    return MemberNames(tuple(dict.fromkeys(built_in)), tuple(others))


def is_named_estimator(member: Any, fusion: Any) -> bool:
    """Tell whether a member is a name and an estimator of the fusion's own kind."""
    if not isinstance(member, tuple | list) or len(member) != 2 or not isinstance(member[0], str):
        return False
    if not hasattr(member[1], "fit") or isinstance(member[1], type):
        return False
    if is_classifier(fusion):
        return is_classifier(member[1]) and hasattr(member[1], "predict_proba")
    return is_regressor(fusion) and is_regressor(member[1])


def not_a_member(member: Any, known: Sequence[str], fusion: Any) -> InputError:
    """Return the error about a member that is none."""
    kinds = {"a classifier with predict_proba": is_classifier, "a regressor": is_regressor}
    kind = next((kind for kind, is_kind in kinds.items() if is_kind(fusion)), None)
    rule = f"The 'members' parameter of {type(fusion).__name__} must hold names of members"
    remedy = f"Choose from {[ALL, *known]}"
    if kind is None:
        return InputError(rule, got=repr(member), remedy=remedy)
    return InputError(
        f"{rule}, or pairs of a name and {kind}",
        got=repr(member),
        remedy=f"{remedy}, or write for example members=['all', ('boosting', estimator)]",
    )


def require_what_is_stacked(start: str, members: Any, fusion: Any) -> None:
    """Refuse nets that would start from a mixture of no members."""
    if start == "stacked" and not len(members):
        raise InputError(
            f"The 'start' parameter of {type(fusion).__name__} may be 'stacked' only where there "
            "are members to start from",
            got=f"start='stacked' with members={members!r}",
            remedy="Pass start='anchor', or name 'members'",
        )


def require_distinct_names(names: Sequence[str], fusion: Any) -> None:
    """Refuse two members of one name."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"Every member of {type(fusion).__name__} needs a name of its own",
            got=f"{', '.join(map(repr, repeated))} more than once",
            remedy="Rename the pairs in 'members'",
        )
