# The world that R runs in. The time zone decides what hour it is; the locale decides how text is sorted, what days are
# called and what is upper case. If the machine lacks one of them, R silently takes another; here that is refused.
# Stands alone but for shared_conditions.R.

# Sets the time zone and the locale of this process and of the processes that it starts.
#   timezone  character(1): a name of the time zone database; "" for UTC.
#   locale    character(1): such as "zh_CN.UTF-8", or "C"; "" for C.UTF-8; NA leaves the locale as it is.
# Raises bridge_bundle_error where the machine lacks one of them.
bridge_enter_world <- function(timezone, locale) {
  bridge_enter_timezone(if (nzchar(timezone)) timezone else "UTC")
  if (!is.na(locale)) bridge_enter_locale(if (nzchar(locale)) bridge_locale_name(locale) else "C.UTF-8")
}

# Sets the time zone. Its name is checked, because the C library silently takes UTC for a name that it does not know.
#   timezone  character(1).
bridge_enter_timezone <- function(timezone) {
  # UTC needs no file; a machine may have none at all.
  if (timezone != "UTC" && !timezone %in% suppressWarnings(OlsonNames())) stop(bridge_bundle_error(
    "this machine has no time zone '", timezone, "': `timezone` in model.toml is a name such as Asia/Shanghai, upper and ",
    "lower case count; zones come with Debian's tzdata, old names of them with tzdata-legacy"
  ))
  Sys.setenv(TZ = timezone)
}

# Sets the locale. R's answer is checked, because a change that fails leaves the previous locale.
#   locale  character(1), canonical.
bridge_enter_locale <- function(locale) {
  categories <- c("LC_COLLATE", "LC_TIME", "LC_MONETARY")
  # Text in a worker stays UTF-8, so of C only the order is taken: by bytes, which is the order of the code points.
  if (locale != "C") categories <- c("LC_CTYPE", categories)
  had <- vapply(categories, function(category) nzchar(suppressWarnings(Sys.setlocale(category, locale))), NA)
  if (locale == "C" && !l10n_info()[["UTF-8"]]) {
    locale <- "C.UTF-8"
    had <- nzchar(suppressWarnings(Sys.setlocale("LC_CTYPE", locale)))
  }
  if (!all(had)) stop(bridge_bundle_error(
    "this machine has no locale '", locale, "': install it (Debian: locales, then ", bridge_localedef(locale),
    "), or change or remove `locale` in model.toml, which may change how text sorts"
  ))
  if (!l10n_info()[["UTF-8"]]) stop(bridge_bundle_error(
    "the locale '", locale, "' does not use UTF-8 on this machine: set `locale` in model.toml to one that does"
  ))
  bridge_pass_locale(locale, categories)
}

# Returns the command that installs a locale, for messages.
#   locale  character(1), canonical.
bridge_localedef <- function(locale) {
  paste0("localedef -i ", sub("\\.UTF-8", "", locale), " -f UTF-8 ", locale)
}

# Sets environment variables so that the processes that this one starts run in the same locale.
#   locale  character(1); categories  character: the locale's categories that this process has set.
bridge_pass_locale <- function(locale, categories) {
  if (Sys.getlocale("LC_COLLATE") != "C") return(Sys.setenv(LC_ALL = locale))
  Sys.unsetenv(c("LC_ALL", categories))
  Sys.setenv(LANG = "C", LC_CTYPE = Sys.getlocale("LC_CTYPE"))
}

# Returns a locale's name in one spelling: zh_CN.utf8 becomes zh_CN.UTF-8, and POSIX becomes C.
#   name  character(1).
bridge_locale_name <- function(name) {
  if (name == "POSIX") return("C")
  sub("\\.utf-?8($|@)", ".UTF-8\\1", name, ignore.case = TRUE)
}

# Returns the name of what sorts text, such as "bytes". The locale alone does not tell: R may be built with or without
# ICU, and uses ICU in C.UTF-8 but not in C.
bridge_collation <- function() {
  # R loads ICU's rules only when it first compares texts.
  sort(c("b", "a"))
  rules <- icuGetCollate()
  if (!rules %in% c("ICU not in use", "unknown")) return(paste0("ICU ", extSoftVersion()[["ICU"]], " (", rules, ")"))
  if (Sys.getlocale("LC_COLLATE") %in% c("C", "POSIX")) "bytes" else "the system's own rules"
}

# Returns the world that this worker runs in.
#   packages  character: the packages whose versions are wanted.
# Returns list: timezone, locale, collation character(1); installed character, "name version" of each that is installed.
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
