# The world that R runs in: the time zone says what hour it is; the locale how text is sorted, what days are called and
# what is upper case. Where the machine lacks one, R takes another without a word; here it is refused.
# Stands alone but for shared_conditions.R.

# Brings this process, and what it starts, into a world.
#   timezone  character(1): a name of the time zone database; "" for UTC.
#   locale    character(1): such as "zh_CN.UTF-8", or "C"; "" for C.UTF-8. NA leaves the process in the one it has.
# Raises bridge_bundle_error where the machine lacks one of them.
bridge_enter_world <- function(timezone, locale) {
  bridge_enter_timezone(if (nzchar(timezone)) timezone else "UTC")
  if (!is.na(locale)) bridge_enter_locale(if (nzchar(locale)) bridge_locale_name(locale) else "C.UTF-8")
}

# The time zone, checked by its name: the C library takes UTC for one that it does not know.
#   timezone  character(1).
bridge_enter_timezone <- function(timezone) {
  # UTC needs no file; a machine may have none at all.
  if (timezone != "UTC" && !timezone %in% suppressWarnings(OlsonNames())) stop(bridge_bundle_error(
    "this machine has no time zone '", timezone, "': `timezone` in model.toml is a name such as Asia/Shanghai, upper and ",
    "lower case count; zones come with Debian's tzdata, old names of them with tzdata-legacy"
  ))
  Sys.setenv(TZ = timezone)
}

# The locale, checked by what R says of it: a failed change leaves the one before.
#   locale  character(1), canonical.
bridge_enter_locale <- function(locale) {
  categories <- c("LC_COLLATE", "LC_TIME", "LC_MONETARY")
  # Text in a worker is UTF-8, so C is no more than its order: by bytes, which is that of the code points.
  if (locale != "C") categories <- c("LC_CTYPE", categories)
  had <- vapply(categories, function(category) nzchar(suppressWarnings(Sys.setlocale(category, locale))), NA)
  if (locale == "C" && !l10n_info()[["UTF-8"]]) {
    locale <- "C.UTF-8"
    had <- nzchar(suppressWarnings(Sys.setlocale("LC_CTYPE", locale)))
  }
  if (!all(had)) stop(bridge_bundle_error(
    "this machine has no locale '", locale, "': install it (Debian: locales, then ", bridge_localedef(locale),
    "), or change or remove `locale` in model.toml, by which text may sort otherwise"
  ))
  if (!l10n_info()[["UTF-8"]]) stop(bridge_bundle_error("the locale '", locale, "' is not one of UTF-8 on this machine"))
  bridge_pass_locale(locale, categories)
}

# How a machine gets a locale.
#   locale  character(1), canonical.
bridge_localedef <- function(locale) {
  paste0("localedef -i ", sub("\\.UTF-8", "", locale), " -f UTF-8 ", locale)
}

# Has the processes that this one starts run in the same locale.
#   locale  character(1); categories  character: those that are its own, with C.
bridge_pass_locale <- function(locale, categories) {
  if (Sys.getlocale("LC_COLLATE") != "C") return(Sys.setenv(LC_ALL = locale))
  Sys.unsetenv(c("LC_ALL", categories))
  Sys.setenv(LANG = "C", LC_CTYPE = Sys.getlocale("LC_CTYPE"))
}

# A locale's name as all systems know it: zh_CN.utf8 and zh_CN.UTF-8 are one, and POSIX is C.
#   name  character(1).
bridge_locale_name <- function(name) {
  if (name == "POSIX") return("C")
  sub("\\.utf-?8($|@)", ".UTF-8\\1", name, ignore.case = TRUE)
}

# What sorts text, as one text: the locale alone does not say it, because R may be built with ICU or without, and asks
# ICU in C.UTF-8 but not in C.
bridge_collation <- function() {
  # R opens ICU's rules only when it first compares.
  sort(c("b", "a"))
  rules <- icuGetCollate()
  if (!rules %in% c("ICU not in use", "unknown")) return(paste0("ICU ", extSoftVersion()[["ICU"]], " (", rules, ")"))
  if (Sys.getlocale("LC_COLLATE") %in% c("C", "POSIX")) "bytes" else "the system's own rules"
}

# What a worker says of the world that it is in.
#   packages  character: those whose versions are asked for.
# Returns list: timezone, locale, collation character(1); installed character, "name version" of those that are there.
bridge_world <- function(packages = character()) {
  versions <- vapply(packages, function(name) {
    if (isNamespaceLoaded(name)) return(getNamespaceVersion(name)[[1L]])
    if (nzchar(system.file(package = name))) utils::packageDescription(name, fields = "Version") else ""
  }, "")
  there <- nzchar(versions)
  list(
    timezone = Sys.getenv("TZ"), locale = bridge_locale_name(Sys.getlocale("LC_COLLATE")),
    collation = bridge_collation(), installed = if (any(there)) paste(packages[there], versions[there]) else character()
  )
}
