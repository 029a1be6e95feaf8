import getpass
import os
import sys
from importlib.metadata import version
from pathlib import Path

import adestim
from adestim._support import show_versions as module


def read_shown(capsys):
    """Return what is printed, as lines without indentation."""
    adestim.show_versions()
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_versions_of_python_adestim_and_dependencies_are_shown(capsys):
    lines = read_shown(capsys)
    assert any(line.startswith(f"python: {sys.version.split()[0]}") for line in lines)
    assert f"adestim: {adestim.__version__}" in lines
    assert f"scikit-learn: {version('scikit-learn')}" in lines
    assert f"optuna: {version('optuna')}" in lines


def test_what_is_not_installed_is_said(capsys, monkeypatch):
    monkeypatch.setattr(
        module, "requires", lambda name: ["a-package-nobody-has>=1; extra == 'all'"]
    )
    assert "a-package-nobody-has: not installed" in read_shown(capsys)


def test_development_tools_are_left_out(capsys):
    assert not any(line.startswith(("pytest", "sphinx", "ruff")) for line in read_shown(capsys))


def test_processors_are_shown(capsys):
    lines = read_shown(capsys)
    assert f"cores: {os.cpu_count()}" in lines
    assert any(line.startswith("GPUs: ") for line in lines)


def test_no_path_and_no_name_of_a_user_is_shown(capsys):
    text = "\n".join(read_shown(capsys))
    assert str(Path.home()) not in text
    assert str(Path(adestim.__file__).parent) not in text
    assert f"/{getpass.getuser()}" not in text
