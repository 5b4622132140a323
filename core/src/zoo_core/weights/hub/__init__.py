"""Model repositories of the Hugging Face Hub.

`hub_config` reads a repository's ``config.json`` and `model_args` checks the options in it; `repository` saves and
uploads one, with the `card` that describes it; `client` talks to the Hub.
"""
