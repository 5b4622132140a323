"""Transfer of weights from a URL into the cache.

`request` is the argument of every source of weights; `http` opens connections; `download` resumes,
verifies and renames.
"""
