"""Weights: from a default config to a verified file, and from the file to the network.

============  ====================================================================================
`fetch`       finds the file of a default config: asks each source on disk, then over the network
`lock`        holds a project to the weights that it once used, byte for byte
`licence`     groups licences, holds a project's policy, shows the notice of non-commercial ones
`sources`     where a file can be: local files and packages, URLs, the Hub, a mirror
`cache`       Zoo's cache folder: addresses, files with their receipts, hashes
`transfer`    downloads
`hub`         repositories of the Hub: their config, their client, saving and uploading
`files`       reads a file: safetensors, what `torch.save` writes, archives
`loading`     puts a state dict into a network: adapts, checks, fills
`unpickle`    converts a trusted pickle that is refused, as a command
============  ====================================================================================
"""
