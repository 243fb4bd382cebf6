package io.scorebridge.client;

import io.scorebridge.v1.DefaultReason;

/**
 * Neighbouring rows that carry a default score.
 *
 * @param first the first of them, counted from 0.
 * @param count how many.
 * @param reason the event as an UPPER_SNAKE name, such as DEADLINE or CLIENT_CIRCUIT_OPEN.
 * @param detail the event in a sentence.
 * @param byClient true where this client gave them, because the gateway gave no answer.
 */
public record DefaultedRows(int first, int count, String reason, String detail, boolean byClient) {
  /** What a gateway says of rows of a call of so many; a StatusRuntimeException if there are no such rows. */
  static DefaultedRows read(io.scorebridge.v1.DefaultedRows part, int rows) {
    long first = Integer.toUnsignedLong(part.getFirst());
    long last = first + Integer.toUnsignedLong(part.getCount()) - 1;
    if (last >= rows) {
      throw Scores.senseless("default scores of rows " + first + " to " + last + " of " + rows);
    }
    // A newer gateway may have reasons that have no name here.
    String reason =
        part.getReason() == DefaultReason.UNRECOGNIZED
            ? "REASON_" + part.getReasonValue()
            : part.getReason().name().replaceFirst("^DEFAULT_REASON_", "");
    return new DefaultedRows(part.getFirst(), part.getCount(), reason, part.getDetail(), false);
  }

  DefaultedRows movedBy(int rows) {
    return new DefaultedRows(first + rows, count, reason, detail, byClient);
  }
}
