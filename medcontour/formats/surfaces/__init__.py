"""Closed surfaces as meshes."""
