"""On the CPU, processes that run one model share its weights' file in memory."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from adestim.backbone import load_backbone
from adestim.encoding import BackboneSpec
from tests.toy_backbone import N_FEATURES, N_PLACES, ToyViT

ROOT = Path(__file__).parents[2]
WIDTH = 1280
SMAPS = Path("/proc/self/smaps")

pytestmark = pytest.mark.skipif(not SMAPS.exists(), reason="the system has no /proc/self/smaps")


def memory_of(path):
    """KiB of a file's mappings in this process, by kind."""
    found = {"Rss": 0, "Pss": 0, "Anonymous": 0}
    for part in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", SMAPS.read_text()):
        if part.splitlines()[0].endswith(str(path)):
            for kind in found:
                found[kind] += int(re.search(rf"^{kind}:\s+(\d+) kB", part, re.MULTILINE)[1])
    return found


def anonymous_memory():
    """KiB of memory of this process that no file backs."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB", rollup, re.MULTILINE)[1])


def wait_for_two(folder, ending):
    """Wait until both processes have come to the same point."""
    end = time.monotonic() + 60
    while len(list(folder.glob(f"*.{ending}"))) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)


def small(path):
    """The file of a small model beside that of a large one."""
    return path.with_name(f"small{path.suffix}")


def run_once(path, width):
    """Load and run a model."""
    spec = BackboneSpec(
        "toy",
        digest=ToyViT.digest(path),
        options=(("architecture", (("width", width),)),),
        sources=(("weights", str(path)), ("home", "tests.toy_backbone:ToyViT")),
    )
    model = load_backbone(spec)
    with torch.inference_mode():
        model.encode(model.embed(torch.zeros(1, N_PLACES, N_FEATURES)), None, N_PLACES)


def run_model(path, name):
    """Load and run a model while another process does; write what memory it takes."""
    path = Path(path)
    # What is imported on the way is no part of the measurement.
    run_once(small(path), 16)
    before = anonymous_memory()
    run_once(path, WIDTH)
    grown = anonymous_memory() - before
    Path(path.parent, f"{name}.ready").touch()
    wait_for_two(path.parent, "ready")
    report = {"grown": grown, **memory_of(path)}
    Path(path.parent, f"{name}.json.part").write_text(json.dumps(report))
    Path(path.parent, f"{name}.json.part").rename(path.parent / f"{name}.json")
    wait_for_two(path.parent, "json")


def write_torch(state, path):
    torch.save({"model": state}, path)


def write_safetensors(state, path):
    pytest.importorskip("safetensors.torch").save_file(state, path)


@pytest.mark.parametrize(
    ("ending", "write"), [("pt", write_torch), ("safetensors", write_safetensors)]
)
def test_two_processes_hold_weights_once(tmp_path, ending, write):
    path = tmp_path / f"toy.{ending}"
    write(ToyViT(WIDTH).state_dict(), path)
    write(ToyViT(16).state_dict(), small(path))
    call = "from tests.backbone.test_mapped_weights import run_model as f; f(*{!r})"
    processes = [
        subprocess.Popen([sys.executable, "-c", call.format((str(path), name))], cwd=ROOT)
        for name in ("one", "other")
    ]
    assert [process.wait(90) for process in processes] == [0, 0]
    size = path.stat().st_size / 1024
    for name in ("one", "other"):
        memory = json.loads((tmp_path / f"{name}.json").read_text())
        assert memory["Rss"] > 0.9 * size
        assert memory["Pss"] < 0.6 * size
        assert memory["Anonymous"] < 0.01 * size
        assert memory["grown"] < 0.3 * size, memory
