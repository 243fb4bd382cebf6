# The session in which a bundle is written, as far as scores may depend on it: settings for model.toml, facts that are
# only recorded there, and remarks for the author.

# Returns the world of this session.
# Returns list: timezone, locale  character(1): the settings for model.toml, NULL where they are not certain;
# said  named list of character(1): r, timezone, locale, collation, as the session itself names them, NULL where it does
# not; remarks  character: sentences on what may differ in the bundle.
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

# Returns the session's time zone.
# Returns list: key character(1) or NULL; said character(1) or NULL; remark character(1) or NULL.
bridge_session_timezone <- function() {
  # TZ is what the C library uses. Sys.timezone() asks the system, which may name another zone.
  said <- sub("^:", "", Sys.getenv("TZ"))
  if (said %in% c("", "/etc/localtime")) said <- bridge_localtime()
  if (is.na(said)) said <- suppressWarnings(Sys.timezone())
  certain <- !is.na(said) && said %in% suppressWarnings(OlsonNames()) && bridge_same_hours(said)
  if (certain) return(list(key = said, said = said))
  list(
    said = if (!is.na(said)) said,
    remark = paste0(
      "the time zone of this session", if (!is.na(said)) paste0(", '", said, "',"),
      " can't be identified with certainty: the bundle runs in UTC unless you set `timezone` in its model.toml"
    )
  )
}

# Returns the name of the zone to which the link /etc/localtime leads; NA if it is not such a link.
bridge_localtime <- function() {
  file <- suppressWarnings(normalizePath("/etc/localtime"))
  if (grepl("/zoneinfo/", file, fixed = TRUE)) sub("^.*/zoneinfo/((posix|right)/)?", "", file) else NA_character_
}

# Whether a time zone has the same hours as the session, at instants from 1970 to 2038.
#   timezone  character(1).
bridge_same_hours <- function(timezone) {
  instants <- .POSIXct(seq(0, 2^31 - 1, by = 10 * 86400))
  hours <- function(tz) format(instants, "%Y-%m-%d %H:%M", tz = tz)
  identical(hours(""), hours(timezone))
}

# Returns the session's locale.
# Returns list: key character(1) or NULL; remark character(1) or NULL.
bridge_session_locale <- function() {
  said <- bridge_locale_name(Sys.getlocale("LC_COLLATE"))
  if (said == "C" || grepl("^(C|[a-z]{2,3}(_[A-Z]{2})?)\\.UTF-8(@[a-z]+)?$", said)) return(list(key = said))
  # With ICU only the language decides how text sorts; the system's own rules may also depend on the character set.
  parts <- "^([a-z]{2,3}_[A-Z]{2})(\\.[A-Za-z0-9-]+)?(@[a-z]+)?$"
  if (grepl(parts, said) && startsWith(bridge_collation(), "ICU")) return(list(key = sub(parts, "\\1.UTF-8\\3", said)))
  list(remark = paste0(
    "the locale of this session, '", said, "', has no certain counterpart on the machine that serves: text sorts there ",
    "as in C.UTF-8 unless you set `locale` in the bundle's model.toml, such as \"zh_CN.UTF-8\""
  ))
}

# Returns sentences on what differs between this session and a bundle beside the sorting of text.
#   locale  character(1): the bundle's locale.
bridge_category_remarks <- function(locale) {
  time <- bridge_locale_name(Sys.getlocale("LC_TIME"))
  language <- function(name) sub("\\..*$", "", name)
  c(
    if (language(time) != language(locale)) paste0(
      "days and months have the names of the locale '", time, "' in this session, and those of '", locale,
      "' in the bundle"
    ),
    if (!l10n_info()[["UTF-8"]]) paste0(
      "text is not UTF-8 in this session, but is in the bundle: non-ASCII text may be compared, cut and changed ",
      "differently there"
    )
  )
}

# Tells the author if the bundle sorts text by other rules than the session, although both have the same locale.
#   world  see bridge_session_world(); collation  character(1): what sorts text in the bundle.
bridge_tell_collation <- function(world, collation) {
  if (is.null(world$locale) || collation == world$said$collation) return(invisible())
  message("text is sorted by ", world$said$collation, " in this session, and by ", collation, " in the bundle")
}

# Returns the table [author] of model.toml, which records the session in which the bundle was written.
#   said      see bridge_session_world().
#   packages  character, "name version": those that the bundle had loaded when it was proven.
# Returns named list for the table [author].
bridge_author <- function(said, packages) {
  versions <- sub("^[^ ]* ", "", packages)
  names(versions) <- sub(" .*$", "", packages)
  c(said, if (length(versions)) list(packages = as.list(versions)))
}
