"""From many images to their features, in files that nobody has to doubt.

`sources` lists and reads images, `decoders` makes pixels of them, `batches` does so in worker
processes, `network` computes, in all of these processes where `sharing` can, `rows` are what came
out, `shards` writes them. `memory` is kept for the next batch.
`run` puts that together and goes on after an interruption, `on_ray` on a cluster; `extract` is the
face of it all. `fingerprint` is what the numbers depend on; `verify` computes some of them again.
"""
