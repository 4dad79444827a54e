"""The probe's program: sent to the instance as text, never imported there."""
