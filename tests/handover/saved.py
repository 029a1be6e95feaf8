"""Small fitted models to save, and what a saved folder is looked at for."""

import json
from functools import cache

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    GeneticsExtractor,
    LateFusionClassifier,
    ModalityUnion,
)
from adestim.encoding import Encoding
from adestim.handover.folder import ARRAYS, MANIFEST, STRUCTURE

RARE, FREQUENT = "Ziegenhals syndrome", "hypertension"
SUBJECT = "participant-"


def clinic(n=40, seed=0):
    """A table with a frequent and a rare category, whose subjects have telling names."""
    rng = np.random.default_rng(seed)
    history = np.where(rng.random(n) < 0.5, FREQUENT, "none").astype(object)
    history[3] = RARE
    table = pd.DataFrame(
        {
            "age": rng.normal(70, 8, n),
            "history": history,
            "rs429358_C": rng.integers(0, 3, n).astype(float),
            "rs7412_T": rng.integers(0, 3, n).astype(float),
        },
        index=[f"{SUBJECT}{number:03d}" for number in range(n)],
    )
    table.loc[table.index[::5], ["rs429358_C", "rs7412_T"]] = np.nan
    return table, np.where(table["age"] + rng.normal(0, 3, n) > 70, "AD", "CN")


def union(**params):
    """Two modalities of the table."""
    return ModalityUnion(
        [
            ("clinical", ClinicalExtractor(), ["age", "history"]),
            ("genetics", GeneticsExtractor(min_call_rate=0.1), ["rs429358_C", "rs7412_T"]),
        ],
        **params,
    )


@cache
def fitted():
    """A fitted pipeline of two modalities, and later subjects without the rare category."""
    table, y = clinic()
    fusion = AnchoredFusionClassifier(
        anchor="clinical", width=8, n_queries=2, n_trees=5, max_epochs=1, random_state=0
    )
    later = clinic(seed=1)[0]
    return make_pipeline(union(), fusion).fit(table, y), later[later["history"] != RARE]


@cache
def small():
    """A fitted fusion of numbers, and its table."""
    X = np.random.default_rng(0).normal(size=(30, 2))
    return LateFusionClassifier().fit(X, X[:, 0] > 0), X


def outputs_of(model, X):
    """What a model says, as arrays that can be compared."""
    method = next(
        name for name in ("predict_proba", "predict", "transform") if hasattr(model, name)
    )
    output = getattr(model, method)(X)
    frame = output if isinstance(output, pd.DataFrame) else pd.DataFrame(output)
    return [tokens_of(cell) for cell in frame.to_numpy().ravel()]


def tokens_of(cell):
    """The bytes of a cell, an encoding's with its name tag."""
    if isinstance(cell, Encoding):
        return cell.backbone, cell.tokens.tobytes()
    return None if cell is None else np.asarray(cell).tobytes()


def bytes_of(folder):
    """All that is in a folder, in one."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def rewrite(folder, name, change):
    """Change one file of a folder as an attacker would, its digest with it."""
    from adestim.handover.folder import fingerprint_file

    path, manifest = folder / name, json.loads((folder / MANIFEST).read_text())
    content = change(path.read_bytes())
    path.write_bytes(content)
    if name in (STRUCTURE, ARRAYS):
        manifest["files"][name] = fingerprint_file(content)
        (folder / MANIFEST).write_text(json.dumps(manifest))


def rewrite_nodes(folder, change):
    """Change the nodes of a saved model."""

    def changed(content):
        nodes = json.loads(content)
        change(nodes)
        return json.dumps(nodes).encode()

    rewrite(folder, STRUCTURE, changed)


def node_of(nodes, name):
    """The first node of a class."""
    return next(node for node in nodes if node.get("type", node.get("call", "")).endswith(name))
