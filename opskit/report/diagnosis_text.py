"""Renders the diagnosis for a person at 3 a.m.: one line a layer, the cause, the fix, the next step."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence

from opskit.checks.fix import Fix
from opskit.checks.interface import LAYERS, CheckResult, Status
from opskit.checks.shell_rendering import Caller, chain
from opskit.checks.state_changes import summary
from opskit.commands import Command, OpskitCommand
from opskit.diagnosis.result import Diagnosis, Verdict
from opskit.diagnosis.unexplained import UnexplainedSymptom
from opskit.errors import Missing, alternatives_of
from opskit.escaping import visible, visible_lines
from opskit.reachability.path import PathOutcome
from opskit.report import network_path
from opskit.report.interface import Style

MARKS = {
    Status.PASS: ("✓", "ok", "32"),
    Status.FAIL: ("✗", "FAULT", "31;1"),
    Status.WARN: ("!", "warn", "33"),
    Status.SKIP: ("-", "skip", "2"),
    Status.UNKNOWN: ("?", "unknown", "35"),
}
"""Status -> mark, word for streams without marks, colour. Colour alone carries no information."""
OUTCOMES = {
    PathOutcome.PASS: Status.PASS,
    PathOutcome.PART: Status.WARN,
    PathOutcome.UNKNOWN: Status.UNKNOWN,
    PathOutcome.DROP: Status.FAIL,
}
HANGING = " " * 4
"""Indent of continuation lines, so that no text can imitate a heading or a command."""
WORST_FIRST = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS, Status.SKIP)


def render(diagnosis: Diagnosis, style: Style) -> str:
    """Render the whole text; commands to paste follow two blanks at the line's start and never wrap.

    Every fact's text is escaped by `_fold` or `visible`, before colour is added.
    """
    parts: list[str] = []
    if style.detail > 0:
        parts += [_head(diagnosis, style), "", *_layers(diagnosis, style)]
    if style.detail > 1:
        parts += ["", *_every_check(diagnosis, style)]
    if style.path_from:
        parts += ["", *_path(diagnosis, style)]
    for cause in diagnosis.root_causes:
        parts += ["", *_cause(cause, "ROOT CAUSE", diagnosis.caller, style)]
    for symptom in diagnosis.unexplained:
        parts += ["", *_unexplained(symptom, diagnosis, style)]
    for warning in _mendable(diagnosis) if style.detail > 0 else ():
        parts += ["", *_cause(warning, "WARNING", diagnosis.caller, style)]
    parts += ["", *_result(diagnosis, style)]
    text = "\n".join(parts).strip("\n")
    return text if style.unicode else _ascii(text)


def _head(diagnosis: Diagnosis, style: Style) -> str:
    location = diagnosis.target
    parts = [location.name, location.region, f"account {location.account or 'unknown'}"]
    if location.instance:
        via = f" via {location.via}" if location.via else ""
        name = location.instance_name or "the app's instance"
        parts.append(f"from {name} ({location.instance}){via}")
    if location.config_file:
        parts.append(f"settings from {location.config_file}")
    lines = _wrapped(" · ".join(parts), "", style)
    return "\n".join(_bold(line, style) for line in lines)


def _layers(diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    rows = []
    room = max(40, style.width - 18)
    roots = {j.check.code: j.check.layer for j in diagnosis.judged}
    shared = _shared(diagnosis)
    for layer in LAYERS:
        judged = [j for j in diagnosis.judged if j.check.layer == layer]
        if not judged or (layer == "identity" and all(_is_fine(j) for j in judged)):
            continue
        worst = min(judged, key=lambda j: (WORST_FIRST.index(j.finding.status), bool(j.caused_by)))
        text = _layer_text(judged, worst, roots, shared, room)
        rows.append((f"  {layer}", _mark(worst, style), text))
    yield from _aligned(rows, room)


def _shared(diagnosis: Diagnosis) -> dict[tuple[Missing, ...], list[CheckResult]]:
    """Group the checks that lack the same inputs, for those reported once at the end.

    These are inputs that several layers lack, or without which the verdict is undetermined.

    Returns:
        Missing inputs -> the checks that need them.
    """
    by_missing: dict[tuple[Missing, ...], list[CheckResult]] = {}
    for result in diagnosis.judged:
        if (
            result.finding.status is Status.UNKNOWN
            and result.finding.missing
            and not result.caused_by
        ):
            by_missing.setdefault(result.finding.missing, []).append(result)
    is_open = diagnosis.verdict is Verdict.UNDETERMINED
    return {
        missing: judged
        for missing, judged in by_missing.items()
        if len({j.check.layer for j in judged}) > 1
        or (is_open and any(j.check.is_essential for j in judged))
    }


def _not_judged(judged: Sequence[CheckResult], style: Style) -> Iterator[str]:
    """Report why some checks could not be judged, and each alternative input on a line of its own."""
    ordered = sorted(judged, key=lambda j: not j.check.is_essential)
    named = [j.check.code for j in ordered if j.check.is_essential] or [ordered[0].check.code]
    more = f" and {len(ordered) - len(named)} more" if len(ordered) > len(named) else ""
    # The first in causal order is nearest to what is missing; later ones only say what they need it for.
    finding = ordered[0].finding
    yield from _wrapped(f"{', '.join(named)}{more}: {finding.summary}", "  ", style)
    conjunction = "needs"
    for missing in finding.missing:
        for need in alternatives_of(missing):
            yield from _wrapped(f"{conjunction:>5} {need}", "    ", style)
            conjunction = "or"
        conjunction = "and"


def _aligned(rows: list[tuple[str, str, str]], room: int) -> Iterator[str]:
    for layer, mark, text in rows:
        first, *rest = _fold(text, room) or [""]
        yield f"{layer:<13} {mark} {first}"
        for line in rest:
            yield f"{'':<13}   {line}"


def _layer_text(
    judged: list[CheckResult],
    worst: CheckResult,
    roots: dict[str, str],
    shared: Collection[tuple[Missing, ...]],
    room: int,
) -> str:
    status = worst.finding.status
    if status is Status.PASS:
        return _best_sentence(judged, room)
    if worst.caused_by and status is Status.UNKNOWN:
        return f"not reached (because of {roots.get(worst.caused_by, worst.caused_by)})"
    if worst.caused_by:
        return f"{worst.finding.summary} (because of {roots.get(worst.caused_by, worst.caused_by)})"
    if status is Status.WARN:
        return " · ".join(j.finding.summary for j in judged if j.finding.status is Status.WARN)
    if status is Status.UNKNOWN and worst.finding.missing in shared:
        return "not judged: see below"
    if status is Status.UNKNOWN:
        missing = (
            f"; needs {', '.join(map(str, worst.finding.missing))}" if worst.finding.missing else ""
        )
        return f"not judged: {worst.finding.summary}{missing}"
    return worst.finding.summary


def _best_sentence(judged: list[CheckResult], room: int) -> str:
    """Return the sentences of the passed checks, as many as fit into a line."""
    passed = [j.finding.summary for j in judged if j.finding.status is Status.PASS]
    text, *more = dict.fromkeys(passed)
    for sentence in more:
        if len(text) + len(sentence) + 3 > room:
            break
        text += f" · {sentence}"
    return text


def _path(diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    """Render the path as a table, one checkpoint a line; long lines wrap below their start."""
    if diagnosis.network_paths is None:
        yield "The way could not be judged: see what is not judged above."
        return
    for row in network_path.rows(diagnosis.network_paths, whole=style.path_from == "alb"):
        status = OUTCOMES[row.outcome] if row.outcome else Status.SKIP
        mark = _color(_glyph(status, style), MARKS[status][2], style)
        indent = " " * (33 if style.unicode else 39)
        first, *rest = _fold(row.text, max(40, style.width - len(indent)), break_long_words=True)
        yield f"  {row.name:<28} {mark} {first}"
        yield from (indent + line for line in rest)


def _mendable(diagnosis: Diagnosis) -> Iterator[CheckResult]:
    """Yield warnings that have a fix; those of the hygiene layer are only listed."""
    for result in diagnosis.judged:
        if (
            result.finding.status is Status.WARN
            and result.finding.fix
            and result.check.layer != "hygiene"
        ):
            yield result


def _unexplained(symptom: UnexplainedSymptom, diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    """Render a symptom without a cause: why none is determined comes before the advice."""
    is_alone = diagnosis.verdict is Verdict.CAUSE_NOT_DETERMINED
    heading = "CAUSE NOT DETERMINED" if is_alone else "NOT EXPLAINED"
    why = symptom.sentence(diagnosis.target.operator)
    command = OpskitCommand(("diagnose", "db")) if symptom.not_run else None
    yield from _cause(symptom.result, heading, diagnosis.caller, style, why, command)


def _cause(
    cause: CheckResult,
    heading: str,
    caller: Caller,
    style: Style,
    why: str = "",
    next_command: Command | None = None,
) -> Iterator[str]:
    """Render a root cause, a warning or a symptom, with its evidence, its fix and the next steps.

    Args:
        why: after the evidence, why the cause of a symptom is not determined.
        next_command: before the fix, the command that tells more of the cause.
    """
    finding, check = cause.finding, cause.check
    for line in _wrapped(f"{heading}  {check.code}  {finding.summary}.", "", style):
        yield _color(line, "31;1" if finding.status is Status.FAIL else "33;1", style)
    for evidence in finding.evidence:
        yield from _wrapped(f"{evidence.basis}: {evidence.text}", "  ", style)
    if why:
        yield from _wrapped(f"{why}.", "  ", style)
    if next_command:
        yield from _commands([next_command], caller, style)
    yield ""
    if finding.fix is not None:
        yield from _fix(finding.fix, caller, style)
    else:
        nothing = f"No command is offered; opskit explain {check.code} tells what is usual."
        yield from _wrapped(f"ADVICE  {finding.advice or nothing}", "", style, bold=True)
        for command in finding.advice_commands:
            yield from _commands([command], caller, style)
    yield ""
    more = f"opskit explain {check.code}"
    if check.code in style.runbooks:
        more += f" · opskit runbook show {style.runbooks[check.code]}"
    yield f"THEN  {visible(style.command)}"
    yield f"MORE  {more}"


def _fix(fix: Fix, caller: Caller, style: Style) -> Iterator[str]:
    """Render a fix: the change, its risks, and only then the commands and how to undo them."""
    yield from _wrapped(f"FIX  {fix.does or summary(fix.changes)}", "", style, bold=True)
    for change in fix.changes:
        yield from _wrapped(f"changes  {change.text}", "  ", style)
    cautions = [*fix.dangers, *([fix.ask] if fix.ask else [])]
    for caution in cautions:
        yield from _wrapped(f"caution  {caution}", "  ", style)
    if fix.caution:
        yield from _wrapped(f"note     {fix.caution}", "  ", style)
    yield from _commands(fix.commands, caller, style)
    if fix.undo:
        yield "UNDO"
        yield from _commands(fix.undo, caller, style)
    elif fix.no_undo:
        yield from _wrapped(f"UNDO  none: {fix.no_undo}", "", style)


def _commands(commands: Sequence[Command], caller: Caller, style: Style) -> Iterator[str]:
    """Render commands to paste; one that the stream's encoding would alter is withheld."""
    text = chain(commands, caller)
    lines = text.split("\n")
    if lines != visible_lines(text) or not (style.unicode or text.isascii()):
        yield "  (it has characters that this terminal cannot show; --output json prints it)"
        return
    yield from (f"  {line}" for line in lines)


def _every_check(diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    for result in diagnosis.judged:
        because = f" (because of {result.caused_by})" if result.caused_by else ""
        yield f"  {result.check.code}  {_mark(result, style)} {visible(result.finding.summary)}{because}"
        for evidence in result.finding.evidence:
            yield from _wrapped(f"{evidence.basis}: {evidence.text}", "            ", style)
        for missing in result.finding.missing:
            yield f"            missing: {visible(str(missing))}"


def _result(diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    by_status = {s: sum(j.finding.status is s for j in diagnosis.judged) for s in Status}
    unknown, warnings = len(diagnosis.not_judged), by_status[Status.WARN]
    if diagnosis.verdict is Verdict.HEALTHY:
        note = f" · {warnings} {'warning' if warnings == 1 else 'warnings'}" if warnings else ""
        yield _color(
            f"  {_glyph(Status.PASS, style)} {by_status[Status.PASS]} checks passed{note}",
            "32",
            style,
        )
    shared = _shared(diagnosis)
    if diagnosis.verdict is Verdict.UNDETERMINED:
        yield _bold("Nothing failed, but something essential could not be judged:", style)
    elif shared and style.detail > 0:
        yield _bold("Not judged:", style)
    if diagnosis.verdict is Verdict.UNDETERMINED or style.detail > 0:
        for judged in shared.values():
            yield from _not_judged(judged, style)
    if diagnosis.verdict is Verdict.UNDETERMINED:
        for result in diagnosis.judged:
            is_told = result.finding.missing in shared
            if (
                result.finding.status is Status.UNKNOWN
                and result.check.is_essential
                and not is_told
            ):
                yield from _not_judged([result], style)
        if not diagnosis.bugs:
            yield f"MORE  {visible(style.operator_command)}   asks what your side lacks"
    if diagnosis.verdict is Verdict.DEGRADED:
        healthy = next(j for j in diagnosis.judged if j.check.code == "APP003")
        yield from _wrapped(f"The app still answers: {healthy.finding.summary}.", "  ", style)
    calls = f"{diagnosis.calls} AWS calls in {diagnosis.rounds} rounds"
    counted = f"{len(diagnosis.judged)} checks · {calls} · {diagnosis.seconds:.1f} s"
    not_judged = f" · {unknown} not judged" if unknown else ""
    yield _dim(f"{counted}{not_judged}        exit {int(diagnosis.exit_status)}", style)


def _is_fine(judged: CheckResult) -> bool:
    return judged.finding.status in (Status.PASS, Status.SKIP)


def _mark(judged: CheckResult, style: Style) -> str:
    status = judged.finding.status
    if judged.caused_by:
        return _dim(_glyph(status, style), style)
    return _color(_glyph(status, style), MARKS[status][2], style)


def _glyph(status: Status, style: Style) -> str:
    mark, plain, _ = MARKS[status]
    return mark if style.unicode else f"{plain:<7}"


def _wrapped(text: str, indent: str, style: Style, *, bold: bool = False) -> Iterable[str]:
    rest = indent + HANGING
    lines = _fold(text, style.width, (indent, rest))
    return [_bold(line, style) for line in lines] if bold else lines


def _fold(
    text: str, width: int, indents: tuple[str, str] = ("", ""), *, break_long_words: bool = False
) -> list[str]:
    """Return the text, escaped, in lines of a width; names and paths are not split."""
    return textwrap.wrap(
        visible(text),
        width,
        break_long_words=break_long_words,
        break_on_hyphens=False,
        initial_indent=indents[0],
        subsequent_indent=indents[1],
    )


def _color(text: str, code: str, style: Style) -> str:
    return f"\033[{code}m{text}\033[0m" if style.color else text


def _bold(text: str, style: Style) -> str:
    return _color(text, "1", style)


def _dim(text: str, style: Style) -> str:
    return _color(text, "2", style)


def _ascii(text: str) -> str:
    return text.replace("·", "-").replace("→", "->").encode("ascii", "replace").decode()
