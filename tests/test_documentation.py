"""The site: its list of names is complete, its pages are reachable, its examples compile."""

import ast
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import adestim

ROOT = Path(__file__).resolve().parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
GALLERY = sorted(EXAMPLES.glob("plot_*.py"))

# Modules whose names users import from there, beside all packages.
NAMED_MODULES = {
    "adestim.datasets.tables.read_table",
    "adestim.encoding",
    "adestim.exceptions",
    "adestim.extraction",
    "adestim.store",
}
# Of other modules: what docstrings tell users to look up.
NAMED_ALONE = {("adestim.training.adaptation", "AdaptationSettings")}


def listed():
    """Return the names on the page, as pairs of a module and a name in it."""
    pairs, module = [], None
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        heading = re.fullmatch(r"\.\. module:: (\S+)", line)
        module = heading[1] if heading else module
        entry = re.fullmatch(r"   (\w+)", line)
        pairs += [(module, entry[1])] if entry else []
    return pairs


def public():
    """Return every public name of the package, as pairs of a module and a name in it."""
    found = pkgutil.walk_packages(adestim.__path__, "adestim.")
    packages = {module.name for module in found if module.ispkg and "._" not in module.name}
    return NAMED_ALONE | {
        (name, attribute)
        for name in {"adestim"} | packages | NAMED_MODULES
        for attribute in getattr(importlib.import_module(name), "__all__", [])
    }


def values_of(pairs):
    """Return what the pairs stand for, by identity: packages pass names on."""
    pairs = sorted(pairs)
    return {id(getattr(importlib.import_module(name), key)): f"{name}.{key}" for name, key in pairs}


def test_the_reference_lists_every_public_name():
    shown, needed = values_of(listed()), values_of(public())
    assert not {needed[key] for key in needed.keys() - shown.keys()}, "add to docs/api.rst"
    assert not {shown[key] for key in shown.keys() - needed.keys()}, "not public"


def test_the_reference_lists_no_name_twice():
    assert len(values_of(listed())) == len(listed())


def test_every_page_is_in_a_table_of_contents():
    pages = {path.relative_to(DOCS) for path in DOCS.rglob("*.md")} | {Path("api.rst")}
    generated = ("_build", "auto_examples", "generated")
    pages = {page for page in pages if page.parts[0] not in generated}
    reached = {Path("index.md")}
    for page in pages:
        text = (DOCS / page).read_text(encoding="utf-8")
        for toctree in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
            entries = [line for line in toctree.split() if not line.startswith(":")]
            reached |= {page.parent / f"{entry}.md" for entry in entries} | {Path("api.rst")}
    assert pages <= reached, f"in no toctree: {sorted(pages - reached)}"


def test_the_installation_page_lists_every_extra_for_users():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"all", "doc", "lint", "test"}
    page = (DOCS / "installation.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)) == extras


def test_the_glossary_explains_no_term_twice():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\w[^\n]*)\n  \w", text, re.MULTILINE)
    assert len(terms) == len(set(terms)) >= 40


def test_the_gallery_is_numbered_without_a_gap():
    numbers = [int(path.name.split("_")[1]) for path in GALLERY]
    assert numbers == list(range(1, len(GALLERY) + 1))
    assert len(GALLERY) >= 10


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_examples_begin_with_a_title_and_compile(path):
    source = path.read_text(encoding="utf-8")
    _, title, rule, *_ = ast.get_docstring(ast.parse(source), clean=False).splitlines()
    assert len(title) == len(rule)
    assert set(rule) == {"="}
    compile(source, str(path), "exec")


@pytest.mark.slow
def test_an_example_runs_on_fewer_subjects(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    [path] = [path for path in GALLERY if "clinical" in path.name]
    source = path.read_text(encoding="utf-8")
    smaller = source.replace("make_cohort(150", "make_cohort(60").replace("cv=5", "cv=2")
    assert len(smaller) == len(source) - 1
    names = {"__name__": "example"}
    exec(compile(smaller, str(path), "exec"), names)
    plt.close("all")
    assert names["scores"]["allow"].mean() > names["scores"]["exclude"].mean()


@pytest.mark.parametrize("page", ["own_table.md", "reproducibility.md"])
@pytest.mark.usefixtures("few_penalties")
def test_programs_of_a_page_run_one_after_the_other(page, capsys):
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile("\n".join(blocks), page, "exec"), {"__name__": page})
    assert len(capsys.readouterr().out.splitlines()) > 3
