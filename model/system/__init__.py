"""What commands need of the machine: files written whole, processes, memory, devices, progress."""
