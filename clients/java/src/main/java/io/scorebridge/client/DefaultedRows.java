package io.scorebridge.client;

import io.scorebridge.v1.DefaultReason;

/**
 * Neighbouring rows that carry a default score. Immutable; may be shared by threads.
 *
 * @param first the number of the first of these rows, counted from 0.
 * @param count the number of rows.
 * @param reason why they carry a default score, as an UPPER_SNAKE name such as DEADLINE or CLIENT_CIRCUIT_OPEN; a
 *     reason that only a newer client knows is named by its number, such as REASON_12.
 * @param detail why they carry a default score, in a sentence.
 * @param byClient true if this client gave the default score, because no gateway answered; false if the gateway did.
 */
public record DefaultedRows(int first, int count, String reason, String detail, boolean byClient) {
  /** Reads a range of default scores; throws a StatusRuntimeException if it is not within the call's rows. */
  static DefaultedRows read(io.scorebridge.v1.DefaultedRows range, int rows) {
    check("default scores", range.getFirst(), range.getCount(), rows);
    String reason = name(range.getReason(), range.getReasonValue());
    return new DefaultedRows(range.getFirst(), range.getCount(), reason, range.getDetail(), false);
  }

  /**
   * Checks that a range is within a call's rows; throws a StatusRuntimeException if not.
   *
   * @param what what the range reports, for the message.
   * @param first the first row, an unsigned number.
   * @param count the number of rows in the range, an unsigned number.
   * @param rows the number of rows in the call.
   */
  static void check(String what, int first, int count, int rows) {
    long begins = Integer.toUnsignedLong(first);
    long last = begins + Integer.toUnsignedLong(count) - 1;
    if (last >= rows) {
      throw ScoreAnswer.senseless(
          "it reports " + what + " for rows " + begins + " to " + last + ", but the call had " + rows + " rows");
    }
  }

  /** Returns the name of a reason; a reason that only a newer client knows is named by its number, as REASON_12. */
  static String name(DefaultReason reason, int number) {
    return EnumNames.of(reason, "DEFAULT_REASON_", "REASON_", number);
  }

  /** Returns this range of a chunk with the numbers of its batch's rows; the chunk begins at row {@code rows}. */
  DefaultedRows movedBy(int rows) {
    return new DefaultedRows(first + rows, count, reason, detail, byClient);
  }
}
