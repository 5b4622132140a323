"""Finding what installed plugins offer, as data: nothing here runs a plugin or imports torch.

- Installed plugins: `entry_points`, `fallback` (zips, finders), `selection` (of them), `resources`.
- Their offers: `manifest`, `bridge` (of a library), `registered` (of this process), `index` (by
  name); `imports` runs code.
- Questions: `listing`, `lookup`, `facts`, `messages`, `catalogue`, `doctor`, `holes`.
"""
