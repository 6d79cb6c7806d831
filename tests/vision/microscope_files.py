"""Small files as microscopes write them, byte by byte, for the tests of the readers."""

import json
import struct

import h5py
import numpy as np

IMAGE = np.random.default_rng(0).integers(90, 4000, (80, 96)).astype(np.uint16)
STACK = np.stack([IMAGE + k for k in range(3)])


def velox_metadata(detector="HAADF", unit="m", index="4"):
    """What Velox 2.x says of a frame: numbers are texts, in SI units."""
    return {
        "Instrument": {"Manufacturer": "FEI Company", "InstrumentClass": "Titan", "InstrumentId": "3354"},
        "Optics": {"AccelerationVoltage": "60000", "LastMeasuredScreenCurrent": "2.5e-011", "BeamConvergence": "0.03"},
        "Stage": {"Position": {"x": "-4.35e-006", "y": "1.3e-006"}, "AlphaTilt": "0.0174532925", "BetaTilt": "0"},
        "Scan": {"DwellTime": "2.5000000000000002e-006", "FrameTime": "12.6"},
        "Detectors": {"Detector-4": {"DetectorName": "HAADF"}, "Detector-5": {"DetectorName": "BF"}},
        "BinaryResult": {
            "DetectorIndex": index, "Detector": detector, "PixelUnitX": unit,
            "PixelSize": {"width": "7.8e-012", "height": "7.8e-012"},
        },
    }  # fmt: skip


def write_velox(path, images):
    """`images`: {identity: (stack (n, H, W), metadata)}."""
    with h5py.File(path, "w") as root:
        for key, (stack, known) in images.items():
            group = root.create_group(f"Data/Image/{key}")
            group["Data"] = np.moveaxis(stack, 0, -1)
            text = np.frombuffer(json.dumps(known).encode(), np.uint8)
            table = np.zeros((60000, len(stack)), np.uint8)
            table[: len(text)] = text[:, None]
            group.create_dataset("Metadata", data=table, compression="gzip")


DM_TYPES = {"i2": (1, 2), "u2": (10, 4), "f4": (2, 6), "u4": (11, 5), "u1": (6, 10)}
"""dtype: (image data type, type of a tag)."""


class DmFile:
    """A writer of DM3 and DM4 tag trees."""

    def __init__(self, version=4, little=True):
        self.wide, self.order, self.version = version == 4, "<" if little else ">", version

    def length(self, value):
        return struct.pack(">q" if self.wide else ">i", value)

    def save(self, path, tree):
        body = self.group(tree)
        head = (
            struct.pack(">i", self.version)
            + self.length(len(body))
            + struct.pack(">i", int(self.order == "<"))
        )
        path.write_bytes(head + body + bytes(8))

    def group(self, tree):
        tags = b"".join(self.tag(name, value) for name, value in tree.items())
        return b"\x01\x00" + self.length(len(tree)) + tags

    def tag(self, name, value):
        group = isinstance(value, dict)
        body = self.group(value) if group else self.value(value)
        title = b"" if name.isdigit() else name.encode("latin-1")
        size = self.length(len(body)) if self.wide else b""
        return bytes([20 if group else 21]) + struct.pack(">H", len(title)) + title + size + body

    def value(self, value):
        info, raw = self.typed(value)
        return b"%%%%" + self.length(len(info)) + b"".join(map(self.length, info)) + raw

    def typed(self, value):
        if isinstance(value, str):
            raw = np.frombuffer(value.encode("utf-16-le"), "<u2").astype(f"{self.order}u2")
            return [20, 4, len(raw)], raw.tobytes()
        if isinstance(value, np.ndarray):
            kind = DM_TYPES[value.dtype.str[1:]][1]
            return [20, kind, value.size], value.astype(self.order + value.dtype.str[1:]).tobytes()
        if isinstance(value, tuple):
            return [15, 0, len(value), *(n for _ in value for n in (0, 7))], struct.pack(
                f"{self.order}{len(value)}d", *value
            )
        if isinstance(value, float):
            return [7], struct.pack(f"{self.order}d", value)
        return [3], struct.pack(f"{self.order}i", value)


def dm_image(array, *, unit="nm", scale=0.0127, electrons=None, tags=None):
    """One entry of an ImageList."""
    shape = array.shape[::-1]
    return {
        "ImageData": {
            "Calibrations": {
                "Brightness": {"Origin": 20.0, "Scale": electrons or 1.0, "Units": "e-" if electrons else ""},
                "Dimension": {str(k): {"Origin": 0.0, "Scale": scale, "Units": unit} for k in range(len(shape))},
            },
            "Data": array.ravel(), "DataType": DM_TYPES[array.dtype.str[1:]][0],
            "Dimensions": {str(k): n for k, n in enumerate(shape)}, "PixelDepth": array.itemsize,
        },
        "ImageTags": tags or {}, "Name": "HAADF",
    }  # fmt: skip


DM_TAGS = {
    "Microscope Info": {
        "Voltage": 60000.0, "Probe Current (nA)": 0.025, "Stage Position": {"Stage Alpha": 1.5, "Stage X": -12.0},
        "Signal Name": "HAADF", "Microscope": "Nion",
    },
    "DigiScan": {"Sample Time": 8.0},
}  # fmt: skip


def dm_tree(*images):
    """A file with a thumbnail (colours) and these images."""
    thumbnail = dm_image(np.zeros((80, 80), np.uint32))
    thumbnail["ImageData"]["DataType"] = 23
    listed = {str(k): one for k, one in enumerate([thumbnail, *images])}
    return {
        "ApplicationBounds": (0.0, 0.0, 900.0, 1400.0), "ImageList": listed,
        "Thumbnails": {"0": {"ImageIndex": 0, "SourceSize_Pixels": (96.0, 80.0)}},
    }  # fmt: skip
