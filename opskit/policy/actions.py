"""Names of actions: those that patterns are compared on, and patterns that can be written out."""

from __future__ import annotations

KNOWN_ACTIONS = (
    "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:GetParameterHistory",
    "ssm:PutParameter", "ssm:DeleteParameter", "ssm:DescribeParameters", "kms:Decrypt",
    "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant", "s3:GetObject",
    "secretsmanager:GetSecretValue",
)  # fmt: skip
"""Actions on parameters, keys and the like, also where no policy names them."""
EXPANSIONS: dict[str, tuple[str, ...]] = {
    "ssm:getparameter*": (
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "ssm:GetParameterHistory",
    ),
    "ssm:getparameters*": ("ssm:GetParameters", "ssm:GetParametersByPath"),
}
"""Pattern in lower case -> every action that it means (Service Authorization Reference, AWS Systems
Manager). Only patterns to whose actions AWS has added none in years; a whole service grows, so that
`ssm:*` cannot be written out."""
