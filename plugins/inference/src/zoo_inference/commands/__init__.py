"""The commands, a module each: `zoo_optimize`, `zoo_bench`."""
