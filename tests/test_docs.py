"""The documentation: its links, and its reference pages against the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs import generate
from opskit.checks.catalogue import CODES, check_of
from opskit.cli.main import cli
from opskit.config import ALSO_IN, SETTINGS
from opskit.credential_source import CREDENTIAL_SOURCES
from opskit.engine import ENGINES
from opskit.errors import ExitStatus
from opskit.transport import CHOICES, TRANSPORTS
from opskit.workload import WORKLOADS
from tests.report.test_text import without_counts

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *(ROOT / ".github").rglob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "runbooks").glob("*.md"),
    ]
)
HEADINGS = [
    "Two commands",
    "Install",
    "First use on a real account",
    "What it reads, and what it never does",
    "Rotation",
    "Supported",
    "Links",
]
"""The README's sections, after its sentence and its picture."""
VARIABLE = re.compile(r"\bOPSKIT_[A-Z][A-Z_]*[A-Z]\b")
NO_VARIABLES = {"OPSKIT_PROGRAM"}
"""The end mark of a here-document."""


def without_code(text: str) -> str:
    """A page without its code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def links(text: str) -> list[str]:
    """The destinations of a page's relative links."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_code(text))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    names = set()
    outside = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for heading in re.findall(r"^#+ +(.+?) *$", outside, re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = found.get(slug, 0)
        names.add(f"{slug}-{number}" if number else slug)
        found[slug] = number + 1
    return names


def broken(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    found = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("README.md", False),
        ("README.md#install", False),
        ("#two-commands", False),
        ("docs/transports.md#the-databases-identity", False),
        ("docs", False),
        ("https://example.com/none", False),
        ("none.md", True),
        ("README.md#none", True),
        ("#none", True),
    ],
)
def test_the_search_finds_broken_links(link: str, is_broken: bool) -> None:
    text = f"[a]({link}) `[b](none.md)`\n```\n[c](none.md)\n```\n"
    assert broken(ROOT / "README.md", text) == ([link] if is_broken else [])


def test_anchors_are_numbered_and_code_has_none() -> None:
    text = "# `A` b's, c\n## Fix\n```sh\n# no heading\n```\n## Fix\n"
    assert anchors(text) == {"a-bs-c", "fix", "fix-1"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_the_indexes_link_every_page() -> None:
    indexes = {(DOCS / "README.md").resolve(), (DOCS / "codes" / "README.md").resolve()}
    linked = {
        (index.parent / link.partition("#")[0]).resolve()
        for index in indexes
        for link in links(index.read_text())
    }
    pages = {page.resolve() for page in PAGES if ".github" not in page.parts}
    assert pages - indexes - linked == set()
    assert DOCS.resolve() / "codes" / "README.md" in linked


def test_the_generated_pages_follow_from_the_code() -> None:
    assert generate.stale() == [], "write them: python -m docs.generate (also part of make docs)"


def test_a_page_is_stale_when_the_code_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    monkeypatch.setattr(generate, "pages", lambda: {"codes/NET001.md": "page", "facts.md": "table"})
    assert generate.stale() == ["codes/NET001.md", "facts.md"]
    generate.write()
    assert generate.stale() == []
    (tmp_path / "codes" / "NET001.md").write_text("other")
    (tmp_path / "codes" / "OLD001.md").write_text("retired")
    (tmp_path / "facts.md").unlink()
    assert generate.stale() == ["codes/NET001.md", "codes/OLD001.md", "facts.md"]
    generate.write()
    assert generate.stale() == []
    assert [path.name for path in (tmp_path / "codes").iterdir()] == ["NET001.md"]


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_has_the_text_that_explain_prints(code: str) -> None:
    page = (DOCS / "codes" / f"{code}.md").read_text()
    plain = re.sub(r"\[([A-Z]{3}\d{3})\]\(\w+\.md\)", r"\1", page).replace("**", "")
    plain = re.sub(r"\\([*_<\[\]])", r"\1", plain)
    for paragraph in re.split(
        r"\n(?=[A-Z][\w ]*: )", check_of(code).page.partition("\n")[2].strip()
    ):
        assert paragraph in plain


@pytest.mark.parametrize(
    ("fact", "actions"),
    [
        ("Subnets", "`ec2:DescribeSubnets`"),
        ("LoadBalancer", "`elasticloadbalancing:DescribeListeners`<br>"),
        ("VpcScope", "computed from `Target`, `Database`"),
        ("Identity", "`sts:GetCallerIdentity`"),
        ("InstanceProbe", "a probe"),
    ],
)
def test_the_facts_name_their_calls(fact: str, actions: str) -> None:
    (row,) = re.findall(rf"^\| `{fact}` \|.*$", (DOCS / "facts.md").read_text(), re.M)[:1]
    assert f" | {actions}" in row


def test_the_readme_is_short_and_in_order() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS


def test_the_readme_shows_real_output() -> None:
    real = (ROOT / "tests" / "golden" / "broken.txt").read_text().strip("\n")
    picture = f"```\n$ opskit diagnose db --prefix /linkbox\n{real}\n```\n"
    assert picture in without_counts((ROOT / "README.md").read_text())


def test_the_readme_names_what_is_supported() -> None:
    section = (ROOT / "README.md").read_text().partition("\n## Supported\n")[2]
    rows = dict(re.findall(r"^\| (\w+)[^|]* \| (.*) \|$", section, re.M))
    words = {
        "engines": {"postgres": "RDS for PostgreSQL", "aurora-postgresql": "Aurora PostgreSQL"},
        "sources": {"ssm-parameters": "SSM Parameter Store"},
        "workloads": {"ec2-instance": "EC2", "ecs-task": "ECS task"},
        "transports": {via: f"`{via}`" for via in TRANSPORTS},
    }
    registries = {
        "engines": ENGINES,
        "sources": CREDENTIAL_SOURCES,
        "workloads": WORKLOADS,
        "transports": TRANSPORTS,
    }
    for row, registry in registries.items():
        assert [name for name in registry if words[row][name] not in rows[row]] == [], row
    transports = (DOCS / "transports.md").read_text()
    assert [via for via in CHOICES if not re.search(rf"^\| `{via}`", transports, re.M)] == []


def test_every_setting_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", text, re.M))
    assert [setting for setting in SETTINGS if setting not in rows] == []
    flags = {option for command in commands() for option in options_of(command)}
    for setting in SETTINGS:
        cells = rows[setting].split(" | ")
        flag = f"--{setting.replace('_', '-')}"
        assert (cells[0] == f"`{flag}`") is (flag in flags), setting
        variables = [f"OPSKIT_{setting.upper()}", *ALSO_IN.get(setting, ())]
        assert re.findall(r"`(\w+)`", rows[setting].split("|")[1]) == variables


def test_every_environment_variable_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text()
    used = {
        name
        for path in (ROOT / "opskit").rglob("*")
        if path.suffix in (".py", ".sh")
        for name in VARIABLE.findall(path.read_text())
    }
    assert "OPSKIT_ROTATION_FENCE" in used
    assert used - NO_VARIABLES - set(VARIABLE.findall(text)) == set()


def test_no_page_names_a_variable_that_is_not_read() -> None:
    read = {f"OPSKIT_{setting.upper()}" for setting in SETTINGS} | {
        name
        for path in (ROOT / "opskit").rglob("*.py")
        for name in re.findall(r'\.get\("(OPSKIT_\w+)"', path.read_text())
    }
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        assert set(VARIABLE.findall(page.read_text())) - read == set(), page


def commands(command: click.Command = cli) -> Iterator[click.Command]:
    """A command and all commands below it."""
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found)


def options_of(command: click.Command) -> list[str]:
    """The names of a command's options, short ones too."""
    return [
        name
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    ]


def test_every_flag_is_documented_and_no_other() -> None:
    text = (DOCS / "configuration.md").read_text()
    documented = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
    real = {name for command in commands() for name in options_of(command)} | {"--help", "-h"}
    assert real - documented == set()
    assert {name for name in documented if name.startswith("--")} - real == set()


def test_every_exit_status_is_documented() -> None:
    text = (DOCS / "exit-statuses.md").read_text()
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", text, re.M)] == [int(s) for s in ExitStatus]
