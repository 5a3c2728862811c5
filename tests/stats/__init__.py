"""Tests of statistics. A package, so that its conftest has a name of its own."""
