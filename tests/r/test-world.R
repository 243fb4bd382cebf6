# The world that R is brought into: what is checked, what it changes, and what is said of it. Needs localedef.
source("tests/r/expect.R")
code <- bridge_code(c("shared_conditions.R", "shared_world.R"))
work <- tempfile("locales")
dir.create(work)
made <- vapply(c("zh_CN", "en_US"), function(name) {
  system2("localedef", c("--no-archive", "-i", name, "-f", "UTF-8", file.path(work, paste0(name, ".UTF-8"))), stderr = FALSE)
}, 1L)
expect("locales are made", all(made == 0L))
Sys.setenv(LOCPATH = paste0(work, ":/usr/lib/locale"))
towns <- c("b", "A", "\u5f20", "a", "\u963f", "B")
enters <- function(timezone, locale) {
  code$bridge_enter_world(timezone, locale)
  list(
    hour = as.POSIXlt(1719763200, origin = "1970-01-01")$hour, sorted = paste(sort(towns), collapse = ""),
    levels = levels(factor(c("b", "A", "B"))), day = weekdays(as.Date("2024-07-01")), world = code$bridge_world()
  )
}

zh <- enters("Asia/Shanghai", "zh_CN.utf8")
expect_identical("the hour in Shanghai", zh$hour, 0L)
expect_identical("Chinese text by its sounds, before the letters", zh$sorted, "\u963f\u5f20aAbB")
expect_identical("the day in Chinese", zh$day, "\u661f\u671f\u4e00")
expect_identical("what is said", zh$world[c("timezone", "locale", "installed")], list(timezone = "Asia/Shanghai", locale = "zh_CN.UTF-8", installed = character()))
expect_identical("what is started has the same", Sys.getenv(c("TZ", "LC_ALL"), names = FALSE), c("Asia/Shanghai", "zh_CN.UTF-8"))

en <- enters("America/New_York", "en_US.UTF-8")
expect_identical("the hour in New York", en$hour, 12L)
expect_identical("English text", en$sorted, "aAbB\u5f20\u963f")
expect_identical("levels in English", en$levels, c("A", "b", "B"))

for (name in c("C", "POSIX")) {
  c_order <- enters("", name)
  expect_identical("the hour in UTC", c_order$hour, 16L)
  expect_identical("text by its code points", c_order$sorted, "ABab\u5f20\u963f")
  expect_identical("levels by their code points", c_order$levels, c("A", "B", "b"))
  expect_identical("it is C", c_order$world[c("timezone", "locale", "collation")], list(timezone = "UTC", locale = "C", collation = "bytes"))
  expect("its text is UTF-8 all the same", l10n_info()[["UTF-8"]] && toupper("\u00e4") == "\u00c4" && nchar("\u5f20") == 1L)
  child <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote("cat(Sys.getlocale('LC_COLLATE'), l10n_info()[['UTF-8']])")), stdout = TRUE)
  expect_identical("what is started has the same", child, "C TRUE")
}

default <- enters("", "")
expect_identical("C.UTF-8 where nothing is said", default$world$locale, "C.UTF-8")
expect_identical("numbers have points", Sys.getlocale("LC_NUMERIC"), "C")
kept <- enters("PRC", NA_character_)
expect_identical("a locale that is left as it is", kept$world$locale, "C.UTF-8")
expect_identical("an old name of a zone", kept$hour, 0L)

# With ICU the rules are named, once something was compared.
if (capabilities("ICU")) {
  expect("ICU's rules", grepl("^ICU [0-9.]+ \\(zh\\)$", zh$world$collation) && grepl("^ICU [0-9.]+ \\(root\\)$", default$world$collation))
}

# What the machine lacks is refused, and nothing is changed.
no_zone <- function(name) paste0(
  "this machine has no time zone '", name, "': `timezone` in model.toml is a name such as Asia/Shanghai, upper and lower case ",
  "count; zones come with Debian's tzdata, old names of them with tzdata-legacy"
)
for (name in c("Mars/Olympus", "asia/shanghai", "UTC+8", "Asia")) {
  expect_raises("a zone", code$bridge_enter_world(name, "C"), "bridge_bundle_error", no_zone(name))
  expect_identical("the zone before", Sys.getenv("TZ"), "PRC")
}
expect_raises("a locale", code$bridge_enter_world("", "sr_RS.utf8@latin"), "bridge_bundle_error", paste(
  "this machine has no locale 'sr_RS.UTF-8@latin': install it (Debian: locales, then localedef -i sr_RS@latin -f UTF-8",
  "sr_RS.UTF-8@latin), or change or remove `locale` in model.toml, which may change how text sorts"
))

# Versions: of packages that are loaded, of those that are only there, and of none.
versions <- code$bridge_world(c("MASS", "nowhere", "stats"))$installed
expect_identical("versions as packages write them", versions, c(
  paste("MASS", utils::packageDescription("MASS")$Version), paste("stats", getNamespaceVersion("stats"))
))
expect("none is loaded for it", !isNamespaceLoaded("MASS"))

unlink(work, recursive = TRUE)
cat("test-world: ok\n")
