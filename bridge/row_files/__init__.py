"""Files of rows: CSV in any dialect, read exactly or refused with what is wrong and where."""
