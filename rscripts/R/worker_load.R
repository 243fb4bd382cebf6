# Loading a bundle into the global environment, as its author saved it: saved functions and formulas refer to it.
# Where two files hold an object of one name, the later one in sorted order wins, as it would in a session.

# Loads a bundle; bridge_lock() comes after it.
#   folder  character(1): the bundle.
#   input   character(1): "columns", one argument a feature, or "frame", one data.frame of all.
# Returns the model (see bridge_model_of), and as `notes` what its author should read. Raises bridge_bundle_error.
bridge_load <- function(folder, input = "columns") {
  file <- file.path(folder, "Pred.R")
  if (!file.exists(file)) stop(bridge_bundle_error("there is no file Pred.R in the bundle"))
  notes <- bridge_load_objects(folder)
  sourced <- bridge_source_predict(file)
  bridge_refuse_hooks()
  c(bridge_model_of(bridge_predict_name(sourced$defined), input), list(notes = c(notes, sourced$notes)))
}

# Loads every saved object, in sorted order.
#   folder  character(1).
# Returns character: what R warned of, and names that are in two files.
bridge_load_objects <- function(folder) {
  files <- sort(list.files(folder, pattern = "\\.(rdata|rda|rds)$", ignore.case = TRUE), method = "radix")
  notes <- character()
  homes <- character()
  for (file in files) {
    kept <- bridge_warnings()
    names <- bridge_load_file(file.path(folder, file), file, kept)
    twice <- intersect(names, names(homes))
    notes <- c(
      notes, bridge_warning_notes(kept, file), bridge_foreign_text_notes(mget(names, envir = globalenv()), file),
      if (length(twice)) paste0("object '", twice, "' is in ", homes[twice], " and in ", file, ": the latter is used")
    )
    homes[names] <- file
  }
  notes
}

# Loads one file of saved objects.
#   path  character(1); file  character(1): what the sentences call it; kept  see bridge_warnings().
# Returns character: the objects' names.
bridge_load_file <- function(path, file, kept) {
  single <- grepl("\\.rds$", file, ignore.case = TRUE)
  tryCatch(
    bridge_keeping_warnings(
      if (single) {
        name <- sub("\\.[^.]*$", "", file)
        assign(name, readRDS(path), envir = globalenv())
        name
      } else {
        load(path, envir = globalenv())
      },
      kept
    ),
    error = function(condition) {
      stop(bridge_bundle_error(bridge_load_failure(path, file, single, condition, kept)))
    }
  )
}

# Why a file can't be loaded, in a sentence.
#   path, file, kept  as in bridge_load_file(); single  logical(1): it was read as one object; condition  an error.
bridge_load_failure <- function(path, file, single, condition, kept) {
  otherwise <- bridge_written_otherwise(path, file, single)
  if (is.null(otherwise)) bridge_unloadable(file, condition, kept) else otherwise
}

# What to do with a file of the other kind, in a sentence; NULL if it is not.
#   path, file  as in bridge_load_file(); single  logical(1): it was read as one object without a name.
bridge_written_otherwise <- function(path, file, single) {
  readable <- tryCatch(
    {
      suppressWarnings(if (single) load(path, envir = new.env()) else readRDS(path))
      TRUE
    },
    error = function(condition) FALSE
  )
  if (!readable) return(NULL)
  if (single) return(paste0(file, " was written by save(), not saveRDS(): give it a name that ends in .RData"))
  paste0(
    file, " was written by saveRDS(), which keeps an object without its name: write it with save(), or call the file ",
    "<the object's name>.rds"
  )
}

# Why a file can't be loaded, in a sentence with R's own words.
#   file  character(1); condition  an error; kept  see bridge_warnings().
bridge_unloadable <- function(file, condition, kept) {
  said <- bridge_on_one_line(bridge_full_message(condition, kept))
  sound <- grepl(paste0(
    "allocate|memory exhausted|Too many open files|Input/output error|there is no package|loadNamespace|",
    "Permission denied"
  ), said)
  paste0(file, " can't be loaded: ", if (!sound) "it is damaged or was not saved by R: ", said)
}

# What R warned of, as sentences.
#   kept  see bridge_warnings(); file  character(1): what was loaded.
bridge_warning_notes <- function(kept, file) {
  texts <- bridge_warning_texts(kept$warned)
  if (length(texts)) paste0("R warned while it loaded ", file, ": ", texts) else character()
}

# Evaluates Pred.R in the global environment, with the bundle as working directory while it lasts.
#   file  character(1): its path.
# Returns list: defined, the names of the functions that the file defines: those it bound anew, and those it assigns at
# its top level, which count even if a saved object of the same name was identical; notes, what R warned of.
bridge_source_predict <- function(file) {
  expressions <- bridge_parse(file)
  before <- bridge_global_functions()
  previous <- setwd(dirname(file))
  on.exit(setwd(previous))
  kept <- bridge_warnings()
  tryCatch(
    bridge_keeping_warnings(for (expression in expressions) eval(expression, globalenv()), kept),
    error = function(condition) {
      said <- bridge_on_one_line(bridge_full_message(condition, kept))
      stop(bridge_bundle_error("Pred.R failed while it was loaded: ", said))
    }
  )
  after <- bridge_global_functions()
  changed <- vapply(names(after), function(name) !identical(after[[name]], before[[name]]), NA)
  assigned <- unlist(lapply(expressions, bridge_assigned_name))
  list(
    defined = sort(union(names(after)[changed], intersect(names(after), assigned)), method = "radix"),
    notes = bridge_warning_notes(kept, "Pred.R")
  )
}

# The functions in the global environment, by name.
bridge_global_functions <- function() Filter(is.function, as.list(globalenv(), all.names = TRUE))

# The expressions of an R file in UTF-8, with or without a byte order mark.
#   file  character(1).
bridge_parse <- function(file) {
  lines <- readLines(file, warn = FALSE, encoding = "UTF-8")
  if (!all(validUTF8(lines))) stop(bridge_bundle_error(basename(file), " is not UTF-8"))
  lines[1L] <- sub("^\ufeff", "", lines[1L])
  tryCatch(
    parse(text = lines, keep.source = FALSE, encoding = "UTF-8"),
    error = function(e) {
      line <- sub("^<text>:([0-9]+):.*$", "line \\1", strsplit(conditionMessage(e), "\n", fixed = TRUE)[[1L]][1L])
      stop(bridge_bundle_error(basename(file), " is not R code: ", line))
    }
  )
}

# The name that a top-level expression assigns, or NULL.
#   expression  any element of a parsed file.
bridge_assigned_name <- function(expression) {
  assigns <- is.call(expression) && length(expression) == 3L &&
    (identical(expression[[1L]], as.name("<-")) || identical(expression[[1L]], as.name("=")))
  if (assigns && (is.symbol(expression[[2L]]) || is.character(expression[[2L]]))) as.character(expression[[2L]])
}

# A condition's text on one line.
#   condition  an error.
bridge_one_line <- function(condition) bridge_on_one_line(bridge_message(condition))

# A text on one line, and of bounded length.
#   text  character(1).
bridge_on_one_line <- function(text) substr(gsub("[[:space:][:cntrl:]]+", " ", text), 1L, 600L)

# Refuses a bundle that would take the place of the bridge's code: Rserve looks its hooks up by name.
bridge_refuse_hooks <- function() {
  hooks <- grep("^(oc\\.init|\\.Rserve\\..*)$", ls(globalenv(), all.names = TRUE), value = TRUE)
  if (length(hooks)) stop(bridge_bundle_error("the bundle holds an object named ", hooks[1L], ", which is Rserve's own"))
}

# Which function predicts.
#   defined  character: the functions that the file Pred.R defines.
# Returns character(1).
bridge_predict_name <- function(defined) {
  if ("Pred.R" %in% defined) return("Pred.R")
  if (length(defined) == 1L) return(defined)
  if (!length(defined)) stop(bridge_bundle_error("Pred.R defines no function"))
  stop(bridge_bundle_error(
    "Pred.R defines ", length(defined), " functions (", paste(defined, collapse = ", "), ") and none is named Pred.R"
  ))
}

# What a worker has to know about the predict function.
#   name   character(1): its name in the global environment.
#   input  as in bridge_load().
# Returns list: name; feature_names character and feature_required logical (no default), of its arguments; frame, the
# argument that is a data.frame of all features, or NULL; call, the usual call, built once.
bridge_model_of <- function(name, input) {
  features <- bridge_features(get(name, envir = globalenv(), mode = "function"), name)
  frame <- if (input == "frame") bridge_frame_argument(features, name)
  call <- bridge_call(name, if (is.null(frame)) features$feature_names else frame)
  c(list(name = name), features, list(frame = frame, call = call))
}

# Which argument is the data.frame: the one without a default, else the first.
#   features  list: see bridge_features(); name  character(1): the function's.
bridge_frame_argument <- function(features, name) {
  required <- features$feature_names[features$feature_required]
  if (length(required) > 1L) {
    stop(bridge_bundle_error(
      name, " has ", length(required), " arguments without a default (", paste(required, collapse = ", "),
      "): with input = \"frame\" it takes one, the data frame"
    ))
  }
  c(required, features$feature_names)[1L]
}

# The features that a function takes: its formals, but for `...`.
#   predict  function.
#   name     character(1): what the messages call it.
# Returns list: feature_names character, feature_required logical.
bridge_features <- function(predict, name) {
  if (is.primitive(predict)) stop(bridge_bundle_error(name, " is a primitive: its arguments have no names"))
  arguments <- as.list(formals(predict))
  if (identical(names(arguments), "...")) {
    stop(bridge_bundle_error(name, " takes only `...`: its arguments are the features, so they need names"))
  }
  arguments <- arguments[names(arguments) != "..."]
  if (!length(arguments)) stop(bridge_bundle_error(name, " takes no arguments: its arguments are the features"))
  required <- vapply(seq_along(arguments), function(i) identical(arguments[[i]], quote(expr = )), NA)
  list(feature_names = enc2utf8(names(arguments)), feature_required = required)
}

# The call name(a = a, b = b): of symbols alone, because R writes the values in a call into error messages and
# match.call().
#   name   character(1): the function.
#   names  character: the arguments.
bridge_call <- function(name, names) {
  arguments <- lapply(names, as.name)
  names(arguments) <- names
  as.call(c(list(as.name(name)), arguments))
}
