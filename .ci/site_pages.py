"""Pages of the documentation site that do not lie in docs/: README and others, and the API from the docstrings.

mkdocs calls these functions (`hooks` in mkdocs.yml). Links that lead out of docs/ are changed to the page of the site,
or to text if the file has no page.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "configs/README.md": "configs.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
    "src/qlit/engines/native/native.md": "engines/native.md",
}
"""Page of the site by its file in the repository; every page in docs/ keeps its name."""
API = {
    "qlit": ("qlit.serving.loading.load", "qlit.serving.pretrained"),
    "qlit.sklearn": ("qlit.sklearn",),
    "qlit.heads": ("qlit.heads",),
    "qlit.circuits": ("qlit.circuits", "qlit.circuits.drawing", "qlit.circuits.openqasm"),
    "qlit.engines": ("qlit.engines", "qlit.engines.shots", "qlit.engines.trajectories"),
    "qlit.data": ("qlit.data",),
    "qlit.training": ("qlit.training.datamodule", "qlit.training.module", "qlit.training.scores"),
    "qlit.serving": ("qlit.serving.predictor", "qlit.serving.server", "qlit.serving.mlflow_model"),
    "qlit.comparisons": ("qlit.comparisons.comparison", "qlit.comparisons.results", "qlit.comparisons.statistics"),
}
"""Modules and functions on each page of the API reference, by the title of the page."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Add the API to the navigation."""
    config.nav.append({"API": [f"api/{title}.md" for title in API]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for title, names in API.items():
        text = f"# {title}\n\n" + "".join(f"::: {name}\n\n" for name in names)
        files.append(File.generated(config, f"api/{title}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Change the links of a page."""
    here = page.file.src_uri
    sources = {target: source for source, target in PAGES.items()}
    source = sources.get(here, f"docs/{here}")
    return _LINK.sub(lambda found: _link(found, source, here), markdown)


def _link(found: re.Match[str], source: str, here: str) -> str:
    """A link as it is on the site; `source` is the file that has it, `here` its page."""
    mark, text, target, anchor = found[1], found[2], found[3], found[4] or ""
    if "://" in target or target.startswith("mailto:"):
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if path in PAGES:
        page = PAGES[path]
    elif path.startswith("docs/"):
        page = path.removeprefix("docs/")
    else:
        return f"{text} (`{path}`)" if text.strip("`") != path else f"`{path}`"
    return f"{mark}[{text}]({posixpath.relpath(page, posixpath.dirname(here) or '.')}{anchor})"
