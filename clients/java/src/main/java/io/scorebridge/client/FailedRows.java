package io.scorebridge.client;

/**
 * Neighbouring rows that have no score, in the answer to a call with {@link ScoreOptions.Builder#partial}. Immutable;
 * may be shared by threads.
 *
 * @param first the number of the first of these rows, counted from 0.
 * @param count the number of rows.
 * @param reason why they have no score, as an UPPER_SNAKE name such as MODEL_ERROR or INVALID_VALUE; a reason that only
 *     a newer client knows is named by its number, such as REASON_12.
 * @param detail why they have no score, in a sentence.
 */
public record FailedRows(int first, int count, String reason, String detail) {
  /** Reads a range of failed rows; throws a StatusRuntimeException if it is not within the call's rows. */
  static FailedRows read(io.scorebridge.v1.FailedRows range, int rows) {
    DefaultedRows.check("failures", range.getFirst(), range.getCount(), rows);
    String reason = DefaultedRows.name(range.getReason(), range.getReasonValue());
    return new FailedRows(range.getFirst(), range.getCount(), reason, range.getDetail());
  }

  /** Returns this range of a chunk with the numbers of its batch's rows; the chunk begins at row {@code rows}. */
  FailedRows movedBy(int rows) {
    return new FailedRows(first + rows, count, reason, detail);
  }
}
