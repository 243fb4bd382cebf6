"""The R backend: supervised Rserve, the QAP wire, connections and their pool."""
