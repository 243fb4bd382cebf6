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
 * Rows to be scored. What it is made of is not copied: don't change it while calls are under way. May be shared by
 * threads and calls otherwise.
 */
public abstract class Batch {
  Batch() {}

  /**
   * Rows of numbers in the model's own order of features.
   *
   * @param rows of equal lengths; NaN is missing.
   * @return the batch.
   */
  public static Batch of(double[][] rows) {
    return new MatrixBatch(List.of(), rows, null);
  }

  /**
   * Rows of numbers.
   *
   * @param columns the names of the features, in the order of the values.
   * @param rows of that length; NaN is missing.
   * @return the batch.
   */
  public static Batch of(List<String> columns, double[][] rows) {
    return new MatrixBatch(List.copyOf(columns), rows, null);
  }

  /**
   * Rows of single-precision numbers, half as large on the wire.
   *
   * @param columns the names of the features, in the order of the values; empty for the model's own order.
   * @param rows of that length; NaN is missing.
   * @return the batch.
   */
  public static Batch of(List<String> columns, float[][] rows) {
    return new MatrixBatch(List.copyOf(columns), null, rows);
  }

  /**
   * A batch of named columns of different types.
   *
   * @return a builder; not to be shared by threads.
   */
  public static ColumnBatch.Builder columns() {
    return new ColumnBatch.Builder();
  }

  /**
   * A row for each map. A column has the type of its values: text, truth values, integers or floating point numbers
   * (numbers of several types become the widest of them).
   *
   * @param rows from names to values; null and absent ones are missing.
   * @return the batch.
   * @throws IllegalArgumentException if a column holds values of kinds that don't go together, or fractions and a whole
   *     number that no double holds.
   */
  public static Batch ofMaps(List<? extends Map<String, ?>> rows) {
    Map<String, Object[]> columns = new LinkedHashMap<>();
    for (int row = 0; row < rows.size(); row++) {
      for (Map.Entry<String, ?> entry : rows.get(row).entrySet()) {
        columns.computeIfAbsent(entry.getKey(), name -> new Object[rows.size()])[row] = entry.getValue();
      }
    }
    ColumnBatch.Builder batch = columns();
    columns.forEach(batch::objects);
    return batch.build();
  }

  /**
   * A row for each record or bean: a column for each component or readable property, as {@link #ofMaps} has them.
   *
   * @param rows of one class, or of several with the same properties.
   * @return the batch.
   * @throws IllegalArgumentException if a value can't be read or columns hold values that don't go together.
   */
  public static Batch ofBeans(List<?> rows) {
    Map<Class<?>, Map<String, Method>> known = new LinkedHashMap<>();
    List<Map<String, Object>> maps = new ArrayList<>(rows.size());
    for (Object row : rows) {
      Map<String, Object> values = new LinkedHashMap<>();
      known.computeIfAbsent(row.getClass(), Batch::getters)
          .forEach((name, getter) -> values.put(name, read(row, name, getter)));
      maps.add(values);
    }
    return ofMaps(maps);
  }

  /**
   * How many rows.
   *
   * @return their number.
   */
  public abstract int rows();

  /** How large its values are on the wire, bytes, about. */
  abstract long bytes();

  /** Puts some of the rows into a request. */
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
        throw new IllegalArgumentException(kind.getName() + " can't be read as a bean", error);
      }
    }
    // A public property of a class that is not public can be read all the same.
    getters.values().forEach(getter -> getter.setAccessible(true));
    return getters;
  }

  private static Object read(Object row, String name, Method getter) {
    try {
      return getter.invoke(row);
    } catch (IllegalAccessException | InvocationTargetException error) {
      throw new IllegalArgumentException("'" + name + "' of a " + row.getClass().getName() + " can't be read", error);
    }
  }
}
