"""Retrieval: find a node's picture by its text and its text by its picture."""
