package io.scorebridge.client;

import io.scorebridge.v1.Column;
import java.math.BigDecimal;
import java.math.BigInteger;

/** The kind of values that a column holds. {@link #wider} relies on the order: DOUBLES and FLOATS come before INTS. */
enum ColumnKind {
  DOUBLES("a number"),
  FLOATS("a number"),
  INTS("a number"),
  LONGS("a number"),
  BOOLEANS("a truth value"),
  STRINGS("text");

  private static final double WHOLE = 0x1p53; // up to here a double holds every whole number

  private final String what;

  ColumnKind(String what) {
    this.what = what;
  }

  /** Returns the kind that holds all values of a column exactly; throws an IllegalArgumentException if none does. */
  static ColumnKind of(String column, Object[] values) {
    ColumnKind kind = null;
    int first = 0;
    for (int row = 0; row < values.length; row++) {
      if (values[row] == null) {
        continue;
      }
      ColumnKind own = of(column, row, values[row]);
      if (kind == null) {
        kind = own;
        first = row;
      } else if (own != kind) {
        if (!kind.what.equals(own.what)) {
          throw new IllegalArgumentException(
              "column '" + column + "' holds " + kind.what + " in row " + first + " and " + own.what + " in row " + row
                  + ": give values of one kind");
        }
        kind = kind.wider(own);
      }
    }
    if (kind == DOUBLES) {
      for (int row = 0; row < values.length; row++) {
        refuseRounded(column, row, values[row]);
      }
    }
    return kind == null ? DOUBLES : kind;
  }

  /** Begins a column's array of values in a message, so that the message has the array even if it stays empty. */
  void begin(Column.Builder column) {
    switch (this) {
      case DOUBLES -> column.getDoublesBuilder();
      case FLOATS -> column.getFloatsBuilder();
      case INTS -> column.getInt32SBuilder();
      case LONGS -> column.getInt64SBuilder();
      case BOOLEANS -> column.getBoolsBuilder();
      case STRINGS -> column.getStringsBuilder();
    }
  }

  private static ColumnKind of(String column, int row, Object value) {
    if (value instanceof Double || value instanceof BigDecimal) {
      return DOUBLES;
    }
    if (value instanceof Float) {
      return FLOATS;
    }
    if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
      return INTS;
    }
    if (value instanceof Long) {
      return LONGS;
    }
    if (value instanceof BigInteger whole) {
      return whole.bitLength() < Long.SIZE ? LONGS : DOUBLES;
    }
    if (value instanceof Boolean) {
      return BOOLEANS;
    }
    if (value instanceof CharSequence || value instanceof Enum<?> || value instanceof Character) {
      return STRINGS;
    }
    throw new IllegalArgumentException(
        "column '" + column + "', row " + row + " is a " + value.getClass().getName()
            + ": give a number, a truth value or text");
  }

  private ColumnKind wider(ColumnKind other) {
    boolean whole = compareTo(INTS) >= 0 && other.compareTo(INTS) >= 0;
    return whole ? LONGS : DOUBLES;
  }

  private static void refuseRounded(String column, int row, Object value) {
    boolean exact = true;
    if (value instanceof Long whole) {
      double rounded = whole;
      exact = rounded != 0x1p63 && (long) rounded == whole; // what is rounded to 2^63 comes back as the largest long
    } else if (value instanceof BigInteger whole) {
      exact = Double.isFinite(whole.doubleValue()) && isExact(new BigDecimal(whole));
    } else if (value instanceof BigDecimal decimal) {
      double nearest = decimal.doubleValue();
      if (!Double.isFinite(nearest)) {
        throw new IllegalArgumentException(
            "column '" + column + "', row " + row + ": a number beyond the range of a double");
      }
      // No double holds a fraction such as 0.1: the nearest one is meant. A whole number must be held exactly.
      exact = Math.abs(nearest) < WHOLE || decimal.stripTrailingZeros().scale() > 0 || isExact(decimal);
    }
    if (!exact) {
      throw new IllegalArgumentException(
          "column '" + column + "', row " + row + ": a whole number that no double holds exactly; give Long values,"
              + " with no fractions in the column, or round the number");
    }
  }

  private static boolean isExact(BigDecimal value) {
    return new BigDecimal(value.doubleValue()).compareTo(value) == 0;
  }
}
