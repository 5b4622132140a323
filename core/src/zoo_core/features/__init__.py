"""Feature maps: which ones a network has, and the wrappers that turn any network into an extractor.

- `indices` reads ``out_indices``, `info` describes the maps, `layout` turns tokens and maps into
  each other, `keys` knows the keys that timm's wrappers write, `wrap` chooses the wrapper;
- `stages` (list, dict), `hook`, `getter`, `graph` are the wrappers, `extractor` is what all are to
  a caller, `mixin` is the base of all but the last;
- `prune` drops what no wanted map needs, `capture` collects maps by hooks, `trace` reads a forward
  by torch.fx;
- `extract` makes an extractor of any module, by module names.
"""
