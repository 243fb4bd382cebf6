# Sourced by an Rserve of tests/r_echo.py in place of rscripts/serve.R: values come back, or are compared in R.
loadNamespace("Rserve")

# Called by Rserve in each new worker. Returns list: pid integer(1) and the capabilities by name.
oc.init <- function() {
  list(
    pid = Sys.getpid(),
    echo = Rserve::ocap(function(x) x, "echo"),
    identical_to = Rserve::ocap(identical_to, "identical_to"),
    evaluate = Rserve::ocap(function(code, x) eval(parse(text = code), list(x = x)), "evaluate")
  )
}

# Whether a value is what R code gives, to the bit: -0 is not 0, and each NaN equals none but itself.
#   x  any value; code  character(1).
identical_to <- function(x, code) identical(x, eval(parse(text = code)), num.eq = FALSE, single.NA = FALSE)

# What the tests' R code is made of, so that no parser of literals stands between their bits and R's.

# raw from two hexadecimal digits a byte.
bytes <- function(hex) {
  if (!nzchar(hex)) return(raw())
  at <- seq_len(nchar(hex) / 2L)
  as.raw(strtoi(substring(hex, 2L * at - 1L, 2L * at), 16L))
}

# double from its little-endian bytes.
doubles <- function(hex) readBin(bytes(hex), "double", nchar(hex) / 16L, endian = "little")

# character from the UTF-8 bytes of each string, or NA.
text <- function(...) {
  strings <- vapply(list(...), function(hex) if (is.na(hex)) NA_character_ else rawToChar(bytes(hex)), "")
  Encoding(strings) <- "UTF-8"
  strings
}
