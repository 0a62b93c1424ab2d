"""The endpoints file holds what Envoy reads, whole, at every moment."""

import json
import threading
from pathlib import Path

import pytest
import yaml

from authz.serving.supervision.endpoints import EndpointsFile, EndpointsFileUnusableError, discovery


def endpoints(*addresses: object) -> dict[str, object]:
    listed = [{"endpoint": {"address": address}} for address in addresses]
    assignment = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "authz",
        "endpoints": [{"lb_endpoints": listed}],
    }
    return {"resources": [assignment]}


def test_each_worker_is_an_endpoint() -> None:
    text = discovery(["unix:run/0.sock", "127.0.0.1:9001", "[::1]:9002"])
    assert json.loads(text) == endpoints(
        {"pipe": {"path": "run/0.sock"}},
        {"socket_address": {"address": "127.0.0.1", "port_value": 9001}},
        {"socket_address": {"address": "::1", "port_value": 9002}},
    )


def test_no_worker_is_no_endpoint() -> None:
    assert json.loads(discovery([])) == endpoints()


def test_it_is_yaml_as_well() -> None:
    text = discovery(["unix:run/0.sock"])
    assert yaml.safe_load(text) == json.loads(text)


def test_what_an_earlier_run_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text("old")
    EndpointsFile(path).prepare()
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    file = EndpointsFile(path)
    file.write(["unix:a"])
    file.write(["unix:b"])
    assert path.read_text() == discovery(["unix:b"])
    assert list(tmp_path.iterdir()) == [path]
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    file = EndpointsFile(path)
    few, many = ["unix:a"], [f"unix:{number}" for number in range(200)]
    file.write(few)
    whole, seen, ended = {discovery(few), discovery(many)}, set[str](), threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(100):
            file.write(many)
            file.write(few)
    finally:
        ended.set()
        reader.join()
    assert seen <= whole


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        EndpointsFile(path).write(["unix:a"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none/e.json", "folder none does not exist: make it first"),
        ("/proc/1/e.json", "folder /proc/1 is not writable"),
        ("folder", "Is a directory"),
    ],
)
def test_where_it_cannot_be_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(EndpointsFileUnusableError) as caught:
        EndpointsFile(Path(path)).prepare()
    assert str(caught.value) == f"--endpoints-file {path}: {message}"
