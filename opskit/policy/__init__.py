"""Who may do what: evaluation of identity, boundary, organization and key policies, pure.

Evaluates what the IAM User Guide and the KMS Developer Guide document, answers `depends` with the
key's name where a condition turns on something that is not known, and explains the nearest miss.
Nothing here reads AWS or knows a check.
"""
