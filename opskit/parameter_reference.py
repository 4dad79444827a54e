"""References to a parameter for reading: a name or an ARN, perhaps with a version or a label.

Source: Systems Manager API Reference, GetParameter and GetParameters: `NAME:VERSION` and `NAME:LABEL`
select one version, and an ARN stands for a name. Only reads accept a selector; calls that describe, write
or protect a parameter need its plain name.
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
    """One parameter as the user named it.

    Attributes:
        text: the argument of a read.
        name: the plain name.
        selector: the version or the label; empty for the newest version.
        account, region: of the ARN; empty where a name was given.
    """

    text: str
    name: str
    selector: str = ""
    account: str = ""
    region: str = ""

    def answers_to(self, name: str, arn: str, selector: str) -> bool:
        """Whether the name, ARN and selector of a reply belong to this parameter."""
        base = self.text.removesuffix(f":{self.selector}") if self.selector else self.text
        return selector.lstrip(":") == self.selector and base in (name, arn)


def arn_of(name: str, partition: str, region: str, account: str) -> str:
    """The ARN of a parameter: one slash before the path, whether or not the name begins with one."""
    return f"arn:{partition}:ssm:{region}:{account}:parameter/{name.lstrip('/')}"


def parse(text: str) -> ParameterReference:
    """Parse a reference to a parameter.

    Raises:
        UsageError: it has a wrong form.
    """
    if text.startswith("arn:"):
        match = ARN.fullmatch(text)
        if match is None:
            raise UsageError(f"'{text}' is not the ARN of an SSM parameter", FORM)
        # An ARN has no slash of its own before a path; a name without a path begins without one.
        path, selector = match["path"], match["selector"]
        name = f"/{path}" if "/" in path else path
        account, region = match["account"], match["region"]
    else:
        name, colon, rest = text.partition(":")
        selector, account, region = rest if colon else None, "", ""
    if selector is not None and not SELECTOR.fullmatch(selector):
        raise UsageError(f"'{text}' names no version and no label of a parameter", FORM)
    return ParameterReference(text, name, selector or "", account, region)
