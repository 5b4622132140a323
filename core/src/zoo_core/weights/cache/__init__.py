"""The cache folder of fetched weights.

`address` turns a URL into a path in it; `entry` is one file there with its receipt; `inventory`
lists and removes files; `verify` compares hashes; `paths` checks paths that anybody may have
written.
"""
