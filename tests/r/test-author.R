# What write_bundle records of the session that it is called in, and what it tells of the rest. Needs localedef.
source("tests/r/expect.R")
work <- tempfile("work")
dir.create(work)
for (locale in c("zh_CN UTF-8", "zh_CN GBK", "en_US UTF-8", "de_DE UTF-8")) {
  name <- strsplit(locale, " ")[[1L]]
  target <- file.path(work, paste(name, collapse = "."))
  status <- system2("localedef", c("--no-archive", "-i", name[1L], "-f", name[2L], target), stdout = FALSE, stderr = FALSE)
  expect(paste(locale, "is made"), status == 0L)
}
last <- 0L

# Writes a bundle in a session of its own.
#   code  character: lines that define k, Pred.R and golden; what is beyond ASCII in them is escaped.
#   ...   its environment variables.
# Returns list: toml character, lines of model.toml; told character, what the session said; golden character.
written <- function(code, ...) {
  last <<- last + 1L
  dir <- file.path(work, last)
  script <- file.path(work, "session.R")
  call <- sprintf("write_bundle(\"%s\", k, Pred.R, golden = golden, row_wise = TRUE)", dir)
  writeLines(c(sprintf("source(\"%s/bundle.R\")", scripts), code, call), script)
  world <- c(paste0("LOCPATH=", work, ":/usr/lib/locale"), "LC_ALL=", "LANGUAGE=en", "R_ICU_LOCALE=", ...)
  told <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = TRUE, stderr = TRUE, env = world))
  read <- function(name) if (file.exists(file.path(dir, name))) readLines(file.path(dir, name), encoding = "UTF-8")
  list(toml = read("model.toml"), told = told, golden = read("golden.csv"))
}
value <- function(lines, key, author = FALSE) {
  begins <- match("[author]", lines)
  part <- if (author) lines[seq_along(lines) > begins] else lines[seq_len(begins)]
  sub(paste0("^", key, " = \"?(.*?)\"?$"), "\\1", grep(paste0("^", key, " ="), part, value = TRUE), perl = TRUE)
}
tells <- function(got, text) any(grepl(text, got$told, fixed = TRUE))

shanghai <- c(
  "k <- 100", "Pred.R <- function(at, town) {",
  "  k * as.POSIXlt(at, origin = '1970-01-01')$hour + as.integer(factor(town)) + 0.5 * (weekdays(.POSIXct(at)) == '\\u661f\\u671f\\u4e00')",
  "}", "golden <- data.frame(at = 1719763200, town = c('b', 'A', '\\u5f20', '\\u963f'))"
)
got <- written(shanghai, "TZ=Asia/Shanghai", "LC_ALL=zh_CN.UTF-8")
expect_identical("the keys", c(value(got$toml, "timezone"), value(got$toml, "locale")), c("Asia/Shanghai", "zh_CN.UTF-8"))
expect_identical("the author", vapply(c("r", "timezone", "locale"), value, "", lines = got$toml, author = TRUE, USE.NAMES = FALSE),
  c(paste(R.version$major, R.version$minor, sep = "."), "Asia/Shanghai", "zh_CN.UTF-8"))
expect_identical("the scores are those of the session", sub("^.*,", "", got$golden[-1L]), c("4.5", "3.5", "2.5", "1.5"))
expect("no package is said where none is needed", !length(value(got$toml, "packages", author = TRUE)))
expect("there is nothing to tell", !any(grepl("locale|time zone|sorted|UTF-8", got$told)))
expect_identical("settings come first", got$toml[1:5], c(
  "row_wise = true", "timezone = \"Asia/Shanghai\"", "locale = \"zh_CN.UTF-8\"", "", "[author]"
))

# Packages: those that the bundle loads, also where only scoring loads them.
packages <- c("library(randomForest)", "k <- 1", "Pred.R <- function(x) k * x + MASS::hubers(1:9)$mu", "golden <- data.frame(x = 1)")
got <- written(packages, "TZ=UTC", "LC_ALL=C.UTF-8")
expect_identical("packages", value(got$toml, "packages", author = TRUE), sprintf("{MASS = \"%s\"}", utils::packageDescription("MASS")$Version))

# Mixed-case text in the order of the session, whatever it is.
letters <- c("k <- 1", "Pred.R <- function(x) k * as.integer(factor(x))", "golden <- data.frame(x = c('b', 'A', 'B', 'a'))")
orders <- list(
  list(c("LC_ALL=C"), "C", c("4", "1", "2", "3")), list(c("LC_ALL=POSIX"), "C", c("4", "1", "2", "3")),
  list(c("LANG=en_US.UTF-8", "LC_COLLATE=C"), "C", c("4", "1", "2", "3")),
  list(c("LC_ALL=en_US.utf8"), "en_US.UTF-8", c("3", "2", "4", "1")), list(c("LC_ALL=zh_CN.GBK"), "zh_CN.UTF-8", c("3", "2", "4", "1"))
)
invisible(file.symlink("en_US.UTF-8", file.path(work, "en_US.utf8")))
for (one in orders) {
  got <- written(letters, "TZ=UTC", one[[1L]])
  expect_identical(one[[1L]], value(got$toml, "locale"), one[[2L]])
  expect_identical(paste(one[[1L]], "scores"), sub("^.*,", "", got$golden[-1L]), one[[3L]])
}
expect("another character set is told", tells(got, "text is not UTF-8 in this session, but is in the bundle"))
expect_identical("and what the session says is kept", value(got$toml, "locale", author = TRUE), "zh_CN.GBK")

# What is not certain is left out and told.
got <- written(letters, "TZ=UTC+8", "LC_ALL=C.UTF-8")
expect("a rule is no name", !any(grepl("^timezone", got$toml[seq_len(match("[author]", got$toml))])))
expect("which is told", tells(got, "the time zone of this session, 'UTC+8', can't be identified with certainty"))
expect_identical("and kept for whoever deploys it", value(got$toml, "timezone", author = TRUE), "UTC+8")
for (zone in c("Mars/Olympus", "asia/shanghai")) expect(zone, tells(written(letters, paste0("TZ=", zone)), "identified with certainty"))
got <- written(letters, "TZ=:America/New_York", "LANG=en_US.UTF-8", "LC_TIME=de_DE.UTF-8")
expect_identical("a colon is no part of the name", value(got$toml, "timezone"), "America/New_York")
expect("other names of days", tells(got, "days and months have the names of the locale 'de_DE.UTF-8' in this session"))
got <- written(letters, "TZ=:/etc/localtime", "LC_ALL=C.UTF-8")
expect("the file that the link leads to", value(got$toml, "timezone") %in% OlsonNames() || tells(got, "certainty"))

# Other rules than the locale's: told, and seen where golden rows show it.
icu <- c("k <- 1", "Pred.R <- function(x) k * as.integer(factor(x))", "golden <- data.frame(x = c('a', '\\u5f20'))")
got <- written(icu, "TZ=UTC", "LC_ALL=en_US.UTF-8", "R_ICU_LOCALE=zh")
if (capabilities("ICU")) {
  expect("told", tells(got, "text is sorted by ICU ") && tells(got, " (zh) in this session, and by ICU "))
  expect("refused", is.null(got$toml) && tells(got, "the bundle gives other scores than Pred.R does in this session"))
}

# R's warnings are known by its English words, in whatever language the session has them.
coerced <- c("k <- 1", "Pred.R <- function(x) k * as.numeric(ifelse(x > 1, 'a', '2'))", "golden <- data.frame(x = c(1, 2))")
got <- written(coerced, "TZ=UTC", "LC_ALL=de_DE.UTF-8", "LANGUAGE=de")
expect("a coercion is told", is.null(got$toml) && tells(got, "R went on with other data than it was given"))

# What a session may be called that has no counterpart.
code <- environment(local({ source("rscripts/bundle.R", local = TRUE); write_bundle }))
expect_identical("Windows", code$bridge_locale_name("Chinese (Simplified)_China.936"), "Chinese (Simplified)_China.936")
code$Sys.getlocale <- function(category) "Chinese (Simplified)_China.936"
unnamed <- code$bridge_session_world()
expect("no key", is.null(unnamed$locale))
expect_identical("what it says", unnamed$said$locale, "Chinese (Simplified)_China.936")
expect("it is told", any(grepl("'Chinese (Simplified)_China.936', has no certain counterpart on the machine that serves", unnamed$remarks, fixed = TRUE)))

unlink(work, recursive = TRUE)
cat("test-author: ok\n")
