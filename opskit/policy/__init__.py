"""IAM policy evaluation: identity, boundary, organization and key policies, as pure functions.

Follows the IAM User Guide and the KMS Developer Guide, answers `depends` with the condition key's name
where a condition uses an unknown value, and explains a denial by the statement that nearly allows.
Nothing here reads AWS or depends on a check.
"""
