"""The backend of R models: an Rserve for each version, its workers, and the QAP1 protocol to them."""
