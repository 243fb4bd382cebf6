package io.scorebridge.client;

import io.scorebridge.v1.ScoreRequest;
import java.beans.IntrospectionException;
import java.beans.Introspector;
import java.beans.PropertyDescriptor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Rows to be scored. May be shared by threads and calls. The arrays and lists that a batch is made from are not copied:
 * don't change them while calls are under way.
 */
public abstract class Batch {
  Batch() {}

  /**
   * Makes a batch of rows of numbers, in the model's own order of features.
   *
   * @param rows the rows, all of one length; NaN is missing. May be empty: then nothing is scored.
   * @return the batch.
   * @throws IllegalArgumentException if rows or a row is null, or the lengths differ; the message names the row.
   */
  public static Batch of(double[][] rows) {
    return new MatrixBatch(List.of(), rows, null);
  }

  /**
   * Makes a batch of rows of numbers, with names for its columns.
   *
   * @param columns the names of the features, in the order of the values.
   * @param rows the rows, with one value for each column; NaN is missing. May be empty: then nothing is scored.
   * @return the batch.
   * @throws IllegalArgumentException if an argument or a row is null, two columns have one name, or the lengths differ;
   *     the message names the row or column.
   */
  public static Batch of(List<String> columns, double[][] rows) {
    return new MatrixBatch(columns, rows, null);
  }

  /**
   * Makes a batch of rows of single-precision numbers, which are half as large on the wire as double ones.
   *
   * @param columns the names of the features, in the order of the values; empty for the model's own order.
   * @param rows the rows, with one value for each column; NaN is missing. May be empty: then nothing is scored.
   * @return the batch.
   * @throws IllegalArgumentException if an argument or a row is null, two columns have one name, or the lengths differ;
   *     the message names the row or column.
   */
  public static Batch of(List<String> columns, float[][] rows) {
    return new MatrixBatch(columns, null, rows);
  }

  /**
   * Begins a batch of named columns, which may have different types.
   *
   * @return a builder; not to be shared by threads.
   */
  public static ColumnBatch.Builder columns() {
    return new ColumnBatch.Builder();
  }

  /**
   * Makes a batch with a row for each map. A column has the type of its values: text, truth values, integers or
   * floating point numbers (numbers of several types become the widest of them).
   *
   * <p>A {@code BigDecimal} is sent as the nearest double. A {@code BigInteger} is sent as a long or, if it is too
   * large for a long, as the double that equals it. In a column of doubles, a whole number that no double holds exactly
   * (all such numbers are beyond 2^53) is refused.
   *
   * @param rows a map from column names to values for each row; null and absent values are missing. May be empty: then
   *     nothing is scored.
   * @return the batch.
   * @throws IllegalArgumentException if rows, a row or a name is null, a column mixes numbers, truth values and text,
   *     or no double holds a number exactly; the message names row and column.
   */
  public static Batch ofMaps(List<? extends Map<String, ?>> rows) {
    if (Arguments.given("rows", rows).isEmpty()) {
      return of(new double[0][]); // without rows, no column names are known
    }
    Map<String, Object[]> columns = new LinkedHashMap<>();
    int row = 0;
    for (Map<String, ?> values : rows) {
      Arguments.given("row " + row, values);
      for (Map.Entry<String, ?> entry : values.entrySet()) {
        String name = Arguments.given("a name in row " + row, entry.getKey());
        columns.computeIfAbsent(name, added -> new Object[rows.size()])[row] = entry.getValue();
      }
      row++;
    }
    ColumnBatch.Builder batch = columns();
    columns.forEach(batch::objects);
    return batch.build();
  }

  /**
   * Makes a batch with a row for each record or bean, and a column for each component or readable property. Values are
   * read at once, and have the types that {@link #ofMaps} gives them.
   *
   * @param rows objects of one class, or of several classes with the same properties. May be empty: then nothing is
   *     scored.
   * @return the batch.
   * @throws IllegalArgumentException if rows or a row is null, a value can't be read, a column mixes numbers, truth
   *     values and text, or no double holds a number exactly; the message names row and column.
   */
  public static Batch ofBeans(List<?> rows) {
    Map<Class<?>, Map<String, Method>> known = new LinkedHashMap<>();
    List<Map<String, Object>> maps = new ArrayList<>(Arguments.given("rows", rows).size());
    for (Object row : rows) {
      Class<?> kind = Arguments.given("row " + maps.size(), row).getClass();
      Map<String, Object> values = new LinkedHashMap<>();
      known.computeIfAbsent(kind, Batch::getters).forEach((name, getter) -> values.put(name, read(row, name, getter)));
      maps.add(values);
    }
    return ofMaps(maps);
  }

  /**
   * The number of rows in the batch.
   *
   * @return the number of rows.
   */
  public abstract int rows();

  /** The approximate size of the batch's values in a request, bytes. */
  abstract long bytes();

  /** Adds {@code count} rows to a request, from row {@code first} on, counted from 0. */
  abstract void fill(ScoreRequest.Builder request, int first, int count);

  private static Map<String, Method> getters(Class<?> kind) {
    Map<String, Method> getters = new LinkedHashMap<>();
    if (kind.isRecord()) {
      for (RecordComponent component : kind.getRecordComponents()) {
        getters.put(component.getName(), component.getAccessor());
      }
    } else {
      try {
        for (PropertyDescriptor property : Introspector.getBeanInfo(kind, Object.class).getPropertyDescriptors()) {
          if (property.getReadMethod() != null) {
            getters.put(property.getName(), property.getReadMethod());
          }
        }
      } catch (IntrospectionException error) {
        throw new IllegalArgumentException("rows of the class " + kind.getName() + " can't be read as beans", error);
      }
    }
    // trySetAccessible: the public properties of a class that is not public are to be read too.
    if (!getters.values().stream().allMatch(Method::trySetAccessible)) {
      throw new IllegalArgumentException(
          "rows of the class " + kind.getName() + " can't be read: its module does not open its package");
    }
    return getters;
  }

  private static Object read(Object row, String name, Method getter) {
    try {
      return getter.invoke(row);
    } catch (IllegalAccessException | InvocationTargetException error) {
      throw new IllegalArgumentException(
          "column '" + name + "' can't be read from a row of the class " + row.getClass().getName(), error);
    }
  }
}
