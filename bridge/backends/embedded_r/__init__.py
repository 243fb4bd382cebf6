"""The backend of R models without Rserve: R runs inside child processes of Python, by rpy2."""
