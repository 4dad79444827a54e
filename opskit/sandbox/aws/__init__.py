"""The emulated AWS: moto, and the parts that moto lacks or implements differently from AWS."""
