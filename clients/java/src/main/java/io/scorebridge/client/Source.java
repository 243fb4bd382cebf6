package io.scorebridge.client;

/** Where the scores of an answer come from. */
public enum Source {
  /** Every score is the model's. */
  MODEL,
  /** Every score is a default score that the gateway gave. */
  DEFAULT,
  /**
   * Some rows carry a default score, or have none: {@link Scores#defaults()} and {@link Scores#failedRows()} tell
   * which.
   */
  MIXED,
  /** No gateway answered; every score is the caller's own default. */
  CLIENT_DEFAULT
}
