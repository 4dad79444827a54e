"""Names of actions that patterns are compared on, and patterns that can be expanded into a list."""

from __future__ import annotations

KNOWN_ACTIONS = (
    "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:GetParameterHistory",
    "ssm:PutParameter", "ssm:DeleteParameter", "ssm:DescribeParameters", "kms:Decrypt",
    "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant", "s3:GetObject",
    "secretsmanager:GetSecretValue",
)  # fmt: skip
"""Actions on parameters, keys and related resources, compared even where no policy names them."""
EXPANSIONS: dict[str, tuple[str, ...]] = {
    "ssm:getparameter*": (
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "ssm:GetParameterHistory",
    ),
    "ssm:getparameters*": ("ssm:GetParameters", "ssm:GetParametersByPath"),
}
"""Pattern in lower case -> every action that it matches (Service Authorization Reference, AWS Systems
Manager). Only patterns to which AWS has added no action in years; a whole service grows, so `ssm:*`
cannot be expanded."""
