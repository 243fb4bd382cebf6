"""Who may call: the file of callers, their tokens and certificates, and how much each may ask for."""
