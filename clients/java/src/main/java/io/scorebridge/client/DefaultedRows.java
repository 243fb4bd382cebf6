package io.scorebridge.client;

import io.scorebridge.v1.DefaultReason;

/**
 * Neighbouring rows that carry a default score. Immutable; may be shared by threads.
 *
 * @param first the number of the first of these rows, counted from 0.
 * @param count how many rows they are.
 * @param reason why they carry a default score, as an UPPER_SNAKE name such as DEADLINE or CLIENT_CIRCUIT_OPEN; a
 *     reason that only a newer client knows is named by its number, such as REASON_12.
 * @param detail why they carry a default score, in a sentence.
 * @param byClient true where this client gave the default score, because no gateway answered.
 */
public record DefaultedRows(int first, int count, String reason, String detail, boolean byClient) {
  /**
   * Reads a range of default scores in an answer to so many rows; a StatusRuntimeException if there are no such rows.
   */
  static DefaultedRows read(io.scorebridge.v1.DefaultedRows range, int rows) {
    check("default scores", range.getFirst(), range.getCount(), rows);
    String reason = name(range.getReason(), range.getReasonValue());
    return new DefaultedRows(range.getFirst(), range.getCount(), reason, range.getDetail(), false);
  }

  /** Throws a StatusRuntimeException if a range is not within so many rows; the protocol has unsigned numbers in it. */
  static void check(String what, int first, int count, int rows) {
    long begins = Integer.toUnsignedLong(first);
    long last = begins + Integer.toUnsignedLong(count) - 1;
    if (last >= rows) {
      throw ScoreAnswer.senseless(what + " of rows " + begins + " to " + last + " of " + rows);
    }
  }

  /** The name of a reason; one that only a newer client knows is named by its number, such as REASON_12. */
  static String name(DefaultReason reason, int number) {
    return EnumNames.of(reason, "DEFAULT_REASON_", "REASON_", number);
  }

  /** This range of a chunk that begins so many rows behind the first row of its batch. */
  DefaultedRows movedBy(int rows) {
    return new DefaultedRows(first + rows, count, reason, detail, byClient);
  }
}
