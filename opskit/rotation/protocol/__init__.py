"""The rotation protocol: state machine, runner, journal and fence."""
