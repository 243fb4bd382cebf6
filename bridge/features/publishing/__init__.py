"""Writes feature groups into a store: whole batches beside the current one, which one step then makes current."""
