"""Memories: what a table remembers. One file each; `registry.py` lists them all."""
