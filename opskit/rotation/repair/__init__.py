"""Repairs where parameter and database disagree and no rotation is unfinished."""
