"""The transfer syntaxes that Falx reads: how each encodes the data set and the pixels."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydicom import config
from pydicom.uid import UID


class PixelCoding(Enum):
    """How the pixel data are encoded; one decoder each."""

    NATIVE = "uncompressed"
    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    RLE = "RLE"


@dataclass(frozen=True)
class TransferSyntax:
    """One transfer syntax (DICOM PS3.5 annex A; names after PS3.6 annex A)."""

    uid: str
    name: str
    pixel_coding: PixelCoding = PixelCoding.NATIVE
    implicit_vr: bool = False
    big_endian: bool = False
    deflated: bool = False
    lossy: bool = False


_SYNTAXES: Final = (
    TransferSyntax("1.2.840.10008.1.2", "Implicit VR Little Endian", implicit_vr=True),
    TransferSyntax("1.2.840.10008.1.2.1", "Explicit VR Little Endian"),
    TransferSyntax("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", deflated=True),
    TransferSyntax("1.2.840.10008.1.2.2", "Explicit VR Big Endian", big_endian=True),
    TransferSyntax("1.2.840.10008.1.2.4.50", "JPEG Baseline 8 bit", PixelCoding.JPEG, lossy=True),
    TransferSyntax("1.2.840.10008.1.2.4.51", "JPEG Extended 12 bit", PixelCoding.JPEG, lossy=True),
    TransferSyntax(
        "1.2.840.10008.1.2.4.53", "JPEG Spectral Selection (retired)", PixelCoding.JPEG, lossy=True
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.55", "JPEG Full Progression (retired)", PixelCoding.JPEG, lossy=True
    ),
    TransferSyntax("1.2.840.10008.1.2.4.57", "JPEG Lossless (process 14)", PixelCoding.JPEG),
    TransferSyntax(
        "1.2.840.10008.1.2.4.70", "JPEG Lossless (process 14, selection 1)", PixelCoding.JPEG
    ),
    TransferSyntax("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", PixelCoding.JPEG_LS),
    TransferSyntax(
        "1.2.840.10008.1.2.4.81", "JPEG-LS Near-lossless", PixelCoding.JPEG_LS, lossy=True
    ),
    TransferSyntax("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", PixelCoding.JPEG_2000),
    TransferSyntax("1.2.840.10008.1.2.4.91", "JPEG 2000", PixelCoding.JPEG_2000, lossy=True),
    TransferSyntax("1.2.840.10008.1.2.5", "RLE Lossless", PixelCoding.RLE),
)

TRANSFER_SYNTAXES: Final = {syntax.uid: syntax for syntax in _SYNTAXES}
"""The allowlist, by UID. In lossy syntaxes a writer may still have coded without loss."""


def uid_name(uid: str) -> str:
    """Return the name of a UID that DICOM registers (PS3.6 annex A), else the UID, safe to show."""
    name = UID(uid, validation_mode=config.IGNORE).name
    return re.sub(r"[^0-9.]", "?", uid[:64]) if name == uid else name
