"""Tests of magbench.regularizers."""
