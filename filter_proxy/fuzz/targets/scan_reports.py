"""Lines of the scan service's log."""

from sender_filter.core import scan_reports

SEEDS = [
    b'(04447-12) report {"client_ip":"192.0.2.1","content_type":"Spam","queue_id":"8349932C70F"}',
    b'(1-1) report {"content_type":"Virus","queue_id":"A"}',
    b"(04447-12) Passed CLEAN, [192.0.2.1] <a@example.test>",
]
WORDS = [
    b'"client_ip":', b'"content_type":', b'"queue_id":', b'"Spammy"', b'"Virus"', b'"Clean"', b"{",
    b"}", b"null", b"(1-1) report ", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"[", b'"', b"1e400",
]  # fmt: skip


def check(data: bytes) -> None:
    """A report says what was found and in which message; everything else is none."""
    for text in (data.decode("utf-8", "replace"), data.decode("latin-1")):
        report = scan_reports.parse(text)
        if report is not None:
            assert report.kind in ("spam", "virus")
            assert report.queue_id
            assert isinstance(report.client, str)
