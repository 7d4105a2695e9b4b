"""Parts that know nothing of photos, networks or scores.

Errors and results

    errors            every error that mlsp raises on purpose
    results           the failure of one photo, as a value

Numbers

    arrays            types of numpy arrays
    bootstrap         percentile bootstrap
    ranks             Pearson's, Spearman's and Kendall's correlations
    groups            things that belong together, directly or through others

Files

    atomic_file       files and folders that are written whole or not at all
    durability        what makes a file survive a crash
    one_writer        a lock that keeps a second writer away
    regular_file      files opened only if they are regular ones
    digests           SHA-256 and MD5 of files
    json_text         JSON from files that may be anybody's
    tables            CSV and parquet files as rows of cells
    text_lines        lines of text files, in whatever encoding
    sqlite            SQLite files: opened, laid out, written to
    cache_folder      the folder of all caches
    content_cache/    values cached between runs, by the content of photos

The machine

    machine           cores and memory that this process may use
    parallel          a bounded map over threads, in order
    spawning          whether this program may start processes
    standard_streams  standard streams that a program was started without
    closing           things that `with` closes

Text and records

    arguments         types of public functions' arguments, checked as annotated
    text              names and lists as people read them
    records           dataclasses as records that later fields do not change
    registry          records by name, which programs and packages add to

Any package may import it; it imports none. A name is imported from its module.
"""
