"""One file as the reader gives it, with the limits of an installation."""

from model.dicom.slice_reader import CTSlice, ReadLimits, read_slice


def read(data: bytes) -> CTSlice:
    """The slice; the file is called a.dcm."""
    return read_slice(data, "a.dcm", ReadLimits())
