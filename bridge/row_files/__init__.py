"""Reads files of rows: CSV in any dialect, exactly, or refused with a message of what is wrong and where."""
