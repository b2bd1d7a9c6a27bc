"""The science: data, training, evaluation, export, and the predictor."""

import os

# Threads that spin while they wait starve each other, and everybody else, on a busy machine: with
# two busy cores, 28 slices took 6.2 s instead of 0.85 s to analyse, and training went at a quarter
# of its speed. It is read when torch is first imported, which is after this.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# NumPy's OpenBLAS spins whatever that says, and its matrices are small here: beside a training, two
# processes that simulate made 12 slices/s with its threads and 80 without. torch has its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Feature maps of many megabytes in large pages (see `model.system.memory.keep_freed_memory`).
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
