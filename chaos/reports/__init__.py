"""What a run looked like, as pages for a browser: files that need nothing but
themselves, so that they can be sent to somebody."""

from chaos.reports.index import write_index
from chaos.reports.page import write_report

__all__ = ["write_index", "write_report"]
