"""From many images to their features, in files that nobody has to doubt.

`sources` lists and reads images, `batches` decodes them in worker processes, `network` computes,
`shards` writes files;
`run` puts that together and goes on after an interruption, `on_ray` on a cluster. `fingerprint` is
what the numbers depend on; `verify` computes some of them again.
"""
