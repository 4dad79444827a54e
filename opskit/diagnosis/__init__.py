"""A diagnosis: facts are collected and analyzed, checks judge them, and root causes are found."""
