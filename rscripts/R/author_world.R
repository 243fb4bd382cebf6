# The session in which a bundle is written, as far as scores may depend on it: what model.toml can say of it, what is
# only remembered, and what its author has to be told.

# The session's world.
# Returns list: timezone, locale  character(1): the keys of model.toml, NULL where nothing is certain;
# said  named list of character(1): r, timezone, locale, collation, as the session itself says them, NULL where it
# doesn't; remarks  character: what the bundle may have otherwise.
bridge_session_world <- function() {
  timezone <- bridge_session_timezone()
  locale <- bridge_session_locale()
  own <- bridge_locale_name(Sys.getlocale("LC_COLLATE"))
  said <- list(
    r = paste(R.version$major, R.version$minor, sep = "."), timezone = timezone$said, locale = own,
    collation = bridge_collation()
  )
  remarks <- c(timezone$remark, locale$remark, bridge_category_remarks(if (is.null(locale$key)) "C.UTF-8" else locale$key))
  list(timezone = timezone$key, locale = locale$key, said = said, remarks = remarks)
}

# The session's time zone.
# Returns list: key character(1) or NULL; said character(1) or NULL; remark character(1) or NULL.
bridge_session_timezone <- function() {
  # What the C library goes by. Sys.timezone() asks the system, which may say something else.
  said <- sub("^:", "", Sys.getenv("TZ"))
  if (said %in% c("", "/etc/localtime")) said <- bridge_localtime()
  if (is.na(said)) said <- suppressWarnings(Sys.timezone())
  certain <- !is.na(said) && said %in% suppressWarnings(OlsonNames()) && bridge_same_hours(said)
  if (certain) return(list(key = said, said = said))
  list(
    said = if (!is.na(said)) said,
    remark = paste0(
      "the time zone of this session", if (!is.na(said)) paste0(", '", said, "',"),
      " is none that can be named with certainty: the bundle runs in UTC unless you say `timezone` in its model.toml"
    )
  )
}

# The name of the zone that the link /etc/localtime leads to; NA where it is no link.
bridge_localtime <- function() {
  file <- suppressWarnings(normalizePath("/etc/localtime"))
  if (grepl("/zoneinfo/", file, fixed = TRUE)) sub("^.*/zoneinfo/((posix|right)/)?", "", file) else NA_character_
}

# Whether a time zone has the hours that the session has, now and in the past.
#   timezone  character(1).
bridge_same_hours <- function(timezone) {
  instants <- .POSIXct(seq(0, 2^31 - 1, by = 10 * 86400))
  hours <- function(tz) format(instants, "%Y-%m-%d %H:%M", tz = tz)
  identical(hours(""), hours(timezone))
}

# The session's locale.
# Returns list: key character(1) or NULL; remark character(1) or NULL.
bridge_session_locale <- function() {
  said <- bridge_locale_name(Sys.getlocale("LC_COLLATE"))
  if (said == "C" || grepl("^(C|[a-z]{2,3}(_[A-Z]{2})?)\\.UTF-8(@[a-z]+)?$", said)) return(list(key = said))
  # With ICU it is the language that sorts; the system's own rules may go by the character set.
  parts <- "^([a-z]{2,3}_[A-Z]{2})(\\.[A-Za-z0-9-]+)?(@[a-z]+)?$"
  if (grepl(parts, said) && startsWith(bridge_collation(), "ICU")) return(list(key = sub(parts, "\\1.UTF-8\\3", said)))
  list(remark = paste0(
    "the locale of this session, '", said, "', has no certain counterpart on the machine that serves: text sorts there ",
    "as in C.UTF-8 unless you say `locale` in the bundle's model.toml, such as \"zh_CN.UTF-8\""
  ))
}

# What else the session has otherwise than a bundle in one locale.
#   locale  character(1).
bridge_category_remarks <- function(locale) {
  time <- bridge_locale_name(Sys.getlocale("LC_TIME"))
  language <- function(name) sub("\\..*$", "", name)
  c(
    if (language(time) != language(locale)) paste0(
      "days and months have the names of the locale '", time, "' in this session, and those of '", locale,
      "' in the bundle"
    ),
    if (!l10n_info()[["UTF-8"]]) paste0(
      "text is not UTF-8 in this session, as it is in the bundle: beyond ASCII it may be compared, cut and changed otherwise"
    )
  )
}

# Tells the author where text is sorted by other rules in the bundle although the locale is the session's.
#   world  see bridge_session_world(); collation  character(1): what sorts it in the bundle.
bridge_tell_collation <- function(world, collation) {
  if (is.null(world$locale) || collation == world$said$collation) return(invisible())
  message("text is sorted by ", world$said$collation, " in this session, and by ", collation, " in the bundle")
}

# What is remembered of the author in model.toml.
#   said      see bridge_session_world().
#   packages  character, "name version": those that the bundle had loaded when it was proven.
# Returns named list for the table [author].
bridge_author <- function(said, packages) {
  versions <- sub("^[^ ]* ", "", packages)
  names(versions) <- sub(" .*$", "", packages)
  c(said, if (length(versions)) list(packages = as.list(versions)))
}
