"""Where a fault of our own arose, without its text: that may quote a request."""

from __future__ import annotations


def place_of(fault: BaseException) -> str:
    """File and line of the innermost frame."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
