"""Model repositories of the Hugging Face Hub.

`locations` has URLs and the client's cache folder; `hub_config` reads a repository's
``config.json``, whose options `model_args` checks; `repository` saves and uploads one with its
`card`; `client` is the Hub's own client.
"""
