package io.scorebridge.client;

/** Where the scores of an answer come from. */
public enum Source {
  /** Every score is the model's. */
  MODEL,
  /** Every score is a default score that the gateway gave. */
  DEFAULT,
  /**
   * The rows' scores have several sources, or some rows have no score: {@link Scores#defaults()} and {@link
   * Scores#failedRows()} say which rows.
   */
  MIXED,
  /** Every score is a default score that this client gave, because no gateway answered. */
  CLIENT_DEFAULT
}
