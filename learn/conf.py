"""How the site is built: `make site` runs every chapter with the embedded network and refuses any warning."""

from __future__ import annotations

import html
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.search.en import SearchEnglish

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from learn import measured, reference  # noqa: E402  (found from the root)

# chapters run with IPython as it comes, whatever the reader's own profile says, and quietly
PROFILE = ROOT / "build" / "ipython" / "profile_default"
PROFILE.mkdir(parents=True, exist_ok=True)
(PROFILE / "ipython_kernel_config.py").write_text("get_config().IPKernelApp.log_level = 40\n", encoding="utf-8")
os.environ["IPYTHONDIR"] = str(PROFILE.parent)
logging.getLogger("traitlets").setLevel(logging.WARNING)

EXTRA = ROOT / "build" / "extra"  # `make site` puts the exported page there
EXTRA.mkdir(exist_ok=True)

project = "Reverie"
author = "the maintainers of Reverie"
copyright = "MIT licence"

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
root_doc = "learn/index"
include_patterns = ["learn/**", "zh/**", "docs/**", "CONTRIBUTING.md", "CHANGELOG.md", "src/reverie/**/*.md"]
exclude_patterns = ["**/README.txt"]

nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "chapters")
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "html_image"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = "Reverie"
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_extra_path = [str(EXTRA)]
html_math_renderer = "mathml"
html_css_files = ["reverie.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

# `docs/check.py` follows every link
suppress_warnings = [
    "myst.xref_missing",
    "misc.highlighting_failure",
    "ref.python",
]


def write_api(app: Sphinx) -> None:
    """Write `learn/api.md` and a page for each room below it."""
    for name, text in reference.pages(ROOT / "src/reverie/__init__.pyi"):
        write_if_new(ROOT / "learn" / name, text)


def write_benchmarks(app: Sphinx) -> None:
    """Write `learn/benchmarks.md`: the figures of `benchmarks/*.json` as plots."""
    write_if_new(ROOT / "learn/benchmarks.md", measured.page(ROOT / "benchmarks"))


def write_if_new(page: Path, text: str) -> None:
    """Write a page unless it is there already, so that Sphinx need not read it again."""
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, encoding="utf-8")


_ASIDE = re.compile(r"(Source|In memory): ")
_CODE = re.compile(r"Example:$")


def part(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Set off what docstrings say of sources and memory, and their examples, from the sections around them."""
    parted: list[str] = []
    aside = code = False
    for line in lines:
        begins = not line.startswith(" ")
        aside = bool(_ASIDE.match(line)) if begins else aside
        code = bool(_CODE.match(line)) if begins else code
        if begins and (aside or code):
            parted += ["", "Example::" if code else line, *([""] if code else [])]
        else:
            parted.append(line.strip() if aside else line)
    lines[:] = parted


def show_math(writer: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers draw by themselves."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    writer.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


class Bilingual(SearchEnglish):
    """English words by their stems; Chinese also by each two characters, as it has no spaces."""

    def split(self, input: str) -> list[str]:
        """Split text into terms."""
        runs = re.findall(r"[\u4e00-\u9fff]{3,}", input)
        return [*super().split(input), *(run[i : i + 2] for run in runs for i in range(len(run) - 1))]


def languages(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Say which language a page is in, and link it to the same page in the other one."""
    here, _, page = name.partition("/")
    context["language"] = "zh-CN" if here == "zh" else "en"
    there = {"zh": "learn", "learn": "zh"}.get(here)
    if there is not None and page != "index" and f"{there}/{page}" in app.env.found_docs:
        code, label = ("en", "English") if there == "learn" else ("zh-CN", "中文")
        link = f'<a href="{context["pathto"](f"{there}/{page}")}" lang="{code}" hreflang="{code}">{label}</a>'
        context["body"] = f'<p class="other-language">{link}</p>{context["body"]}'
    if here == "zh":
        context["furo_navigation_tree"] = "".join(_chinese_navigation(app, name, context["pathto"]))


def _chinese_navigation(app: Sphinx, name: str, pathto: Callable[[str], str]) -> Iterator[str]:
    """Yield the list of pages beside a page in Chinese: those in Chinese, then the way to the rest."""
    yield '<p class="caption" role="heading"><span class="caption-text">中文</span></p><ul>'
    for page in ["zh/index", *app.env.toctree_includes["zh/index"]]:
        number = app.env.toc_secnumbers.get(page, {}).get("", ())
        title = " ".join([*(f"{n}." for n in number), html.escape(app.env.titles[page].astext())])
        kind = "toctree-l1 current current-page" if page == name else "toctree-l1"
        yield f'<li class="{kind}"><a class="reference internal" href="{pathto(page)}">{title}</a></li>'
    yield f'<li class="toctree-l1"><a class="reference internal" href="{pathto("learn/index")}">English</a></li></ul>'


def setup(app: Sphinx) -> None:
    """Generate the reference and the benchmarks before the pages are read; two languages in one site."""
    if (EXTRA / "live" / "index.html").exists():
        app.tags.add("live")
    app.add_search_language(Bilingual)
    app.add_html_math_renderer("mathml", (show_math, None), (show_math, None))
    app.connect("html-page-context", languages, priority=600)  # after the theme has drawn its list
    app.connect("builder-inited", write_api)
    app.connect("builder-inited", write_benchmarks)
    app.connect("autodoc-process-docstring", part, priority=400)  # before napoleon reads the sections
