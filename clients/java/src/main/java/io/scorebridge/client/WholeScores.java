package io.scorebridge.client;

import java.util.Arrays;

/**
 * The scores of one output of type INT64, which a double may not hold: a Long for each row, null where the score is
 * missing, and a Double for a client default with a fraction. May be used by any thread.
 */
final class WholeScores {
  private static final long EXACT = 1L << 53; // doubles hold the whole numbers up to here

  private WholeScores() {}

  /**
   * Returns numbers as doubles, NaN where one is missing.
   *
   * @param output the name of the output, for the message.
   * @throws IllegalStateException if a double does not hold one of the numbers.
   */
  static double[] doubles(String output, Number[] scores) {
    double[] values = new double[scores.length];
    for (int row = 0; row < scores.length; row++) {
      if (scores[row] instanceof Long whole && (whole > EXACT || whole < -EXACT)) {
        throw new IllegalStateException(
            "'" + output + "', row " + row + ", is a whole number that a double does not hold: ask for it by longs");
      }
      values[row] = scores[row] == null ? Double.NaN : scores[row].doubleValue();
    }
    return values;
  }

  /**
   * Returns numbers as longs, null where one is missing.
   *
   * @param output the name of the output, for the message.
   * @throws IllegalStateException if one of the numbers is a client default with a fraction.
   */
  static Long[] longs(String output, Number[] scores) {
    for (int row = 0; row < scores.length; row++) {
      if (scores[row] instanceof Double) {
        throw new IllegalStateException(
            "'" + output + "', row " + row + ", is a default that is not a whole number: ask for it by scores");
      }
    }
    return Arrays.copyOf(scores, scores.length, Long[].class);
  }

  /** Returns a client default as a score: null for NaN, and a Long for a whole number. */
  static Number of(double value) {
    if (Double.isNaN(value)) {
      return null;
    }
    boolean whole = value == Math.rint(value) && Math.abs(value) <= EXACT;
    return whole ? (Number) (long) value : (Number) value;
  }
}
