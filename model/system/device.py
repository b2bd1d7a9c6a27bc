"""Where a network runs, by the name that a user gives."""

from model.errors import DeviceError


def device_named(wanted: str) -> str:
    """Resolve `auto` to a GPU where there is one.

    Parameters
    ----------
    wanted
        `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    DeviceError
        The device is not there.
    """
    import torch

    there = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if there else "cpu"
    if wanted != "cpu" and not (wanted.startswith("cuda") and there):
        raise DeviceError(f"The device {wanted} is not there; use cpu or auto.")
    return wanted
