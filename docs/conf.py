"""Settings of Sphinx: ``make docs`` builds the site into ``docs/_build/html``."""

import os
import sys
import warnings
from pathlib import Path

import matplotlib as mpl

import adestim

mpl.use("Agg")
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# The gallery's own back end is a module, which its worker finds by name.
sys.path.insert(0, str(EXAMPLES))
os.environ.setdefault("TQDM_DISABLE", "1")
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")

project = "adestim"
author = "The adestim developers"
copyright = author
version = release = adestim.__version__
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
default_role = "code"
# References within adestim must lead somewhere; those to other packages are plain text.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!adestim\b).*")]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # tables of models stand one level lower than their page needs

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say types, in words
autodoc_inherit_docstrings = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
# What scikit-learn and torch give to every class is in their own pages.
ROUTING = "set_{}_request"
autodoc_default_options = {
    "inherited-members": (
        "BaseEstimator,ClassifierMixin,RegressorMixin,TransformerMixin,Module,Exception,Warning"
    ),
    "exclude-members": ",".join(
        [
            *(ROUTING.format(verb) for verb in ("fit", "predict", "score", "split", "transform")),
            *(ROUTING.format(f"predict_{what}") for what in ("proba", "log_proba")),
            "get_metadata_routing",
            "set_output",
            "with_traceback",
            "add_note",
        ]
    ),
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("adestim",),
    "remove_config_comments": True,
    "download_all_examples": False,
    "matplotlib_animations": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1,
    "capture_repr": ("_repr_html_",),
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = f"adestim {version}"
html_favicon = "_static/favicon.svg"
# Prompts and what programs answer are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_static_path = ["_static"]
html_css_files = ["adestim.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "installation": [], "glossary": []}
html_context = {"default_mode": "auto"}
