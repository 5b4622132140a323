"""The kit for authors of Zoo plugins: `scaffold` writes one, `manifest` lists what it offers, `conformance` checks."""
