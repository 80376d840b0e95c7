"""The JSON API for integrators, version 1. Thin doors: what they open is in the operations."""
