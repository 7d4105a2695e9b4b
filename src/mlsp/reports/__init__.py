"""Results for people and programs: a ranking, a table for the terminal, a file, a page.

`cli`, `serving`, `evaluation` and everything above import it. The way in is `write_report`:

    ScoreResult ─ sort_results ─┬ rows: report_table ─┬ table: print_table                    terminal
                                │                     └ formats: csv, jsonl, parquet          write_report
                                └ html_report: a page with pictures                           write_report
    ScoreFailure ─ csv_report: write_errors                                                   OUTPUT.errors.csv

Files of the pages' scripts and styles are in `gallery/`; the local page shares them.
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
