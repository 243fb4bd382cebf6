package io.scorebridge.client;

import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreRequest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;

/** Named columns of different types; see {@link Batch#columns()}. */
public final class ColumnBatch extends Batch {
  private final List<NamedColumn> columns;
  private final int rows;

  private ColumnBatch(List<NamedColumn> columns) {
    this.columns = columns;
    this.rows = columns.isEmpty() ? 0 : columns.get(0).rows;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  long bytes() {
    return columns.stream().mapToLong(column -> column.bytes).sum();
  }

  @Override
  void fill(ScoreRequest.Builder request, int first, int count) {
    for (NamedColumn column : columns) {
      Column.Builder made = request.getTableBuilder().addColumnsBuilder().setName(column.name);
      column.kind.begin(made);
      IntConsumer add = column.adder(made);
      for (int row = first; row < first + count; row++) {
        add.accept(row);
        if (column.missing.test(row)) {
          made.addMissingRows(row - first);
        }
      }
    }
  }

  /** What a column holds. */
  private enum Kind {
    DOUBLES,
    FLOATS,
    INTS,
    LONGS,
    BOOLEANS,
    STRINGS;

    /** An array of the type is there even if it has no values. */
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
  }

  private record NamedColumn(
      String name, Kind kind, Object values, int rows, long bytes, IntPredicate missing) {
    /** What puts the value of a row into the message; a placeholder where it is missing. */
    IntConsumer adder(Column.Builder column) {
      if (values instanceof double[] doubles) {
        var array = column.getDoublesBuilder();
        return row -> array.addValues(doubles[row]);
      }
      if (values instanceof float[] floats) {
        var array = column.getFloatsBuilder();
        return row -> array.addValues(floats[row]);
      }
      if (values instanceof int[] ints) {
        var array = column.getInt32SBuilder();
        return row -> array.addValues(ints[row]);
      }
      if (values instanceof long[] longs) {
        var array = column.getInt64SBuilder();
        return row -> array.addValues(longs[row]);
      }
      if (values instanceof boolean[] truths) {
        var array = column.getBoolsBuilder();
        return row -> array.addValues(truths[row]);
      }
      Object[] objects = (Object[]) values;
      return switch (kind) {
        case DOUBLES -> row -> column.getDoublesBuilder().addValues(number(objects[row], Double.NaN).doubleValue());
        case FLOATS -> row -> column.getFloatsBuilder().addValues(number(objects[row], Float.NaN).floatValue());
        case INTS -> row -> column.getInt32SBuilder().addValues(number(objects[row], 0).intValue());
        case LONGS -> row -> column.getInt64SBuilder().addValues(number(objects[row], 0).longValue());
        case BOOLEANS -> row -> column.getBoolsBuilder().addValues(Boolean.TRUE.equals(objects[row]));
        case STRINGS -> row -> column.getStringsBuilder().addValues(objects[row] == null ? "" : objects[row].toString());
      };
    }

    private static Number number(Object value, Number placeholder) {
      return value == null ? placeholder : (Number) value;
    }
  }

  /** Collects columns of equal lengths. */
  public static final class Builder {
    private final List<NamedColumn> columns = new ArrayList<>();
    private final Set<String> names = new HashSet<>();

    Builder() {}

    /**
     * A column of numbers.
     *
     * @param name the feature.
     * @param values one for each row; NaN is missing.
     * @return this.
     */
    public Builder doubles(String name, double... values) {
      return add(name, Kind.DOUBLES, values, values.length, 8L * values.length, row -> false);
    }

    /**
     * A column of single-precision numbers.
     *
     * @param name the feature.
     * @param values one for each row; NaN is missing.
     * @return this.
     */
    public Builder floats(String name, float... values) {
      return add(name, Kind.FLOATS, values, values.length, 4L * values.length, row -> false);
    }

    /**
     * A column of integers.
     *
     * @param name the feature.
     * @param values one for each row.
     * @return this.
     */
    public Builder ints(String name, int... values) {
      return add(name, Kind.INTS, values, values.length, 4L * values.length, row -> false);
    }

    /**
     * A column of long integers, such as ids; they stay exact.
     *
     * @param name the feature.
     * @param values one for each row; where some are missing, see {@link #values(String, List)}.
     * @return this.
     */
    public Builder longs(String name, long... values) {
      return add(name, Kind.LONGS, values, values.length, 8L * values.length, row -> false);
    }

    /**
     * A column of truth values.
     *
     * @param name the feature.
     * @param values one for each row.
     * @return this.
     */
    public Builder booleans(String name, boolean... values) {
      return add(name, Kind.BOOLEANS, values, values.length, values.length, row -> false);
    }

    /**
     * A column of text or of a factor's levels.
     *
     * @param name the feature.
     * @param values one for each row; null is missing.
     * @return this.
     * @throws IllegalArgumentException if a text is no valid Unicode.
     */
    public Builder strings(String name, List<String> values) {
      return objects(name, values.toArray(), Kind.STRINGS);
    }

    /**
     * A column of numbers, truth values or text, of which some may be missing.
     *
     * @param name the feature.
     * @param values of one kind; null is missing. Numbers of several types become the widest of them; where all values
     *     are missing they are numbers.
     * @return this.
     * @throws IllegalArgumentException if the values are of kinds that don't go together, a text is no valid Unicode, or
     *     a whole number among fractions is one that no double holds.
     */
    public Builder values(String name, List<?> values) {
      return objects(name, values.toArray());
    }

    /**
     * The batch.
     *
     * @return what was collected.
     * @throws IllegalArgumentException if there is no column.
     */
    public ColumnBatch build() {
      if (columns.isEmpty()) {
        throw new IllegalArgumentException("a batch needs a column");
      }
      return new ColumnBatch(List.copyOf(columns));
    }

    Builder objects(String name, Object[] values) {
      Kind kind = null;
      for (Object value : values) {
        Kind own = value == null ? null : kind(name, value);
        if (own != null && own != kind) {
          kind = kind == null ? own : wider(name, kind, own);
        }
      }
      if (kind == Kind.DOUBLES) {
        refuseRounded(name, values);
      }
      return objects(name, values, kind == null ? Kind.DOUBLES : kind);
    }

    private Builder objects(String name, Object[] values, Kind kind) {
      long bytes = 8L * values.length;
      if (kind == Kind.STRINGS) {
        for (Object value : values) {
          String text = value == null ? "" : value.toString();
          if (text.codePoints().anyMatch(one -> Character.getType(one) == Character.SURROGATE)) {
            throw new IllegalArgumentException(
                "column '" + name + "': half of a surrogate pair, which UTF-8 can't hold");
          }
          bytes += text.length();
        }
      }
      return add(name, kind, values, values.length, bytes, row -> values[row] == null);
    }

    private Builder add(String name, Kind kind, Object values, int rows, long bytes, IntPredicate missing) {
      if (!names.add(name)) {
        throw new IllegalArgumentException("two columns are named '" + name + "'");
      }
      if (!columns.isEmpty() && columns.get(0).rows != rows) {
        String first = "'" + columns.get(0).name + "' has " + columns.get(0).rows;
        throw new IllegalArgumentException("column '" + name + "' has " + rows + " rows, " + first);
      }
      columns.add(new NamedColumn(name, kind, values, rows, bytes, missing));
      return this;
    }

    private static void refuseRounded(String name, Object[] values) {
      for (int row = 0; row < values.length; row++) {
        if (values[row] instanceof Long whole && !isDouble(whole)) {
          throw new IllegalArgumentException(
              "column '" + name + "', row " + row + ": a number that no double holds exactly");
        }
      }
    }

    /** 2^63 is no long: what is rounded to it comes back as the largest long. */
    private static boolean isDouble(long whole) {
      double rounded = whole;
      return rounded != 0x1p63 && (long) rounded == whole;
    }

    private static Kind kind(String name, Object value) {
      if (value instanceof Double) {
        return Kind.DOUBLES;
      }
      if (value instanceof Float) {
        return Kind.FLOATS;
      }
      if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
        return Kind.INTS;
      }
      if (value instanceof Long) {
        return Kind.LONGS;
      }
      if (value instanceof Boolean) {
        return Kind.BOOLEANS;
      }
      if (value instanceof CharSequence || value instanceof Enum<?> || value instanceof Character) {
        return Kind.STRINGS;
      }
      throw new IllegalArgumentException("column '" + name + "' holds a " + value.getClass().getName());
    }

    private static Kind wider(String name, Kind one, Kind other) {
      boolean numbers = one.compareTo(Kind.BOOLEANS) < 0 && other.compareTo(Kind.BOOLEANS) < 0;
      if (!numbers) {
        throw new IllegalArgumentException("column '" + name + "' holds values of kinds that don't go together");
      }
      boolean whole = one.compareTo(Kind.INTS) >= 0 && other.compareTo(Kind.INTS) >= 0;
      return whole ? Kind.LONGS : Kind.DOUBLES;
    }
  }
}
