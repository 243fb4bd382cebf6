package io.scorebridge.client;

import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreRequest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;

/**
 * A batch of named columns, which may have different types; {@link Batch#columns()} begins one. May be shared by
 * threads.
 */
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

  private record NamedColumn(
      String name, ColumnKind kind, Object values, int rows, long bytes, IntPredicate missing) {
    /** Returns a function that adds the value of a row to a message, or a placeholder if the value is missing. */
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

  /** Collects columns of equal lengths, one entry for each row. Not to be shared by threads. */
  public static final class Builder {
    private final List<NamedColumn> columns = new ArrayList<>();
    private final Set<String> names = new HashSet<>();

    Builder() {}

    /**
     * Adds a column of numbers.
     *
     * @param name the name of the feature.
     * @param values one for each row; NaN is missing.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, or the
     *     number of values is not that of the other columns.
     */
    public Builder doubles(String name, double... values) {
      given(name, values);
      return add(name, ColumnKind.DOUBLES, values, values.length, 8L * values.length, row -> false);
    }

    /**
     * Adds a column of single-precision numbers.
     *
     * @param name the name of the feature.
     * @param values one for each row; NaN is missing.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, or the
     *     number of values is not that of the other columns.
     */
    public Builder floats(String name, float... values) {
      given(name, values);
      return add(name, ColumnKind.FLOATS, values, values.length, 4L * values.length, row -> false);
    }

    /**
     * Adds a column of whole numbers of 32 bits.
     *
     * @param name the name of the feature.
     * @param values one for each row.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, or the
     *     number of values is not that of the other columns.
     */
    public Builder ints(String name, int... values) {
      given(name, values);
      return add(name, ColumnKind.INTS, values, values.length, 4L * values.length, row -> false);
    }

    /**
     * Adds a column of whole numbers of 64 bits, such as ids; they stay exact.
     *
     * @param name the name of the feature.
     * @param values one for each row; where some are missing, see {@link #values(String, List)}.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, or the
     *     number of values is not that of the other columns.
     */
    public Builder longs(String name, long... values) {
      given(name, values);
      return add(name, ColumnKind.LONGS, values, values.length, 8L * values.length, row -> false);
    }

    /**
     * Adds a column of truth values.
     *
     * @param name the name of the feature.
     * @param values one for each row.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, or the
     *     number of values is not that of the other columns.
     */
    public Builder booleans(String name, boolean... values) {
      given(name, values);
      return add(name, ColumnKind.BOOLEANS, values, values.length, values.length, row -> false);
    }

    /**
     * Adds a column of text or of a factor's levels.
     *
     * @param name the name of the feature.
     * @param values one for each row; null is missing.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, the
     *     number of values is not that of the other columns, or a text is not valid Unicode; the message names column
     *     and row.
     */
    public Builder strings(String name, List<String> values) {
      return objects(name, given(name, values).toArray(), ColumnKind.STRINGS);
    }

    /**
     * Adds a column of numbers, truth values or text, of which some may be missing.
     *
     * @param name the name of the feature.
     * @param values numbers, truth values or texts, one kind in a column, as {@link Batch#ofMaps} takes them; null is
     *     missing. If all are missing, the column is one of doubles.
     * @return this builder.
     * @throws IllegalArgumentException if name or values are null, the name was given before or is over 1 KiB, the
     *     number of values is not that of the other columns, the column mixes numbers, truth values and text, a text is
     *     not valid Unicode, or no double holds a number exactly; the message names column and row.
     */
    public Builder values(String name, List<?> values) {
      return objects(name, given(name, values).toArray());
    }

    /**
     * Makes the batch.
     *
     * @return a batch of the columns that were added so far.
     * @throws IllegalArgumentException if there is no column.
     */
    public ColumnBatch build() {
      if (columns.isEmpty()) {
        throw new IllegalArgumentException("the batch has no columns: add at least one");
      }
      return new ColumnBatch(List.copyOf(columns));
    }

    /** Adds a column of objects, of the kind that holds all of them exactly; null is missing. */
    Builder objects(String name, Object[] values) {
      return objects(name, values, ColumnKind.of(Arguments.text("the name of a column", name), values));
    }

    private Builder objects(String name, Object[] values, ColumnKind kind) {
      long bytes = 8L * values.length;
      if (kind == ColumnKind.STRINGS) {
        for (int row = 0; row < values.length; row++) {
          int length = values[row] == null ? 0 : Arguments.utf8Bytes(values[row].toString());
          if (length < 0) {
            throw new IllegalArgumentException(
                "column '" + name + "', row " + row + ": half of a surrogate pair, which UTF-8 can't hold");
          }
          bytes += length;
        }
      }
      return add(name, kind, values, values.length, bytes, row -> values[row] == null);
    }

    private static <T> T given(String name, T values) {
      return Arguments.given("the values of column '" + name + "'", values);
    }

    private Builder add(String name, ColumnKind kind, Object values, int rows, long bytes, IntPredicate missing) {
      if (!names.add(Arguments.text("the name of a column", name))) {
        throw new IllegalArgumentException("two columns are named '" + name + "'");
      }
      if (!columns.isEmpty() && columns.get(0).rows != rows) {
        String first = "'" + columns.get(0).name + "' has " + columns.get(0).rows;
        throw new IllegalArgumentException("column '" + name + "' has " + rows + " rows, " + first);
      }
      columns.add(new NamedColumn(name, kind, values, rows, bytes, missing));
      return this;
    }
  }
}
