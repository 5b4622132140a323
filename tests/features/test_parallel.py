"""Extractors in two real processes: replicated by DDP and sharded by FSDP2."""

import pytest
import torch.multiprocessing
import two_processes


@pytest.mark.heavy
def test_replicated_and_sharded_extractors_compute_and_learn_as_one_does(tmp_path):
    torch.multiprocessing.spawn(two_processes.main, (tmp_path,), two_processes.PROCESSES)
    assert (tmp_path / "failures.txt").read_text() == ""
