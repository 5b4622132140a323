"""Everything between a default config and a verified file on disk, and from the file to a state dict.

==============  ====================================================================================================
`fetch`         default config to a verified local file; where a config's weights may be, in which order
`request`       what a source of weights is asked
`sources`       the sources: local files, ``https:``, the Hub, and a mirror; each an implementation of a pluggy hook
`download`      one URL to one verified file: resumed, retried, renamed
`cache`         the folder where fetched files live, and what is known of each
`verify`        SHA-256, and which one a file ought to have
`hub`           repositories of models: read their ``config.json``, save and push them
`read`          file to state dict
`licence`       the notice for weights that are not for every use
==============  ====================================================================================================
"""
