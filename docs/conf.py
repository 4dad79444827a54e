"""Settings of Sphinx for the site that `make docs` builds from the Markdown of the repository."""

import re
import shutil
from pathlib import Path

project = "opskit"
extensions = ["myst_parser"]
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/*.md",
    "docs/**/*.md",
    "runbooks/*.md",
]
root_doc = "README"
nitpicky = True
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {
    "description": "Why an app on AWS cannot reach its database",
    "page_width": "70em",
    "show_powered_by": False,
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_copyright = False
html_copy_source = False


def add_contents(_app, name, text):
    """Add the list of pages that Sphinx's navigation needs: those that an index links."""
    if name == "README":
        linked = ["docs/README", "CONTRIBUTING", "CHANGELOG", "SECURITY"]
    elif name in ("docs/README", "docs/codes/README"):
        links = re.findall(r"\]\(([\w/.-]+)\.md\)", text[0])
        linked = [
            link
            for link in links
            if link not in ("../README", "../CONTRIBUTING", "../CHANGELOG", "../SECURITY")
        ]
    else:
        return
    text[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(dict.fromkeys(linked)) + "\n```\n"


def add_index(app, error):
    """Give the site the start page that servers look for."""
    if error is None:
        shutil.copyfile(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app):
    """Connect the two functions above."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_index)
