"""How a parameter is named for reading: a name or an ARN, perhaps with a version or a label.

Source: Systems Manager API Reference, GetParameter and GetParameters: `NAME:VERSION` and `NAME:LABEL`
select one version, and an ARN stands for a name. Only reading takes a selector; whatever describes,
writes or protects a parameter takes its plain name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opskit.errors import UsageError

ARN = re.compile(
    r"arn:aws[a-z-]*:ssm:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):parameter/(?P<path>[^:]+)"
    r"(?::(?P<selector>.*))?"
)
SELECTOR = re.compile(r"[A-Za-z0-9._-]{1,100}")
FORM = "NAME, NAME:VERSION, NAME:LABEL, or the same with the parameter's ARN for its name"


@dataclass(frozen=True, slots=True)
class ParameterReference:
    """One parameter as it was named.

    Attributes:
        text: what reading asks for.
        name: the plain name.
        selector: the version or the label; empty for the newest version.
        account, region: those of an ARN; empty where a name was given.
    """

    text: str
    name: str
    selector: str = ""
    account: str = ""
    region: str = ""

    def answers_to(self, name: str, arn: str, selector: str) -> bool:
        """Whether a reply's name, ARN and selector are those of this parameter."""
        base = self.text.removesuffix(f":{self.selector}") if self.selector else self.text
        return selector.lstrip(":") == self.selector and base in (name, arn)


def parse(text: str) -> ParameterReference:
    """Read how a parameter is named.

    Raises:
        UsageError: it has another form.
    """
    if text.startswith("arn:"):
        found = ARN.fullmatch(text)
        if found is None:
            raise UsageError(f"'{text}' is not the ARN of an SSM parameter", FORM)
        # An ARN has no slash of its own before a path, and a name without a path begins with none.
        path, selector = found["path"], found["selector"]
        name = f"/{path}" if "/" in path else path
        account, region = found["account"], found["region"]
    else:
        name, colon, rest = text.partition(":")
        selector, account, region = rest if colon else None, "", ""
    if selector is not None and not SELECTOR.fullmatch(selector):
        raise UsageError(f"'{text}' names no version and no label of a parameter", FORM)
    return ParameterReference(text, name, selector or "", account, region)
