"""From a URL to a verified file in the cache.

`request` is what a source of weights is asked; `http` opens and retries connections; `download` resumes and renames;
`cache` is the folder and its receipts, `inventory` lists it; `verify` compares hashes.
"""
