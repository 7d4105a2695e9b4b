"""What becomes of results: a ranking, a table for the terminal, a file.

ScoreResult ─ sort_results ─┬ table: print_table                          terminal or tab-separated lines
                       ├ rows ─ csv_report, jsonl_report, parquet_report   write_report, by the file's ending
                       └ html_report: write_html                    likewise; a page with pictures
ScoreFailure ─ csv_report: write_errors                                    `<output stem>.errors.csv`
"""

from __future__ import annotations

from mlsp.reports.formats import TABLE_SUFFIXES, check_output, errors_path, write_report
from mlsp.reports.ranking import check_sort, sort_results
from mlsp.reports.rows import columns

__all__ = [
    "TABLE_SUFFIXES",
    "check_output",
    "check_sort",
    "columns",
    "errors_path",
    "sort_results",
    "write_report",
]
