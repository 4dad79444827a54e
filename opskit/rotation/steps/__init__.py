"""Steps: the writes of a rotation to the database, Parameter Store and the app."""
