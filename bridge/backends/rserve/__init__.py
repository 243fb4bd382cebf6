"""The R backend: a supervised Rserve, the QAP1 wire, its connections, and the pool of workers."""
