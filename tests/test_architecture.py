"""What holds for the package as a whole: its names, its weight, its shape, its errors."""

import ast
import importlib
import inspect
import io
import os
import pickle
import pkgutil
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpydoc.validate import validate

import adestim
from adestim.exceptions import AdestimError, AdestimWarning

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "adestim"
MODULES = ["adestim", *(m.name for m in pkgutil.walk_packages(adestim.__path__, "adestim."))]
SOURCES = sorted(
    path
    for folder in ("adestim", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
)

WITHOUT_MIRROR = {
    "_support/version.py": "a constant, compared with the one to cite here",
    "_support/docs.py": "a decorator; the docstrings it fills are checked against signatures here",
}

# Functions that Python itself calls, or that are overloads of one single-dispatch function.
HOOKS = {"_", "__getattr__"}
# One is public, the other reads the tables of runs.
SEVERAL_MEANINGS = {"read_table"}

# numpydoc: no docstring; parameters missing, unknown, in another order, without a type.
DOCSTRING_RULES = {"GL08", "PR01", "PR02", "PR03", "PR04"}

MAX_FUNCTION_LINES = 50
MAX_FUNCTION_LINES_P90 = 25
MAX_FILE_LINES = 500
MAX_NESTING = 3
MAX_INTERNAL_DOCSTRING = 12
SHARE_OF_ONE_LINE = 0.85

SECTION = re.compile(r"^-{3,}$", flags=re.MULTILINE)

# Doors pass on what others define.
DOORS = {"adestim._support.sklearn"}

BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

NOT_OURS = {
    "adestim.egg-info", "auto_examples", "build", "demo_output", "dist", "generated", "__pycache__",
    "_build",
}  # fmt: skip
TEXT_SUFFIXES = {
    "", ".cff", ".cfg", ".csv", ".in", ".ini", ".json", ".md", ".py", ".rst", ".sh", ".toml",
    ".tsv", ".txt", ".yaml", ".yml",
}  # fmt: skip
# Written in two parts, so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.~}>)])/" + r"(?:work|tmp|root|home|Users)(?![\w.-])")


# Names


def public_names():
    """The names of ``docs/api.rst``: pairs of the module that users import from, and the name."""
    module, names = "", []
    for line in (ROOT / "docs" / "api.rst").read_text(encoding="utf-8").splitlines():
        heading = re.match(r"\.\. module:: (\S+)", line)
        entry = re.match(r"   (\w+)$", line)
        module = heading.group(1) if heading else module
        names += [(module, entry.group(1))] if entry else []
    return names


PUBLIC = public_names()


def is_public_method(name, member):
    """Tell whether a member of a class is a method or a property that users call."""
    held = (getattr(member, kind, None) for kind in ("fget", "__func__", "fn"))
    function = next((one for one in held if one is not None), member)
    return not name.startswith("_") and inspect.isfunction(function)


def methods_of(cls):
    """The public methods of a class that are ours, those of its bases included."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("adestim")]
    return {
        name: base
        for base in reversed(ours)
        for name, member in vars(base).items()
        if is_public_method(name, member)
    }


@cache
def public_objects():
    """Where the public names and their methods are defined: (module, qualified name)."""
    found = set()
    for module, name in PUBLIC:
        value = getattr(importlib.import_module(module), name)
        if not callable(value):
            continue
        found.add((value.__module__, value.__qualname__))
        for method, base in methods_of(value).items() if inspect.isclass(value) else ():
            found |= {(base.__module__, f"{base.__qualname__}.{method}")}
    return found


@cache
def internal_docstrings():
    """Docstrings of all functions and classes that are not public, by where they stand."""
    return {
        f"{module}.{name}": text
        for path in sorted(PACKAGE.rglob("*.py"))
        for module in [dotted(path)]
        for name, text in docstrings_below(ast.parse(path.read_text(encoding="utf-8")))
        if (module, name) not in public_objects()
    }


def dotted(path):
    """The importable name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def docstrings_below(node, prefix=""):
    """Yield the qualified names of functions and classes with their docstrings."""
    for child in ast.iter_child_nodes(node):
        is_scope = isinstance(child, (*FUNCTIONS, ast.ClassDef))
        name = f"{prefix}{child.name}" if is_scope else prefix.rstrip(".")
        if is_scope and ast.get_docstring(child):
            yield name, ast.get_docstring(child)
        yield from docstrings_below(child, f"{name}." if name else "")


def parameters_by_name():
    """Parameters of every function of a module, as a set by name: one where it has one meaning."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, FUNCTIONS) and node.name not in HOOKS:
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                parameters = tuple(argument.arg for argument in given)
                found.setdefault(node.name, set()).add(parameters)
    return found


def names_of_several_meanings():
    """Names of functions that are defined in several modules with different parameters."""
    return {name for name, kinds in parameters_by_name().items() if len(kinds) > 1}


def test_a_name_has_one_meaning():
    unclear = names_of_several_meanings() - SEVERAL_MEANINGS
    assert not unclear, f"other functions of the package have these names: {sorted(unclear)}"


def test_names_of_several_meanings_are_still_needed():
    stale = SEVERAL_MEANINGS - names_of_several_meanings()
    assert not stale, f"one meaning is left; remove from SEVERAL_MEANINGS: {sorted(stale)}"


@pytest.mark.parametrize("name", MODULES)
def test_every_promised_name_exists(name):
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    missing = [public for public in names if not hasattr(module, public)]
    assert not missing, f"{name}.__all__ promises {missing}"
    assert len(names) == len(set(names)), f"{name}.__all__ repeats a name"


def test_only_what_users_import_promises_names():
    users = {module for module, _ in PUBLIC} | DOORS
    packages = {dotted(path) for path in PACKAGE.rglob("__init__.py")}
    promising = {name for name in MODULES if hasattr(importlib.import_module(name), "__all__")}
    assert not promising - users - packages, "an __all__ that no user needs"


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_public_functions_say_their_types(module, name):
    value = getattr(importlib.import_module(module), name)
    assert not inspect.isfunction(value) or "return" in value.__annotations__


def docstring_problems(target):
    """What numpydoc finds wrong; a docstring of one sentence need not list its parameters."""
    found = validate(target)
    sections = re.search(r"^ *Parameters$", found["docstring"] or "", flags=re.MULTILINE)
    rules = DOCSTRING_RULES if sections else DOCSTRING_RULES - {"PR01"}
    return [text for code, text in found["errors"] if code in rules]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_public_docstrings_agree_with_signatures(module, name):
    value = getattr(importlib.import_module(module), name)
    home = f"{getattr(value, '__module__', module)}.{name}"
    targets = [home] if callable(value) else []
    if inspect.isclass(value):
        targets += [
            f"{base.__module__}.{base.__qualname__}.{method}"
            for method, base in methods_of(value).items()
        ]
    problems = {target: docstring_problems(target) for target in targets}
    assert not {target: texts for target, texts in problems.items() if texts}


def test_internal_docstrings_have_no_sections():
    offenders = [where for where, text in internal_docstrings().items() if SECTION.search(text)]
    assert not offenders, f"one line, shapes where there are arrays: {offenders}"


def test_internal_docstrings_are_short():
    """A line; where needed shapes, a reason, and the source of a fact."""
    lengths = {where: len(text.splitlines()) for where, text in internal_docstrings().items()}
    long = {where: n for where, n in lengths.items() if n > MAX_INTERNAL_DOCSTRING}
    assert not long, f"more than {MAX_INTERNAL_DOCSTRING} lines: {long}"
    assert np.mean([n == 1 for n in lengths.values()]) >= SHARE_OF_ONE_LINE


@pytest.mark.parametrize("public", adestim.__all__)
def test_what_the_package_offers_is_documented_with_an_example(public):
    errors = validate(f"{getattr(adestim, public).__module__}.{public}")["errors"]
    problems = [text for code, text in errors if code in DOCSTRING_RULES | {"EX01"}]
    assert not problems, problems


def test_version_is_the_one_to_cite():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {adestim.__version__}\n" in citation


# Weight


def modules_after(statement):
    """Names of the top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(result.stdout.split())


def test_import_of_the_package_is_light():
    heavy = {"torch", "skorch", "transformers", "matplotlib", "optuna", "imblearn", "dipy"}
    assert modules_after("import adestim") & heavy == set()


@pytest.mark.parametrize("name", ["ModalityUnion", "AnchoredFusionClassifier"])
def test_import_of_an_estimator_brings_no_optional_package(name):
    optional = {"transformers", "matplotlib", "optuna", "imblearn", "dipy"}
    assert modules_after(f"from adestim import {name}") & optional == set()


# Rooms

MAX_ROOMS = 13


def floors_of_the_contract():
    """The rows of the import contract, each with its sentence."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [block] = re.findall(r"\nlayers = \[(.+?)\n\]", text, flags=re.DOTALL)
    return [(row, said) for said, row in re.findall(r'\n    # (.+)\n    "(.+)",', block)]


def floors_of_the_guide():
    """The rows of the contributing guide, each with its sentence."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```\n(handover .+?)```", guide, flags=re.DOTALL)
    rows = (re.split(r"  +", line, maxsplit=1) for line in block.splitlines())
    return [(row, said.strip()) for row, said in rows]


def test_the_guide_says_who_may_import_whom_as_the_contract_does():
    assert floors_of_the_contract() == floors_of_the_guide()
    assert len(floors_of_the_contract()) == 9


def test_the_package_root_has_rooms_and_no_loose_modules():
    names = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    rooms = {name for name in names if (PACKAGE / name).is_dir()}
    assert names - rooms == {"__init__.py", "exceptions.py", "py.typed"}
    assert len(rooms) == MAX_ROOMS


# Shape


def mirrors(module):
    """Paths where the tests of a module may be: the package's leading underscore is optional."""
    folder = ROOT / "tests" / module.parent
    return [folder / f"test_{module.stem}.py", folder / f"test_{module.stem.lstrip('_')}.py"]


def modules_without_tests():
    """Modules, relative to the package, whose mirrored test file does not exist."""
    modules = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return {
        module.as_posix()
        for module in modules
        if module.name != "__init__.py" and not any(path.is_file() for path in mirrors(module))
    }


def test_every_module_has_its_tests():
    untested = modules_without_tests() - set(WITHOUT_MIRROR)
    assert not untested, f"write tests/<package>/test_<module>.py for {sorted(untested)}"


def test_exceptions_from_the_mirror_are_still_needed():
    stale = set(WITHOUT_MIRROR) - modules_without_tests()
    assert not stale, f"has tests or is gone; remove from WITHOUT_MIRROR: {sorted(stale)}"


@cache
def functions():
    """All functions of the sources: (where, number of code lines, nesting)."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length, nesting_of(node))
        for path in SOURCES
        for node, length in measured_functions(path.read_text(encoding="utf-8"))
        if not only_assigns(node)
    ]


def only_assigns(function):
    """Tell whether a function is a constructor that keeps its parameters and does nothing else."""
    return function.name == "__init__" and all(
        isinstance(line, ast.Assign)
        and isinstance(line.targets[0], ast.Attribute)
        and isinstance(line.value, ast.Name)
        and line.targets[0].attr == line.value.id
        for line in function.body
    )


def measured_functions(source):
    """Yield every function of a source with its number of code lines, docstring left out."""
    lines = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTIONS):
            own = set(range(node.lineno, node.end_lineno + 1)) - docstring_lines(node)
            yield node, len(own & lines)


def code_lines(source):
    """Numbers of the lines that hold more than white space and comments."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        line
        for token in tokens
        if token.type not in skipped
        for line in range(token.start[0], token.end[0] + 1)
    }


def docstring_lines(function):
    """Numbers of the lines of the docstrings of a function and of the functions inside it."""
    return {
        line
        for node in ast.walk(function)
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }


def nesting_of(node):
    """Deepest nesting of blocks; an ``elif`` is as deep as its ``if``."""
    return max(
        (nesting_below(child, parent=node) for child in ast.iter_child_nodes(node)), default=0
    )


def nesting_below(child, parent):
    """Deepest nesting that a child node adds to its parent."""
    is_elif = isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child]
    return int(isinstance(child, BLOCKS) and not is_elif) + nesting_of(child)


def test_measures_of_a_known_function():
    source = '''
def f(x):
    """Docstring
    of two lines."""
    # a comment

    for i in x:
        if i:
            return 1
        elif x:
            with x:
                pass
    text = """two
    lines"""
'''
    [(node, length)] = measured_functions(source)
    assert (length, nesting_of(node)) == (9, 3)


def test_functions_are_short():
    long = [(where, length) for where, length, _ in functions() if length > MAX_FUNCTION_LINES]
    assert not long, f"more than {MAX_FUNCTION_LINES} lines of code: {long}"


def test_nine_functions_in_ten_are_very_short():
    lengths = [length for where, length, _ in functions() if where.startswith("adestim")]
    assert np.percentile(lengths, 90) <= MAX_FUNCTION_LINES_P90


def test_functions_are_shallow():
    deep = [(where, depth) for where, _, depth in functions() if depth > MAX_NESTING]
    assert not deep, f"more than {MAX_NESTING} nested blocks: {deep}"


def test_files_are_short():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES
    }
    long = {name: length for name, length in lengths.items() if length > MAX_FILE_LINES}
    assert not long, f"more than {MAX_FILE_LINES} lines: {long}"


def project_files():
    """Yield the text files of the project, without environments, caches and outputs."""
    for name, folders, files in os.walk(ROOT):
        folders[:] = [one for one in folders if one == ".ci" or is_ours(one)]
        paths = (Path(name, file) for file in files if file != ".git")
        yield from (path for path in paths if path.suffix in TEXT_SUFFIXES)


def is_ours(folder):
    """Tell the project's folders from caches, environments and outputs."""
    return not folder.startswith(".") and folder not in NOT_OURS


def test_no_file_knows_the_machine_it_was_written_on():
    offenders = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in project_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not offenders, f"absolute paths of a machine in {offenders}"


# Errors


def descendants(cls):
    """All classes below a class, the class included."""
    return [cls, *(below for child in cls.__subclasses__() for below in descendants(child))]


def all_problems():
    """Every error and warning class of the library."""
    for name in MODULES:
        importlib.import_module(name)
    return sorted({*descendants(AdestimError), *descendants(AdestimWarning)}, key=str)


def test_every_error_survives_pickling():
    for cls in all_problems():
        is_error = issubclass(cls, AdestimError)
        problem = cls("The rule", "a", "Do b", "sub-01") if is_error else cls("The message")
        copy = pickle.loads(pickle.dumps(problem))
        assert type(copy) is cls
        assert (str(copy), copy.__dict__) == (str(problem), problem.__dict__), cls
