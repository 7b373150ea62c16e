"""Make a small image without a registry: one static binary, under the name of each of its programs."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from envmgr.engine.protocol import Engine

IMAGE = "envmgr-test/busybox:1"
PROGRAM_INTERPRETER = 3
"""Type of the header that a dynamically linked program has: PT_INTERP of elf(5)."""


def ensure_image(engine: Engine, folder: Path) -> None:
    """Have the image; its busybox is the host's when static, else Debian's busybox-static."""
    if engine.image(IMAGE) is None:
        options = ("-c", "ENV PATH=/bin", "-c", 'CMD ["sleep", "100000"]')
        archive = _archive(_busybox(folder))
        subprocess.run(("docker", "import", *options, "-", IMAGE), input=archive, check=True, capture_output=True)


def _busybox(folder: Path) -> Path:
    found = shutil.which("busybox")
    if found and _is_static(Path(found)):
        return Path(found)
    if shutil.which("apt-get") is None:
        pytest.fail("the tests with a real engine need a static busybox on the PATH")
    subprocess.run(("apt-get", "download", "-q", "busybox-static"), cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("busybox-static*.deb")
    subprocess.run(("dpkg-deb", "-x", package, folder / "busybox"), check=True)
    return next(path for path in (folder / "busybox").rglob("bin/busybox") if path.is_file())


def _is_static(program: Path) -> bool:
    data = program.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return False
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = (struct.unpack_from("<I", data, offset + size * number)[0] for number in range(count))
    return PROGRAM_INTERPRETER not in kinds


def _archive(busybox: Path) -> bytes:
    programs = subprocess.run((busybox, "--list"), check=True, capture_output=True, text=True).stdout.split()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        tar.add(busybox, "bin/busybox", filter=_by_root)
        for name in sorted(set(programs) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return packed.getvalue()


def _by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.mode = 0o755
    return entry
