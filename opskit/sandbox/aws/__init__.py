"""The emulated AWS: moto, and what moto lacks or does otherwise than AWS."""
