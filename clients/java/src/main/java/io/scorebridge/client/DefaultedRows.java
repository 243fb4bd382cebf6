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
  static DefaultedRows read(io.scorebridge.v1.DefaultedRows range, int rows) {
    check("default scores", range.getFirst(), range.getCount(), rows);
    String reason = name(range.getReason(), range.getReasonValue());
    return new DefaultedRows(range.getFirst(), range.getCount(), reason, range.getDetail(), false);
  }

  /** Raises a StatusRuntimeException if there are no such rows, which the protocol counts as unsigned numbers. */
  static void check(String what, int first, int count, int rows) {
    long begins = Integer.toUnsignedLong(first);
    long last = begins + Integer.toUnsignedLong(count) - 1;
    if (last >= rows) {
      throw ScoreAnswer.senseless(what + " of rows " + begins + " to " + last + " of " + rows);
    }
  }

  /** The name of a reason; of one that only a newer client knows, its number. */
  static String name(DefaultReason reason, int number) {
    return EnumNames.of(reason, "DEFAULT_REASON_", "REASON_", number);
  }

  DefaultedRows movedBy(int rows) {
    return new DefaultedRows(first + rows, count, reason, detail, byClient);
  }
}
