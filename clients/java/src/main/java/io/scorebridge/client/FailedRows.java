package io.scorebridge.client;

/**
 * Neighbouring rows that have no score, of a call with {@link ScoreOptions.Builder#partial}.
 *
 * @param first the first of them, counted from 0.
 * @param count how many.
 * @param reason the event as an UPPER_SNAKE name, such as MODEL_ERROR or INVALID_VALUE.
 * @param detail the event in a sentence.
 */
public record FailedRows(int first, int count, String reason, String detail) {
  /** What a gateway says of rows of a call of so many; a StatusRuntimeException if there are no such rows. */
  static FailedRows read(io.scorebridge.v1.FailedRows range, int rows) {
    DefaultedRows.check("failures", range.getFirst(), range.getCount(), rows);
    String reason = DefaultedRows.name(range.getReason(), range.getReasonValue());
    return new FailedRows(range.getFirst(), range.getCount(), reason, range.getDetail());
  }

  FailedRows movedBy(int rows) {
    return new FailedRows(first + rows, count, reason, detail);
  }
}
