"""Renewal: what the files of TLS hold is reported for each change and each request, and a broken file ends nothing."""

import queue
from pathlib import Path

from authz.serving.reload.renewal import NotRenewed, Renewal, Renewed
from authz.serving.reload.tls_files import TlsFiles
from tests.support.tls import RENEWED, TlsFolder, credentials

SECONDS = 30.0


def test_changes_and_requests_are_reported_with_what_the_files_hold(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path)
    folder.write()
    reports: queue.SimpleQueue[Renewed | NotRenewed] = queue.SimpleQueue()
    renewal = Renewal(TlsFiles(folder.certificate, folder.key, folder.client_ca), reports.put)
    renewal.start()
    renewal.changed()
    assert reports.get(timeout=SECONDS) == Renewed(credentials(), False)
    folder.key.unlink()
    renewal.request()
    assert reports.get(timeout=SECONDS) == NotRenewed(folder.key, "cannot be read: No such file or directory", True)
    folder.write(RENEWED)
    renewal.changed()
    assert reports.get(timeout=SECONDS) == Renewed(credentials(RENEWED), False)
